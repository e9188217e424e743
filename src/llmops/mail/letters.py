"""Put a letter into the queue, from a capability's template: `.subject.txt`, `.txt` and `.html`."""

import json
from datetime import datetime

from llmops.base.sealing import Sealer
from llmops.db.tables import Db
from llmops.jobs import queue
from llmops.settings import Settings
from llmops.web.render import environment

JOB = "mail.deliver"


def send(
    db: Db, sealer: Sealer, settings: Settings, *, to: str, template: str, now: datetime, **values: object
) -> None:
    """Queue the letter `template` (for example "accounts/mail/verify") to one address.

    Every template also gets `product`, `base_url` and `support_email`.
    """
    shared = {"product": "LLM Ops", "base_url": settings.base_url, "support_email": settings.support_email}
    subject, text, html = (
        environment.get_template(f"{template}.{part}").render(shared | values)
        for part in ("subject.txt", "txt", "html")
    )
    letter = {"to": to, "subject": " ".join(subject.split()), "text": text, "html": html}
    queue.put(db, sealer, kind=JOB, payload=json.dumps(letter), now=now)
