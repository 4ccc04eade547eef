"""The application. Its engine lives as long as it does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from fastapi_shop.models import Item
from fastapi_shop.settings import database_url


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the engine when the application starts, close it when that stops."""
    engine = create_async_engine(database_url())
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Yield a session for a request."""
    async with request.app.state.sessions() as session:
        yield session


app = FastAPI(lifespan=lifespan)
Session = Annotated[AsyncSession, Depends(get_session)]


@app.post("/items/{name}")
async def add(name: str, session: Session) -> None:
    """Add an item."""
    session.add(Item(name=name))
    await session.commit()


@app.get("/items")
async def items(session: Session) -> list[str]:
    """List the items."""
    return list(await session.scalars(select(Item.name).order_by(Item.name)))
