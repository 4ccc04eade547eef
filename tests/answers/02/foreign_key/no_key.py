# not yet: my_review refers to no table
class MyBase(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class MyReview(MyBase):
    __tablename__ = "my_review"
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    product_id: Mapped[UUID]


key_name = "fk_my_review_product_id_my_product"
