# not yet: write table.column
from sqlalchemy import ForeignKey


class MyBase(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class MyProduct(MyBase):
    __tablename__ = "my_product"
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())


class MyReview(MyBase):
    __tablename__ = "my_review"
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    product_id: Mapped[UUID] = mapped_column(ForeignKey("my_product"))


key_name = "fk_my_review_product_id_my_product"
