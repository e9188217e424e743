"""Alive, ready, version: for load balancers and operators. No secrets, no sign-in, any Host."""

from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse, PlainTextResponse, Response

from llmops import __version__
from llmops.db.tables import Db
from llmops.errors import SecretKeyMismatch
from llmops.web.doors import Door, get
from llmops.web.request import Request

PATHS = frozenset({"/healthz", "/readyz", "/version", "/metrics"})
"""What is asked by machines, by any Host, all the time: not logged, not counted."""


def alive(r: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok")


def version(r: Request) -> Response:
    """Which version this is."""
    return JSONResponse({"version": __version__})


def doors(schema_problem: Callable[[Db], str | None]) -> list[Door]:
    """The doors; `schema_problem` tells what is wrong with the database's schema, which this layer does not know."""

    def ready(r: Request) -> Response:
        """The database answers, has the newest schema, and its keys open; 503 with the reasons when not."""
        reasons: dict[str, str] = {}
        try:
            r.db.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            reasons["database"] = type(error).__name__
        else:
            if problem := schema_problem(r.db):
                reasons["schema"] = problem
            reasons |= _key_problem(r)
        if reasons:
            return JSONResponse({"ready": False, "reasons": reasons}, status_code=503)
        return JSONResponse({"ready": True})

    return [get("/healthz", alive), get("/readyz", ready), get("/version", version)]


def _key_problem(r: Request) -> dict[str, str]:
    try:
        r.site.keyring.current(r.now)
    except (SecretKeyMismatch, SQLAlchemyError) as error:
        return {"keys": type(error).__name__}
    return {}
