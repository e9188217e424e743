"""Deliver one letter: through SMTP, or into a folder when no relay is set."""

import json
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import localtime, make_msgid, parseaddr
from pathlib import Path

from llmops.base.metrics import Metrics
from llmops.settings import Settings, Smtp


@dataclass(frozen=True)
class Postman:
    """Delivers letters from the queue. Raises what smtplib raises: the worker tries again."""

    settings: Settings
    metrics: Metrics = field(default_factory=Metrics)

    def deliver(self, payload: str) -> None:
        """Send the letter in `payload`, as `letters.send` queued it."""
        message = _message(self.settings, json.loads(payload))
        result = "failed"
        try:
            if self.settings.smtp.host:
                with _relay(self.settings.smtp) as client:
                    client.send_message(message)
            else:
                _keep(self.settings.data_dir / "mail", message)
            result = "sent"
        finally:
            self.metrics.mailed(result)


def check(smtp: Smtp) -> None:
    """Connect to the relay and sign in there, and send nothing. Raises what smtplib raises."""
    with _relay(smtp) as client:
        client.noop()


def _message(settings: Settings, letter: dict[str, str]) -> EmailMessage:
    message = EmailMessage()  # refuses line breaks in headers
    message["From"], message["To"], message["Subject"] = settings.mail_from, letter["to"], letter["subject"]
    if reply_to := letter.get("reply_to"):
        message["Reply-To"] = reply_to
    message["Date"] = localtime()
    message["Message-ID"] = make_msgid(domain=parseaddr(settings.mail_from)[1].partition("@")[2] or "localhost")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter["text"])
    message.add_alternative(letter["html"], subtype="html")
    return message


@contextmanager
def _relay(smtp: Smtp) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    if smtp.security == "tls":
        client: smtplib.SMTP = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=smtp.timeout_seconds, context=context)
    else:
        client = smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout_seconds)
    with client:
        if smtp.security == "starttls":
            client.starttls(context=context)
        if smtp.username:
            client.login(smtp.username, smtp.password.get_secret_value())
        yield client


def _keep(folder: Path, message: EmailMessage) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = str(message["Message-ID"]).strip("<>").replace("/", "_")
    (folder / f"{name}.eml").write_bytes(message.as_bytes())
