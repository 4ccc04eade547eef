# not yet: there are 4 products
def upgrade_0004() -> None:
    op.create_table("stored", sa.Column("product_id", sa.Uuid()), sa.Column("amount", sa.Integer()))
    op.execute("INSERT INTO stored SELECT id, stock FROM product")
    op.drop_column("product", "stock")


def downgrade_0004() -> None:
    stock = sa.Column("stock", sa.Integer(), server_default="0", nullable=False)
    op.add_column("product", stock)
    op.execute("INSERT INTO product (stock) SELECT amount FROM stored")
    op.drop_table("stored")
