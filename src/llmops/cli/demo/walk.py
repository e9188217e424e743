"""One sign-in over real HTTP, as a browser would do it, each hop told; and whether it ended where it should."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from lxml.html import FormElement, HtmlElement, document_fromstring

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_HOPS = 15

_MEANINGS = (
    ("GET", "/login", "the sign-in page"),
    ("POST", "/login/sso", "address → company → its identity provider"),
    ("GET", "/saml/sso", "our signed request is read; who is it?"),
    ("POST", "/saml/sso", "password right: a signed assertion, to be posted to us"),
    ("POST", "/sso/saml/{}/acs", "signature, audience, time … all checked: a code, once"),
    ("GET", "/authorize", "our request is read; who is it?"),
    ("POST", "/authorize", "password right: an authorization code"),
    ("GET", "/sso/oidc/{}/callback", "tokens fetched, ID token checked: a code of ours, once"),
    ("GET", "/login/sso/callback", "code spent; account, membership and session are made"),
    ("GET", "/", "the dashboard"),
)


@dataclass(frozen=True)
class Hop:
    """One request and what it was answered."""

    method: str
    url: str
    status: int
    meaning: str

    @property
    def short_url(self) -> str:
        """The address without its parameters, which are long, and some of them secret; long steps are cut."""
        parts = urlsplit(self.url)
        steps = "/".join(f"{step[:9]}…" if len(step) > 20 else step for step in parts.path.split("/"))
        return parts.netloc + steps + ("?…" if parts.query else "")


@dataclass(frozen=True)
class Page:
    """An answer that redirects no further."""

    url: str
    status: int
    html: str

    @cached_property
    def document(self) -> HtmlElement:
        """The page, read."""
        return document_fromstring(self.html or "<html></html>")

    @property
    def text(self) -> str:
        """What can be read on it, in one line."""
        return " ".join(self.document.text_content().split())

    def form(self, action: str | None = None) -> FormElement | None:
        """The form that goes to this path; without a path the first one."""
        forms: list[FormElement] = self.document.forms
        return next((form for form in forms if action in (None, form.get("action"))), None)


class Walker:
    """A browser without a window: keeps cookies, follows redirects, sends forms; tells each hop as it happens.

    Like browsers it treats loopback as secure, gives one host's cookies to all of its ports, and keeps Lax cookies at
    home when another site's form is sent.
    """

    def __init__(self, tell: Callable[[Hop], None]) -> None:
        self._tell = tell
        self._client = httpx2.Client(trust_env=False, timeout=30)
        self._cookies: dict[tuple[str, str], tuple[str, str]] = {}  # (host, name) → (value, SameSite)

    def __enter__(self) -> "Walker":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def open(self, url: str) -> Page:
        """Type in an address."""
        return self._follow("GET", url, {}, origin=None)

    def submit(self, page: Page, form: FormElement, **fields: str) -> Page:
        """Send a form of the page with these fields filled in."""
        url = urljoin(page.url, form.get("action") or page.url)
        return self._follow("POST", url, dict(form.form_values()) | fields, origin=_origin(page.url))

    def _follow(self, method: str, url: str, fields: dict[str, str], *, origin: str | None) -> Page:
        for _ in range(_MOST_HOPS):
            answer = self._send(method, url, fields, origin=origin)
            target = urljoin(url, answer.headers.get("location", ""))
            redirected = answer.status_code in _REDIRECTS
            self._tell(Hop(method, url, answer.status_code, _meaning(method, url, target if redirected else "")))
            if not redirected:
                return Page(url, answer.status_code, answer.text)
            if answer.status_code not in (307, 308):
                method, fields = "GET", {}
            url = target
        return Page(url, 0, "")  # going round in circles is not an arrival

    def _send(self, method: str, url: str, fields: dict[str, str], *, origin: str | None) -> httpx2.Response:
        host = urlsplit(url).hostname or ""
        foreign_form = method == "POST" and origin is not None and urlsplit(origin).hostname != host
        cookies = [
            f"{name}={value}"
            for (owner, name), (value, same_site) in self._cookies.items()
            if owner == host and (not foreign_form or same_site == "none")
        ]
        headers = {"Accept": "text/html"} | ({"Cookie": "; ".join(cookies)} if cookies else {})
        if method == "POST" and origin is not None:
            headers["Origin"] = origin
        answer = self._client.request(method, url, data=fields or None, headers=headers)
        self._client.cookies.clear()  # it would not send Secure cookies over http, and ours are
        for line in answer.headers.get_list("set-cookie"):
            for name, cookie in SimpleCookie(line).items():
                self._cookies.pop((host, name), None)
                if cookie["max-age"] != "0":
                    self._cookies[host, name] = (cookie.value, str(cookie["samesite"]).lower())
        return answer


def sign_in(walker: Walker, base_url: str, *, email: str, password: str) -> Page:
    """Enterprise SSO from the sign-in page on, until no page sends itself any further."""
    page = walker.open(f"{base_url}/login")
    for path, fields in (("/login/sso", {"email": email}), (None, {"username": email, "password": password})):
        form = page.form(path)
        if form is None:
            return page
        page = walker.submit(page, form, **fields)
    form = page.form()
    if form is not None and "SAMLResponse" in form.fields:  # a script of the identity provider's page sends it
        page = walker.submit(page, form)
    return page


def problems(page: Page, base_url: str, *, company: str, name: str, email: str) -> list[str]:
    """What is missing from the dashboard of this company as this new person sees it the first time."""
    wanted = {
        f"Organization: {company}": "it is not the company's page",
        f"{name}, your menu": "somebody else is signed in",
        email: "it does not show the person's address",
        "Your account was created from your company sign-in.": "the account is not new",
    }
    if page.status != 200 or page.url.partition("?")[0] != f"{base_url}/":
        return [f"it ended at {page.url.partition('?')[0]} with status {page.status}"]
    return [problem for text, problem in wanted.items() if text not in page.text]


def _meaning(method: str, url: str, target: str) -> str:
    """What a hop is for, in a few words; a refusal by its code."""
    if code := parse_qs(urlsplit(target).query).get("sso_error"):
        return f"refused: {code[0]}"
    steps = urlsplit(url).path.split("/")
    for wanted_method, pattern, meaning in _MEANINGS:
        wanted = pattern.split("/")
        if method == wanted_method and len(wanted) == len(steps):
            if all(part in ("{}", step) for part, step in zip(wanted, steps, strict=True)):
                return meaning
    return ""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
