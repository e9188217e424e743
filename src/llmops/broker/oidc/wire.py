"""What passes between us and the identity provider: calls through a fetcher, strict JSON and base64url."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from llmops.errors import IdpUnavailable, OidcMalformed, OutboundFailure, OutboundUnusable

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+\Z")


class Answer(Protocol):
    """What a server answered. `content_type` is the whole header, possibly empty; `body` is decompressed."""

    @property
    def status(self) -> int: ...
    @property
    def content_type(self) -> str: ...
    @property
    def body(self) -> bytes: ...


class Fetch(Protocol):
    """Calls a server, follows at most `redirects`, and raises OutboundFailure. `base.fetch.Fetcher` is one.

    It checks the address and bounds time and size; the caller judges the status and the content type.
    """

    def __call__(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        redirects: int = 0,
    ) -> Answer: ...


class BadJson(ValueError):
    """Text that is not the one JSON object we ask for; the message says why."""


def call(
    fetcher: Fetch,
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Call one of the identity provider's endpoints during a sign-in; no redirect is followed.

    Raises: IdpUnavailable, OidcMalformed.
    Source: RFC 9700 §4.4 (code and secret go to the stored endpoint only).
    """
    try:
        answer = fetcher(method, url, form=form, headers=headers)
    except OutboundUnusable as failure:
        raise OidcMalformed(problem="unusable answer", endpoint=url, **failure.facts) from failure
    except OutboundFailure as failure:
        raise IdpUnavailable(endpoint=url, because=failure.code, **failure.facts) from failure
    if answer.status >= 500 or answer.status == 429:
        raise IdpUnavailable(endpoint=url, status=answer.status)
    return answer


def media_type(answer: Answer) -> str:
    """The bare media type in lower case, without parameters."""
    return answer.content_type.partition(";")[0].strip().lower()


def is_json(answer: Answer) -> bool:
    """Whether the answer says that it is JSON, in one of its registered spellings."""
    kind = media_type(answer)
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def json_object(text: bytes) -> dict[str, object]:
    """Read one JSON object strictly: UTF-8, no member twice, no NaN, no NUL or half characters in strings.

    Raises: BadJson. Two readers of a doubled member may take different ones, hence the refusal.
    Source: RFC 7515 §4 and RFC 7519 §4 (doubled members), RFC 8259 §8.1.
    """
    try:
        # A NUL cannot be stored by PostgreSQL, and no claim has a use for one.
        if b"\\u0000" in text:
            raise BadJson("a string contains NUL")
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_members, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except BadJson:
        raise
    except UnicodeError as error:
        raise BadJson("not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise BadJson("not JSON") from error
    if not isinstance(value, dict):
        raise BadJson("not a JSON object")
    return value


def base64url(text: str) -> bytes:
    """Decode base64url: not empty, no padding, no other characters, no spare bits. Raises: ValueError.

    Source: RFC 7515 §2.
    """
    if not _BASE64URL.match(text):
        raise ValueError("not base64url")
    octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(octets).rstrip(b"=") != text.encode("ascii"):
        raise ValueError("spare bits")
    return octets


def _members(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadJson("a member appears twice")
    return members


def _no_constant(name: str) -> object:
    raise BadJson(f"{name} is not JSON")
