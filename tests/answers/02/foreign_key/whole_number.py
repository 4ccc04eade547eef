# not yet: the annotation is false
from sqlalchemy import ForeignKey


class MyBase(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class MyProduct(MyBase):
    __tablename__ = "my_product"
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())


class MyReview(MyBase):
    __tablename__ = "my_review"
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    product_id: Mapped[int] = mapped_column(ForeignKey("my_product.id"))


key_name = "fk_my_review_product_id_my_product"
