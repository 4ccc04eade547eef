"""The application."""

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from lending.database import get_session
from lending.models import Loan, Tool

app = FastAPI()
Session = Annotated[AsyncSession, Depends(get_session)]


async def find(name: str, session: AsyncSession) -> Tool:
    tool = await session.scalar(select(Tool).where(Tool.name == name))
    if tool is None:
        raise HTTPException(404)
    return tool


@app.get("/tools")
async def tools(session: Session) -> list[str]:
    return list(await session.scalars(select(Tool.name).order_by(Tool.name)))


@app.post("/tools/{name}", status_code=201)
async def add(name: str, session: Session) -> None:
    if await session.scalar(select(Tool).where(Tool.name == name)):
        raise HTTPException(409)
    session.add(Tool(name=name))
    await session.commit()


@app.delete("/tools/{name}", status_code=204)
async def remove(name: str, session: Session) -> None:
    await session.delete(await find(name, session))
    await session.commit()


@app.get("/loans/{name}")
async def borrower(name: str, session: Session) -> str:
    loan = await session.get(Loan, (await find(name, session)).id)
    if loan is None:
        raise HTTPException(404)
    return loan.borrower


@app.post("/loans/{name}", status_code=201)
async def lend(name: str, to: str, session: Session) -> None:
    tool = await find(name, session)
    if await session.get(Loan, tool.id):
        raise HTTPException(409)
    session.add(Loan(tool_id=tool.id, borrower=to))
    await session.commit()


@app.delete("/loans/{name}", status_code=204)
async def bring_back(name: str, session: Session) -> None:
    await session.delete(await session.get(Loan, (await find(name, session)).id))
    await session.commit()
