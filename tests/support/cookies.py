"""Cookies as browsers keep them, stricter than most HTTP clients, so that a wrong flag shows in a test.

Source: RFC 6265bis §5.5–5.7. Loopback counts as secure, as in Chromium and Firefox.
"""

import ipaddress
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit


@dataclass(frozen=True)
class Cookie:
    """One kept cookie; `expires_at` in seconds of the jar's clock, None for a session cookie."""

    name: str
    value: str
    host: str
    host_only: bool
    path: str
    secure: bool
    http_only: bool
    same_site: str
    expires_at: float | None


class Refused(Exception):
    """A browser would not keep this cookie; the text says why."""


class Cookies:
    """A browser's cookies. `refused` says what a browser would have thrown away, with the reason."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.refused: list[str] = []
        self._clock = clock
        self._kept: dict[tuple[str, str, str], Cookie] = {}

    def __iter__(self) -> Iterator[Cookie]:
        return iter(self._living())

    def value(self, name: str, *, host: str = "127.0.0.1") -> str | None:
        """The value of a host's cookie, or None."""
        return next((one.value for one in self._living() if one.name == name and one.host == host), None)

    def store(self, url: str, header: str) -> None:
        """Take one Set-Cookie header of an answer from `url`."""
        try:
            cookie = _read(urlsplit(url), header, now=self._clock())
        except Refused as refusal:
            self.refused.append(f"{header}: {refusal}")
            return
        key = (cookie.name, cookie.host, cookie.path)
        self._kept.pop(key, None)
        if cookie.expires_at is None or cookie.expires_at > self._clock():
            self._kept[key] = cookie

    def for_request(self, url: str, *, method: str = "GET", cross_site: bool = False) -> dict[str, str]:
        """The cookies that go with a top-level navigation to `url`, longest path first.

        `cross_site`: another site's page began it; then Strict stays at home, and Lax with anything but GET.
        """
        target = urlsplit(url)
        fitting = [cookie for cookie in self._living() if _goes_to(cookie, target)]
        if cross_site:
            allowed = ("none", "lax") if method == "GET" else ("none",)
            fitting = [cookie for cookie in fitting if cookie.same_site in allowed]
        fitting.sort(key=lambda cookie: -len(cookie.path))
        sent: dict[str, str] = {}
        for cookie in fitting:
            sent.setdefault(cookie.name, cookie.value)
        return sent

    def clear(self) -> None:
        """Forget everything, as closing a private window does."""
        self._kept.clear()

    def _living(self) -> list[Cookie]:
        now = self._clock()
        return [one for one in self._kept.values() if one.expires_at is None or one.expires_at > now]


def is_loopback(host: str) -> bool:
    """Is it this machine, which browsers trust like HTTPS?"""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(source: SplitResult, header: str, *, now: float) -> Cookie:
    """The cookie that a Set-Cookie header sets. Raises: Refused."""
    pair, *rest = header.split(";")
    name, equals, value = (part.strip() for part in pair.partition("="))
    attributes = {key.strip().lower(): text.strip() for key, _, text in (part.partition("=") for part in rest)}
    if not equals or not name:
        raise Refused("it has no name")
    host = source.hostname or ""
    domain = attributes.get("domain", "").lstrip(".").lower()
    if domain and host != domain and not host.endswith("." + domain):
        raise Refused(f"{host} may not set it for {domain}")
    path = attributes.get("path", "")
    if not path.startswith("/"):
        path = source.path.rpartition("/")[0] or "/"
    cookie = Cookie(
        name=name,
        value=value,
        host=domain or host,
        host_only=not domain,
        path=path,
        secure="secure" in attributes,
        http_only="httponly" in attributes,
        same_site=attributes.get("samesite", "lax").lower(),  # Chromium's default
        expires_at=_expires_at(attributes, now=now),
    )
    _check_flags(cookie, trusted=source.scheme == "https" or is_loopback(host), path_given="path" in attributes)
    return cookie


def _check_flags(cookie: Cookie, *, trusted: bool, path_given: bool) -> None:
    """Raises: Refused. Source: RFC 6265bis §4.1.3 (prefixes), §5.7 (Secure, SameSite=None)."""
    if cookie.secure and not trusted:
        raise Refused("Secure, but the connection is not")
    if cookie.same_site == "none" and not cookie.secure:
        raise Refused("SameSite=None without Secure")
    if cookie.name.lower().startswith("__secure-") and not cookie.secure:
        raise Refused("__Secure- without Secure")
    if cookie.name.lower().startswith("__host-"):
        if not cookie.secure:
            raise Refused("__Host- without Secure")
        if not cookie.host_only:
            raise Refused("__Host- with Domain")
        if cookie.path != "/" or not path_given:
            raise Refused("__Host- without Path=/")


def _expires_at(attributes: dict[str, str], *, now: float) -> float | None:
    """Max-Age wins over Expires; what cannot be read counts as absent."""
    try:
        seconds = int(attributes["max-age"])
    except (KeyError, ValueError):
        pass
    else:
        return now + seconds if seconds > 0 else 0
    try:
        return parsedate_to_datetime(attributes["expires"]).timestamp()
    except (KeyError, ValueError):
        return None


def _goes_to(cookie: Cookie, target: SplitResult) -> bool:
    host, path = target.hostname or "", target.path or "/"
    if host != cookie.host and (cookie.host_only or not host.endswith("." + cookie.host)):
        return False
    if cookie.secure and target.scheme != "https" and not is_loopback(host):
        return False
    return path == cookie.path or path.startswith(cookie.path.rstrip("/") + "/")
