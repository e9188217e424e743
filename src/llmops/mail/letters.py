"""Put a letter into the queue, from a capability's template: `.subject.txt`, `.txt` and `.html`."""

import json
import re
from collections.abc import Mapping
from datetime import datetime

from llmops.base import outside
from llmops.base.sealing import Sealer
from llmops.db.tables import Db
from llmops.errors import TooManyAttempts
from llmops.jobs import queue
from llmops.settings import Settings
from llmops.web import limits
from llmops.web.render import environment

JOB = "mail.deliver"
FROM_ONE_AN_HOUR = 100
TO_ONE_AN_HOUR = 10
_HOUR = 3600
_LINK = re.compile(r"(?:.*_)?(?:link|url)")
_EXACT = re.compile(r"(?:.*_)?domains?|record_.*")


def send(
    db: Db,
    sealer: Sealer,
    settings: Settings,
    *,
    to: str,
    template: str,
    now: datetime,
    reply_to: str = "",
    sender: str = "",
    **values: object,
) -> None:
    """Queue the letter `template` (for example "accounts/mail/verify") to one address.

    Every template also gets `product`, `base_url` and `support_email`. Text in `values`, in lists and tuples too, is
    made harmless before it gets there (PWD-16): one line, no web addresses, no control characters. Left as they are:

    - `link`, `url` and names that end so, when they lead to this site;
    - `domain` and names that end so, and `record_…`: they are there to be copied, and were checked as domains.

    `sender`: the person (or address block) who has this letter sent to somebody they name. Such letters are counted:
    at most FROM_ONE_AN_HOUR from one sender and TO_ONE_AN_HOUR to one recipient; the whole transaction fails beyond.
    Two kinds of letters are not counted here. Notices about the recipient's own account: whoever took it over would
    else hide the notice behind a flood. Letters that one only gets when there is such an account, as for a reset:
    their limit is with the caller and is hit for every address alike, else it would tell which exist (PWD-05).

    Raises: TooManyAttempts.
    """
    if sender:
        _count(db, sealer, "letter.from", sender, most=FROM_ONE_AN_HOUR, now=now)
        _count(db, sealer, "letter.to", to, most=TO_ONE_AN_HOUR, now=now)
    shared = {"product": "LLM Ops", "base_url": settings.base_url, "support_email": settings.support_email}
    shown = {name: _shown(name, value, settings.base_url) for name, value in values.items()}
    subject, text, html = (
        environment.get_template(f"{template}.{part}").render(shared | shown) for part in ("subject.txt", "txt", "html")
    )
    letter = {"to": to, "subject": " ".join(subject.split()), "text": text, "html": html, "reply_to": reply_to}
    queue.put(db, sealer, kind=JOB, payload=json.dumps(letter), now=now)


def harmless(name: str) -> str:
    """The name of a person or organization as letters show it: short, never empty, nothing to click (PWD-16)."""
    return outside.unlinked(name)[:100] or "(no name)"


def _shown(name: str, value: object, base_url: str) -> object:
    """A value as the template gets it."""
    if isinstance(value, list | tuple):
        return [_shown(name, part, base_url) for part in value]
    if isinstance(value, Mapping):
        return {part: _shown(str(part), inner, base_url) for part, inner in value.items()}
    if not isinstance(value, str):
        return value
    ours = value == base_url or value.startswith(f"{base_url}/")
    if (ours and _LINK.fullmatch(name)) or _EXACT.fullmatch(name):
        return " ".join(value.split())
    return outside.unlinked(value)


def _count(db: Db, sealer: Sealer, scope: str, subject: str, *, most: int, now: datetime) -> None:
    count = limits.hit(db, sealer, scope, subject, window_seconds=_HOUR, now=now)
    if count > most:
        left = _HOUR - int(now.timestamp()) % _HOUR
        raise TooManyAttempts(scope=scope, seen=count, expected=most, retry_after_seconds=left)
