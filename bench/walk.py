"""Sign-ins and pages over HTTP, with the processor time that the server took for each step."""

from collections.abc import Callable
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
    """Reads the processor time of a server around each step."""

    pid: int
    steps: list[float] = field(default_factory=list)

    def step(self, send: Callable[[], Page], *, status: int) -> Page:
        """Send one request, note what it took, and make sure that it was answered as it should."""
        began = process_ms(self.pid)
        page = send()
        self.steps.append(process_ms(self.pid) - began)
        assert page.status == status, f"{page.status} for {page.url}: {page.text[:300]}"
        return page


def browser(base_url: str, number: int) -> Visitor:
    """A visitor with an address of its own, as a proxy would pass it on."""
    return Visitor(base_url, headers={"X-Forwarded-For": f"198.51.{number // 250}.{number % 250 + 1}"})


def sign_in(visitor: Visitor, at: Installation, *, person: int) -> list[float]:
    """One whole sign-in of a person in a browser without cookies. Milliseconds for each of STEPS."""
    visitor.cookies.clear()
    meter = Meter(at.pid)
    page = meter.step(lambda: visitor.get("/login"), status=200)
    email = f"person{person}@acme.test"
    sent = meter.step(lambda: visitor.submit(page, "/login/sso", email=email), status=303)
    encoded = idp.response(at.ours, request_id_of(sent.location or ""), person=person, now=datetime.now(UTC))
    form = {"SAMLResponse": encoded, "RelayState": "login"}
    posted = meter.step(lambda: visitor.post(at.ours.acs_url, form, **_FROM_IDP), status=303)
    back = meter.step(lambda: visitor.get(posted.location or ""), status=303)
    meter.step(lambda: visitor.get(back.location or ""), status=200)
    return meter.steps


def same_requests(visitor: Visitor, pid: int, encoded: str) -> list[float]:
    """As many requests of the same sizes to the bare server. Milliseconds for each of STEPS."""
    meter = Meter(pid)
    meter.step(lambda: visitor.get("/login"), status=200)
    form = {"csrf_token": "x" * 43, "email": "person1@acme.test", "next": "/", "organization": ""}
    meter.step(lambda: visitor.post("/login/sso", form), status=200)
    meter.step(lambda: visitor.post("/acs", {"SAMLResponse": encoded, "RelayState": "login"}, **_FROM_IDP), status=200)
    meter.step(lambda: visitor.get("/login/sso/callback?code=" + "x" * 43), status=200)
    meter.step(lambda: visitor.get("/"), status=200)
    return meter.steps


def owner(at: Installation) -> Visitor:
    """The organization's owner, signed in by password: the dashboard shows an owner the most."""
    visitor = browser(at.server.url, 0)
    page = visitor.submit(visitor.get("/login"), "/login", email=OWNER, password=PASSWORD)
    assert visitor.follow(page).status == 200, page.text[:300]
    return visitor


def dashboard(visitor: Visitor, pid: int) -> float:
    """Milliseconds for one look at `/`."""
    meter = Meter(pid)
    meter.step(lambda: visitor.get("/"), status=200)
    return meter.steps[0]
