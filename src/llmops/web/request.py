"""One request: its form, cookies, actor, database transaction, settings and moment.

The only place that opens a transaction for a page and asks the clock. A handler reads input, calls verbs and returns
an answer; when it raises, what it wrote is rolled back.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import parse_qsl, quote

from starlette.responses import RedirectResponse, Response

from llmops.base.breaker import Breaker
from llmops.base.clock import Clock
from llmops.base.dns import Lookup
from llmops.base.fetch import Fetcher
from llmops.base.metrics import Metrics
from llmops.base.sealing import Sealer, token
from llmops.db.engine import Database
from llmops.db.tables import Db
from llmops.errors import BodyUnreadable
from llmops.settings import Settings
from llmops.web import multipart
from llmops.web.actor import Actor
from llmops.web.keyring import Keyring
from llmops.web.multipart import Multipart

BROWSER_COOKIE = "__Host-llmops_browser"
MOST_FIELDS = 64
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class Site:
    """What every request of one process shares. Made once, in `app.py`."""

    settings: Settings
    sealer: Sealer
    database: Database
    keyring: Keyring
    fetch: Fetcher
    clock: Clock
    identify: Callable[["Request"], Actor | None]
    resolve_txt: Lookup
    metrics: Metrics
    breaker: Breaker


@dataclass
class Request:
    """One request, as handlers see it. Bodies are forms; text in them is UTF-8."""

    site: Site
    method: str
    path: str
    query_string: str
    headers: dict[str, str]
    cookies: dict[str, str]
    body: bytes
    peer: str
    id: str
    writes: bool = False
    uploads: bool = False
    now: datetime = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)
    _cookies: list[tuple[str, str, int | None]] = field(default_factory=list, repr=False)
    _afterwards: list[Callable[[Db], None]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.now = self.site.clock()

    @property
    def settings(self) -> Settings:
        """The configuration of this process."""
        return self.site.settings

    @property
    def sealer(self) -> Sealer:
        """The keys of this installation."""
        return self.site.sealer

    @cached_property
    def db(self) -> Db:
        """This request's transaction, opened on first use."""
        database = self.site.database
        return self._stack.enter_context(database.writing() if self.writes else database.reading())

    @contextmanager
    def aside(self) -> Iterator[Db]:
        """A small transaction of its own, for what must stay even if the request fails, such as a counted attempt.

        Only before `db` is used: on SQLite two writers of one request would wait for each other.
        """
        assert not (self.writes and "db" in self.__dict__), "aside() comes before db"
        with self.site.database.writing() as db:
            yield db

    @contextmanager
    def looking(self) -> Iterator[Db]:
        """A transaction to read in, which does not begin the writing one."""
        if self.writes and "db" not in self.__dict__:
            with self.site.database.reading() as db:
                yield db
        else:
            yield self.db

    def afterwards(self, work: Callable[[Db], None]) -> None:
        """Do this in a transaction of its own once the answer is made, whatever the answer is."""
        self._afterwards.append(work)

    @cached_property
    def actor(self) -> Actor | None:
        """Who is signed in, or None."""
        return self.site.identify(self)

    @property
    def member(self) -> Actor:
        """Who is signed in, on a page that only signed-in people reach."""
        assert self.actor is not None, "a page for signed-in people needs signed_in=True"
        return self.actor

    def query(self, name: str) -> str | None:
        """One parameter of the address. Raises: BodyUnreadable, when it is given twice."""
        return _single(self.query_pairs, name)

    @cached_property
    def query_pairs(self) -> list[tuple[str, str]]:
        """The parameters of the address, in order. Raises: BodyUnreadable."""
        return _parse(self.query_string)

    def field(self, name: str) -> str:
        """One field of the form, empty when it is not there. Raises: BodyUnreadable, when it is given twice."""
        return _single(self.form_pairs, name) or ""

    @cached_property
    def form_pairs(self) -> list[tuple[str, str]]:
        """The fields of the form, in order. Raises: BodyUnreadable, for anything but a form in UTF-8."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.uploads and kind == "multipart/form-data":
            return self._multipart.fields
        if kind != "application/x-www-form-urlencoded":
            raise BodyUnreadable(seen=kind, expected="application/x-www-form-urlencoded")
        return _parse(self.body.decode("latin-1"))

    def upload(self, name: str) -> bytes | None:
        """The content of one file of the form, None when none was chosen. Raises: BodyUnreadable."""
        return self._multipart.files.get(name) if self.uploads else None

    @cached_property
    def _multipart(self) -> Multipart:
        return multipart.read(self.headers.get("content-type", ""), self.body, most_fields=MOST_FIELDS)

    @cached_property
    def browser(self) -> str:
        """A random name for this browser, made and set as a cookie when it has none. It gives no rights."""
        known = self.cookies.get(BROWSER_COOKIE, "")
        if 40 <= len(known) <= 64:
            return known
        fresh = token()
        self.set_cookie(BROWSER_COOKIE, fresh)
        return fresh

    @cached_property
    def ip(self) -> str:
        """The client's address; X-Forwarded-For counts only when the peer is a listed proxy (PWD-07)."""
        address = _plain(self.peer)
        hops = [hop.strip() for hop in self.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
        while hops and _is_listed(address, self.settings.trusted_proxies):
            address = _plain(hops.pop())
        return address[:45]

    @property
    def user_agent(self) -> str:
        """What the browser calls itself, at most 300 characters."""
        return self.headers.get("user-agent", "")[:300]

    def set_cookie(self, name: str, value: str, *, max_age_seconds: int | None = None) -> None:
        """Set a cookie with the answer. Without `max_age_seconds` it ends with the browser's session."""
        self._cookies.append((name, value, max_age_seconds))

    def clear_cookie(self, name: str) -> None:
        """Take a cookie away."""
        self._cookies.append((name, "", 0))

    def cookie_then(self, name: str) -> str:
        """A cookie's value as it will be after this answer, empty for none."""
        fresh = [value for set_name, value, _ in self._cookies if set_name == name]
        return fresh[-1] if fresh else self.cookies.get(name, "")

    def finish(self, response: Response) -> Response:
        """Put the cookies on the answer and do what was left for afterwards. The transaction is over by now."""
        for name, value, max_age in self._cookies:
            # __Host- means Secure, Path=/, no Domain (SES-07). Browsers keep such cookies on http://127.0.0.1 too.
            response.set_cookie(name, value, max_age=max_age, path="/", secure=True, httponly=True, samesite="lax")
        if self._afterwards:
            with self.site.database.writing() as db:
                for work in self._afterwards:
                    work(db)
        return response

    def run(self, handler: Callable[["Request"], Response]) -> Response:
        """Call a handler in this request's transaction: committed when it returns, rolled back when it raises."""
        with self._stack:
            return handler(self)

    def again(self, *, writes: bool) -> "Request":
        """The same request with a new transaction, to record and show a failure after the roll-back."""
        fresh = Request(
            site=self.site, method=self.method, path=self.path, query_string=self.query_string, headers=self.headers,
            cookies=self.cookies, body=self.body, peer=self.peer, id=self.id, writes=writes,
        )  # fmt: skip
        fresh._cookies = self._cookies
        if "browser" in self.__dict__:
            fresh.__dict__["browser"] = self.browser
        return fresh


def see_other(path: str) -> RedirectResponse:
    """Go on with a GET there (WEB-09)."""
    return RedirectResponse(path, status_code=303)


def local_path(target: str | None) -> str:
    """A path of this site that may be returned to, else `/` (WEB-07).

    One leading slash, no backslash, no control character, no scheme after full decoding.
    """
    if not target or len(target) > 1000 or not target.startswith("/") or target.startswith("//"):
        return "/"
    if any(character in target for character in "\\%@") or any(ord(character) <= 32 for character in target):
        return "/"
    return target if target.isascii() else quote(target)


def _parse(text: str) -> list[tuple[str, str]]:
    """Names and values of a percent-encoded form. Raises: BodyUnreadable."""
    if not text.isascii() or _BROKEN_PERCENT.search(text):
        raise BodyUnreadable(seen="bytes that are not percent-encoded")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise BodyUnreadable(seen=str(error)) from None
    if any("\0" in part for pair in pairs for part in pair):  # PostgreSQL stores no such text, SQLite would
        raise BodyUnreadable(seen="a NUL character")
    return pairs


def _single(pairs: list[tuple[str, str]], name: str) -> str | None:
    values = [value for key, value in pairs if key == name]
    if len(values) > 1:
        raise BodyUnreadable(parameter=name, seen=f"{len(values)} times", expected="once")
    return values[0] if values else None


def _plain(address: str) -> str:
    """An IPv4 client of a dual-stack socket by its IPv4 address: all of ::ffff:0:0/96 would else be one /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def _is_listed(address: str, networks: tuple[str, ...]) -> bool:
    try:
        return any(ip_address(address) in ip_network(network) for network in networks)
    except ValueError:
        return False
