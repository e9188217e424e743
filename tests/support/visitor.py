"""A person with a browser, over plain HTTP: cookies, forms, redirects one at a time, a browser's headers.

For tests against servers that really listen. It runs no scripts; `support.browser` does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

from support.cookies import Cookies
from support.page import Form, Page, Upload, Value

__all__ = ["Form", "Hop", "Page", "Upload", "Visitor"]


@dataclass(frozen=True)
class Hop:
    """One request and its answer, for assertions about the way somebody went."""

    method: str
    url: str
    status: int
    location: str | None
    cookies_sent: tuple[str, ...]
    cookies_set: tuple[str, ...]


@dataclass(frozen=True)
class _Navigation:
    """What a redirect must repeat: who began it, with what."""

    method: str
    body: Mapping[str, Value] = field(default_factory=dict)
    multipart: bool = False
    origin: str | None = None  # of the page that began it; None: typed into the address bar
    origin_header: str | None = None
    referer: str | None = None


class Visitor:
    """One browser with its own cookies. Addresses may be paths of `base_url`; redirects wait for `follow`."""

    def __init__(
        self,
        base_url: str = "",
        *,
        transport: httpx2.BaseTransport | None = None,
        clock: Callable[[], float] = time,
        timeout_seconds: float = 30,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.base_url = base_url
        self.cookies = Cookies(clock=clock)
        self.hops: list[Hop] = []
        self._client = httpx2.Client(transport=transport, timeout=timeout_seconds, trust_env=False)
        self._headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", **(headers or {})}
        self._last: _Navigation = _Navigation("GET")

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, address: str, *, start: Page | None = None, **headers: str) -> Page:
        """Open an address: typed in, or a link on the page `start`. Header names have underscores."""
        return self._go(self._whole(address, start), self._navigation("GET", "", start, {}), headers)

    def post(self, address: str, fields: Mapping[str, Value], *, start: Page | None = None, **headers: str) -> Page:
        """Send fields as a form of the page `start` would; without one as a page of the same site would."""
        url = self._whole(address, start)
        return self._go(url, self._navigation("POST", url, start, fields), headers)

    def submit(self, page: Page, action: str | None = None, *, press: str = "", **fields: Value) -> Page:
        """Fill in the page's form and send it; `press` names the button when there are several."""
        form = page.form(action)
        filled = {**form.filled(**fields), **(form.pressed(press) if press else {})}
        if form.method == "GET":
            query = urlencode(filled, doseq=True)
            return self.get(form.action.partition("?")[0] + "?" + query, start=page)
        return self._go(form.action, self._navigation("POST", form.action, page, filled, form.multipart), {})

    def click(self, page: Page, link: str) -> Page:
        """Open the page's link with this text or path."""
        return self.get(page.link(link), start=page)

    def follow(self, page: Page, *, stop_before: str | None = None, limit: int = 12) -> Page:
        """Go where it redirects to, until a page does not or the next address begins with `stop_before`.

        Raises: AssertionError after `limit` redirects.
        """
        for _ in range(limit):
            target = page.location
            if target is None or (stop_before is not None and target.startswith(stop_before)):
                return page
            page = self._redirected(page, target)
        raise AssertionError(f"more than {limit} redirects: {[hop.url for hop in self.hops[-limit:]]}")

    def _redirected(self, page: Page, target: str) -> Page:
        """One redirect; 307 and 308 repeat the form, others open the address.

        Source: Fetch, HTTP-redirect fetch.
        """
        last = self._last
        if page.status not in (307, 308) and last.method != "GET":
            last = _Navigation("GET", origin=last.origin, referer=last.referer)
        elif last.origin_header and _origin(target) != _origin(page.url):
            last = _Navigation(last.method, last.body, last.multipart, last.origin, "null", last.referer)
        return self._go(target, last, {})

    def _navigation(
        self, method: str, url: str, start: Page | None, body: Mapping[str, Value], multipart: bool = False
    ) -> _Navigation:
        if start is None:
            own = _origin(url) if method == "POST" else None
            return _Navigation(method, body, multipart, own, own)
        policy = start.headers.get("referrer-policy", "").rpartition(",")[2].strip().lower()
        origin = _origin(start.url)
        origin_header = None
        if method == "POST":
            hidden = policy == "no-referrer" or (policy == "same-origin" and _origin(url) != origin)
            origin_header = "null" if hidden else origin
        said = start.url if _origin(url) == origin else origin + "/"
        hidden = policy == "no-referrer" or (policy == "same-origin" and _origin(url) != origin)
        return _Navigation(method, body, multipart, origin, origin_header, None if hidden else said)

    def _whole(self, address: str, start: Page | None) -> str:
        return urljoin(start.url if start else self.base_url, address)

    def _go(self, url: str, way: _Navigation, headers: Mapping[str, str]) -> Page:
        url = url.partition("#")[0]
        site = _relation(way.origin, url)
        cookies = self.cookies.for_request(url, method=way.method, cross_site=site == "cross-site")
        sent = dict(self._headers)
        sent |= {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        sent |= {"Origin": way.origin_header} if way.origin_header else {}
        sent |= {"Referer": way.referer} if way.referer else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        data = {name: value for name, value in way.body.items() if not isinstance(value, Upload)}
        response = self._client.request(
            way.method,
            url,
            headers=sent,
            data=data if way.method == "POST" else None,
            files=_files(way.body) if way.multipart else None,
        )
        self._client.cookies.clear()
        page = Page(response)
        changes = response.headers.get_list("set-cookie")
        for change in changes:
            self.cookies.store(url, change)
        names = tuple(change.partition("=")[0] for change in changes)
        self.hops.append(Hop(way.method, url, response.status_code, page.location, tuple(cookies), names))
        self._last = way
        return page


def _files(body: Mapping[str, Value]) -> dict[str, tuple[str, bytes, str]]:
    uploads = {name: value for name, value in body.items() if isinstance(value, Upload)}
    found = {name: (one.name, one.content, one.media_type) for name, one in uploads.items()}
    return found or {"": ("", b"", "application/octet-stream")}  # an empty list would not be sent as multipart


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _relation(origin: str | None, url: str) -> str:
    """Sec-Fetch-Site. A site is taken as scheme and whole host name, right for the names in tests."""
    if origin is None:
        return "none"
    if origin == _origin(url):
        return "same-origin"
    here, there = urlsplit(origin), urlsplit(url)
    return "same-site" if (here.scheme, here.hostname) == (there.scheme, there.hostname) else "cross-site"
