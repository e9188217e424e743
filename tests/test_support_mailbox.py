"""The mailbox keeps what is sent to it."""

import smtplib
from email.message import EmailMessage

import pytest
from support.mailbox import Mailbox, link_in, mailbox


def send(to: Mailbox, *, address: str, subject: str, text: str = "Hello") -> None:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "llmops@example.test", address, subject
    letter.set_content(text)
    with smtplib.SMTP(to.host, to.port) as client:
        client.send_message(letter)


def test_letter_is_found_by_address_and_subject() -> None:
    with mailbox() as kept:
        send(kept, address="ann@example.test", subject="Welcome")
        send(
            kept,
            address="ann@example.test",
            subject="Verify your address",
            text="Open https://x.test/verify?t=1.",
        )
        letter = kept.wait_for("Ann@example.test", "verify")
        assert link_in(letter, "/verify") == "https://x.test/verify?t=1"


def test_letter_is_returned_once() -> None:
    with mailbox() as kept:
        send(kept, address="ann@example.test", subject="Welcome")
        kept.wait_for("ann@example.test")
        with pytest.raises(AssertionError, match="no new letter to ann"):
            kept.wait_for("ann@example.test", timeout_seconds=0.05)


def test_refusal_reaches_the_sender() -> None:
    with mailbox() as kept:
        kept.refusal = "451 Later"
        with pytest.raises(smtplib.SMTPDataError):
            send(kept, address="ann@example.test", subject="Welcome")
        assert kept.letters == []
