"""A mail server that keeps every letter it is given, for tests that read them."""

import email
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import default as modern

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from support.ports import free_port


class Mailbox:
    """The letters that arrived, oldest first. With `refusal` ("451 Later") new ones are refused."""

    host = "127.0.0.1"

    def __init__(self, port: int) -> None:
        self.port = port
        self.letters: list[EmailMessage] = []
        self.refusal: str | None = None
        self._read: set[int] = set()
        self._arrived = threading.Condition()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """What aiosmtpd calls for a letter; the envelope's recipients are kept in X-Envelope-To."""
        if self.refusal:
            return self.refusal
        letter = email.message_from_bytes(envelope.original_content or b"", _class=EmailMessage, policy=modern)
        letter["X-Envelope-To"] = ", ".join(envelope.rcpt_tos)
        with self._arrived:
            self.letters.append(letter)
            self._arrived.notify_all()
        return "250 Kept"

    def wait_for(self, address: str, subject_contains: str = "", *, timeout_seconds: float = 10) -> EmailMessage:
        """The oldest letter to this address that was not returned before.

        Raises: AssertionError, with what did arrive, when none comes in time.
        """
        until = time.monotonic() + timeout_seconds
        with self._arrived:
            while True:
                for number, letter in enumerate(self.letters):
                    if number not in self._read and _fits(letter, address, subject_contains):
                        self._read.add(number)
                        return letter
                left = until - time.monotonic()
                if left <= 0:
                    arrived = [(letter["X-Envelope-To"], str(letter["Subject"])) for letter in self.letters]
                    raise AssertionError(f"no new letter to {address} with «{subject_contains}»; arrived: {arrived}")
                self._arrived.wait(left)


def _fits(letter: EmailMessage, address: str, subject_contains: str) -> bool:
    recipients = str(letter["X-Envelope-To"]).lower().split(", ")
    return address.lower() in recipients and subject_contains.lower() in str(letter["Subject"]).lower()


def text_of(message: EmailMessage) -> str:
    """The plain text of a letter."""
    body = message.get_body(preferencelist=("plain", "html"))
    assert body is not None, "the letter has no text"
    return str(body.get_content())


def link_in(message: EmailMessage, containing: str = "") -> str:
    """The first web address in the letter's text that contains this."""
    links = [link.rstrip(".,;)>") for link in re.findall(r"https?://[^\s\"'<>]+", text_of(message))]
    found: str | None = next((link for link in links if containing in link), None)
    assert found, f"no link with «{containing}» in {links}"
    return found


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mailbox that listens on a free port of 127.0.0.1."""
    kept = Mailbox(free_port())
    controller = Controller(kept, hostname=kept.host, port=kept.port)
    controller.start()
    try:
        yield kept
    finally:
        controller.stop()
