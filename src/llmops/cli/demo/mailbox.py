"""The demo's mailbox: takes every letter by SMTP and shows it on a page. A program of its own: SMTP-PORT PAGE-PORT.

It keeps letters in memory. Only this machine reaches it, and only under its own address: letters hold one-time links.
"""

import asyncio
import email
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

HOST = "127.0.0.1"
_TEMPLATES = Path(__file__).parent / "templates"
_LOOK_OF_THE_PRODUCT = Path(__file__).parents[2] / "web" / "static"
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# Letters are made for mail programs, with styles inside. Their links open in a window of their own; nothing else works.
_LETTER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; form-action 'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


@dataclass(frozen=True)
class Letter:
    """One letter as it arrived."""

    number: int
    to: str
    sender: str
    subject: str
    arrived_at: datetime
    text: str
    html: str


class Mailbox:
    """All letters, the oldest first."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """What aiosmtpd calls for each letter."""
        message = email.message_from_bytes(envelope.original_content or b"", _class=EmailMessage, policy=default)
        self.letters.append(
            Letter(
                number=len(self.letters) + 1,
                to=", ".join(envelope.rcpt_tos),
                sender=str(message["From"]),
                subject=str(message["Subject"]),
                arrived_at=datetime.now(UTC),
                text=_part(message, "plain"),
                html=_part(message, "html"),
            )
        )
        return "250 Kept"


def pages(mailbox: Mailbox) -> Starlette:
    """The pages that show the letters."""
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )

    def page(template: str, **values: object) -> Response:
        html = templates.get_template(template).render(values)
        return HTMLResponse(html, headers={"content-security-policy": _PAGE_POLICY, "cache-control": "no-store"})

    def chosen(request: Request) -> Letter:
        number: int = request.path_params["number"]
        if not 1 <= number <= len(mailbox.letters):
            raise HTTPException(404)
        return mailbox.letters[number - 1]

    async def show_all(_: Request) -> Response:
        return page("letters.html", letters=mailbox.letters[::-1])

    async def show_one(request: Request) -> Response:
        return page("letter.html", letter=chosen(request))

    async def show_html(request: Request) -> Response:
        opening_outside = re.sub(r"(<head>)", r'\1<base target="_blank">', chosen(request).html, count=1)
        return HTMLResponse(opening_outside, headers={"content-security-policy": _LETTER_POLICY})

    async def show_style(_: Request) -> Response:
        return FileResponse(_TEMPLATES / "mailbox.css")

    return Starlette(
        routes=[
            Route("/", show_all),
            Route("/letters/{number:int}", show_one),
            Route("/letters/{number:int}/html", show_html),
            Route("/mailbox.css", show_style),
            Mount("/static", StaticFiles(directory=_LOOK_OF_THE_PRODUCT)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST])],  # no other site reads along by DNS
    )


async def main(smtp_port: int, page_port: int) -> None:
    """Listen on both ports until stopped."""
    mailbox, loop = Mailbox(), asyncio.get_running_loop()
    smtp = await loop.create_server(lambda: SMTP(mailbox, loop=loop), HOST, smtp_port)
    configuration = uvicorn.Config(pages(mailbox), host=HOST, port=page_port, log_level="warning", ws="none")
    async with smtp:
        await uvicorn.Server(configuration).serve()


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body(preferencelist=(kind,))
    return str(body.get_content()) if body is not None else ""


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
