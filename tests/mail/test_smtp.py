"""Delivery: through a relay with its protection and account, or into the folder; and what a relay may answer."""

import smtplib
import ssl
from collections.abc import Callable

import pytest
from pydantic import SecretStr
from support.mailbox import Mailbox, mailbox, text_of
from support.ports import free_port
from world import World

from llmops.app import worker_of
from llmops.mail import letters
from llmops.settings import Smtp

MakeWorld = Callable[..., World]


def send(world: World, to: str = "ann@acme.test", organization_name: str = "Acme & Söhne") -> None:
    with world.database.writing() as db:
        letters.send(
            db, world.site.sealer, world.settings, to=to, template="provisioning/mail/linked", now=world.clock.now,
            organization_name=organization_name, when="now",
        )  # fmt: skip


def relay(box: Mailbox, **more: object) -> Smtp:
    return Smtp.model_validate({"host": box.host, "port": box.port, "security": "none", "timeout_seconds": 5, **more})


def test_sender_recipient_and_text_are_what_they_should_be(make_world: MakeWorld) -> None:
    with mailbox() as box:
        world = make_world(smtp=relay(box), mail_from="LLM Ops <hello@llm-ops.test>")
        send(world)
        worker_of(world.site).work_once()
        [letter] = box.letters
    assert letter["From"] == "LLM Ops <hello@llm-ops.test>"
    assert letter["To"] == letter["X-Envelope-To"] == "ann@acme.test"
    assert letter["Message-ID"].endswith("@llm-ops.test>")
    assert "Acme & Söhne" in letter["Subject"]
    assert "Acme & Söhne" in text_of(letter)  # not escaped: it is plain text
    html = letter.get_body(preferencelist=("html",))
    assert html is not None
    assert "Acme &amp; Söhne" in html.get_content()


def test_a_relay_that_comes_back_gets_each_letter_once(make_world: MakeWorld) -> None:
    with mailbox() as box:
        world = make_world(smtp=relay(box))
        box.refusal = "451 Later"
        send(world)
        send(world, to="bob@acme.test")
        worker = worker_of(world.site)
        worker.work_once()
        assert box.letters == []
        box.refusal = None
        for _ in range(3):
            world.clock.advance(minutes=5)
            worker.work_once()
        assert sorted(letter["To"] for letter in box.letters) == ["ann@acme.test", "bob@acme.test"]


@pytest.mark.parametrize("protection", ["starttls", "tls"])
def test_a_relay_without_the_wanted_protection_gets_nothing(make_world: MakeWorld, protection: str) -> None:
    with mailbox() as box:
        world = make_world(smtp=relay(box, security=protection, username="llmops", password=SecretStr("letmein")))
        send(world)
        worker_of(world.site).work_once()
        assert box.letters == []
    error = world.value("SELECT last_error FROM jobs")
    assert error.partition(":")[0] in {
        smtplib.SMTPNotSupportedError.__name__, smtplib.SMTPServerDisconnected.__name__, ssl.SSLError.__name__
    }  # fmt: skip
    assert "letmein" not in error


def test_a_relay_that_refuses_the_account_keeps_the_letter(make_world: MakeWorld) -> None:
    with mailbox() as box:
        world = make_world(smtp=relay(box, username="llmops", password=SecretStr("letmein")))
        send(world)
        worker_of(world.site).work_once()
    assert world.value("SELECT count(*) FROM jobs WHERE done_at IS NULL AND dead_at IS NULL") == 1


def test_no_relay_at_all_is_only_a_delay(make_world: MakeWorld) -> None:
    world = make_world(smtp=Smtp(host="127.0.0.1", port=free_port(), security="none", timeout_seconds=2))
    send(world)
    worker_of(world.site).work_once()
    assert world.value("SELECT last_error FROM jobs").startswith("ConnectionRefusedError")


def test_without_a_relay_letters_are_files(world: World) -> None:
    send(world)
    send(world)
    assert [letter["To"] for letter in world.letters()] == ["ann@acme.test"] * 2


@pytest.mark.requirement("PWD-16")
@pytest.mark.parametrize(
    "name", ["Acme\nBcc: eve@evil.test", "Acme\r\n\r\nBody", "Acme\x0bX", "Acme\u2028Bcc: eve@evil.test", "Acme\x85X"]
)
def test_line_breaks_in_names_stay_in_the_subject(make_world: MakeWorld, name: str) -> None:
    with mailbox() as box:
        world = make_world(smtp=relay(box))
        send(world, organization_name=name)
        worker_of(world.site).work_once()
        [letter] = box.letters
    assert letter["Bcc"] is None
    assert letter["X-Envelope-To"] == "ann@acme.test"
    ours = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"}
    assert set(letter.keys()) - ours <= {"X-Peer", "X-MailFrom", "X-RcptTo", "X-Envelope-To"}  # the mailbox's own


@pytest.mark.requirement("PWD-16")
def test_markup_in_names_is_text_in_the_letter(world: World) -> None:
    send(world, organization_name='<a href="https://evil.test">Click</a>')
    [letter] = world.letters()
    html = letter.get_body(preferencelist=("html",))
    assert html is not None
    assert '<a href="https://evil.test"' not in html.get_content()
