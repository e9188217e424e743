"""Pages and letters from templates: "signin/sign_in.html" is signin/templates/sign_in.html.

A capability may lie deeper: "broker/portal/step.html" is broker/portal/templates/step.html.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound, select_autoescape
from starlette.responses import HTMLResponse

from llmops.base import outside
from llmops.errors import Failure
from llmops.web import staying
from llmops.web.markup import marked
from llmops.web.request import Request
from llmops.web.security import csrf_token

_PACKAGE = Path(__file__).parent.parent
STATIC = _PACKAGE / "web" / "static"
THEME_COOKIE = "__Host-llmops_theme"


class _Templates(BaseLoader):
    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Any]:
        path = _path(template)
        if ".." in template or path is None:
            raise TemplateNotFound(template)
        return path.read_text(encoding="utf-8"), str(path), lambda: True


def _path(template: str) -> Path | None:
    """Where a template lies: in the first folder on its way that has the folder `templates`."""
    parts = template.split("/")
    places = (_PACKAGE.joinpath(*parts[:depth], "templates", *parts[depth:]) for depth in range(1, len(parts)))
    return next((place for place in places if place.is_file()), None)


@cache
def static(name: str) -> str:
    """The address of a static file, which changes with its content."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


environment = Environment(
    loader=_Templates(),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.globals["static"] = static
environment.filters["visible"] = outside.visible
environment.filters["marked"] = marked


def render(
    r: Request,
    template: str,
    *,
    status: int = 200,
    policy: str | None = None,
    failure: Failure | None = None,
    **values: object,
) -> HTMLResponse:
    """A page. Every template also gets `actor`, `csrf`, `theme`, `path`, `support_email` and `seconds_left`.

    With a `failure` it is the form once more: the page has its status, shows it as `alert`, and says when to try again.
    """
    theme = r.cookies.get(THEME_COOKIE, "")
    page = environment.get_template(template).render(
        actor=r.actor,
        csrf=csrf_token(r),
        theme=theme if theme in ("light", "dark") else "",
        path=r.path,
        support_email=r.settings.support_email,
        seconds_left=staying.seconds_left(r),
        **({"flash": None, "alert": alert(failure) if failure else None} | values),
    )
    retry_after = failure.facts.get("retry_after_seconds") if failure else None
    headers = {"content-security-policy": policy, "retry-after": retry_after}
    return HTMLResponse(
        page,
        status_code=failure.status if failure else status,
        headers={name: value for name, value in headers.items() if value},
    )


def alert(failure: Failure | type[Failure], *, ref: str | None = None) -> dict[str, str | None]:
    """What a page shows of a failure; never its facts."""
    return {
        "code": failure.code,
        "message": failure.message,
        "advice": failure.advice,
        "repair": str(failure.repair),
        "ref": ref,
    }
