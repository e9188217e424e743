"""Sign-ins and pages over HTTP, with the processor time that the server took for each step.

Several browsers send each step one after the other, as on a Monday morning. With pauses between them the same request
takes an idle machine two to three times as long, of the bare server too, which says nothing about either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from support.page import Page
from support.visitor import Visitor
from world import PASSWORD, request_id_of

from bench import idp
from bench.installation import OWNER, Installation
from bench.measure import process_ms

STEPS = ("GET /login", "POST /login/sso", "POST …/acs", "GET /login/sso/callback", "GET /")
_FROM_IDP = {"Origin": "https://idp.example.test", "Sec_Fetch_Site": "cross-site"}


@dataclass
class Meter:
    """Reads the processor time of a server around each step of a crowd; `steps` in milliseconds of one request."""

    pid: int
    crowd: Sequence[Visitor]
    steps: list[float] = field(default_factory=list)

    def step(self, send: Callable[[Visitor, int], Page], *, status: int) -> list[Page]:
        """Everybody sends one request; make sure that each was answered as it should."""
        began = process_ms(self.pid)
        pages = [send(visitor, number) for number, visitor in enumerate(self.crowd)]
        self.steps.append((process_ms(self.pid) - began) / len(pages))
        for page in pages:
            assert page.status == status, f"{page.status} for {page.url}: {page.text[:300]}"
        return pages


def crowd(base_url: str, size: int) -> list[Visitor]:
    """Browsers with an address each, as a proxy would pass them on."""
    return [Visitor(base_url, headers={"X-Forwarded-For": f"198.51.100.{number + 1}"}) for number in range(size)]


def sign_in(visitors: Sequence[Visitor], at: Installation, *, first_person: int) -> list[float]:
    """Everybody signs in, in a browser without cookies. Milliseconds of one sign-in for each of STEPS."""
    for visitor in visitors:
        visitor.cookies.clear()
    meter = Meter(at.pid, visitors)
    pages = meter.step(lambda visitor, _: visitor.get("/login"), status=200)
    for page in pages:
        page.form("/login/sso")  # a page keeps the forms that it has read
    sent = meter.step(
        lambda visitor, number: visitor.submit(
            pages[number], "/login/sso", email=f"person{first_person + number}@acme.test"
        ),
        status=303,
    )
    now = datetime.now(UTC)
    answers = [
        idp.response(at.ours, request_id_of(page.location or ""), person=first_person + number, now=now)
        for number, page in enumerate(sent)
    ]
    posted = meter.step(
        lambda visitor, number: visitor.post(at.ours.acs_url, _form(answers[number]), **_FROM_IDP), status=303
    )
    back = meter.step(lambda visitor, number: visitor.get(posted[number].location or ""), status=303)
    meter.step(lambda visitor, number: visitor.get(back[number].location or ""), status=200)
    return meter.steps


def same_requests(visitors: Sequence[Visitor], pid: int, encoded: str) -> list[float]:
    """As many requests of the same sizes to the bare server. Milliseconds of one for each of STEPS."""
    meter = Meter(pid, visitors)
    meter.step(lambda visitor, _: visitor.get("/login"), status=200)
    form = {"csrf_token": "x" * 43, "email": "person1@acme.test", "next": "/", "organization": ""}
    meter.step(lambda visitor, _: visitor.post("/login/sso", form), status=200)
    meter.step(lambda visitor, _: visitor.post("/acs", _form(encoded), **_FROM_IDP), status=200)
    meter.step(lambda visitor, _: visitor.get("/login/sso/callback?code=" + "x" * 43), status=200)
    meter.step(lambda visitor, _: visitor.get("/"), status=200)
    return meter.steps


def _form(encoded: str) -> dict[str, str]:
    return {"SAMLResponse": encoded, "RelayState": "login"}


def owner(at: Installation) -> Visitor:
    """The organization's owner, signed in by password: the dashboard shows an owner the most."""
    visitor = crowd(at.server.url, 1)[0]
    page = visitor.submit(visitor.get("/login"), "/login", email=OWNER, password=PASSWORD)
    assert visitor.follow(page).status == 200, page.text[:300]
    return visitor


def dashboard(visitor: Visitor, pid: int, *, times: int) -> float:
    """Milliseconds for one look at `/`."""
    meter = Meter(pid, [visitor] * times)
    meter.step(lambda one, _: one.get("/"), status=200)
    return meter.steps[0]
