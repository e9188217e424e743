"""The least that can answer over HTTP with the product's server: Starlette and one route. Run by uvicorn."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def answer(request: Request) -> PlainTextResponse:
    """Take whatever comes and say ok."""
    await request.body()
    return PlainTextResponse("ok")


app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
