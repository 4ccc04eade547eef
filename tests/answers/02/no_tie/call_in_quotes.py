# not yet: a text is a value
class MyOrders(DeclarativeBase):
    pass


class MyOrder(MyOrders):
    __tablename__ = "my_order"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    state: Mapped[str] = mapped_column(String(20), server_default="new")
    ordered_at: Mapped[datetime] = mapped_column(TIMESTAMP, server_default="clock_timestamp()")
