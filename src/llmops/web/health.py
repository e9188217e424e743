"""Alive, ready, version: for load balancers and operators. No secrets, no sign-in, any Host."""

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse, PlainTextResponse, Response

from llmops import __version__
from llmops.web.doors import get
from llmops.web.request import Request

PATHS = frozenset({"/healthz", "/readyz", "/version"})


def alive(r: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok")


def ready(r: Request) -> Response:
    """The database answers too; 503 with the reason when it does not."""
    try:
        r.db.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return JSONResponse({"ready": False, "reason": type(error).__name__}, status_code=503)
    return JSONResponse({"ready": True})


def version(r: Request) -> Response:
    """Which version this is."""
    return JSONResponse({"version": __version__})


doors = [get("/healthz", alive), get("/readyz", ready), get("/version", version)]
