"""What callers' text may do in a letter, who may have how many sent, and where answers go (PWD-16)."""

from email.message import EmailMessage

import pytest
from support.mailbox import text_of
from world import BASE_URL, World

from llmops.errors import TooManyAttempts
from llmops.mail import letters

pytestmark = pytest.mark.requirement("PWD-16")


def send(
    world: World, *, to: str = "ann@acme.test", template: str = "provisioning/mail/confirm_link", **values: object
) -> None:
    usual = {"organization_name": "Acme", "when": "now", "link": f"{BASE_URL}/login/link?token=x", "minutes_valid": 60}
    with world.database.writing() as db:
        letters.send(
            db, world.site.sealer, world.settings, to=to, template=template, now=world.clock.now, **(usual | values)
        )


def both(letter: EmailMessage) -> tuple[str, str]:
    html = letter.get_body(preferencelist=("html",))
    assert html is not None
    return text_of(letter), str(html.get_content())


@pytest.mark.parametrize(
    "name",
    [
        "Acme https://evil.test/x",
        "Acme www.evil.test",
        "Acme evil.test/login",
        "Acme http\u200b://evil.test",
        "Acme\r\n\r\nhttps://evil.test",
        f"Acme {BASE_URL}/login/link?token=forged",
    ],
)
def test_a_web_address_in_a_name_is_taken_out(world: World, name: str) -> None:
    send(world, organization_name=name)
    for body in both(world.letters()[-1]):
        assert "Acme" in body
        assert "evil" not in body
        assert "forged" not in body


def test_a_host_in_a_name_is_readable_but_no_link(world: World) -> None:
    send(world, organization_name="Booking.com")
    for body in both(world.letters()[-1]):
        assert "Booking.\u200bcom" in body


def test_a_link_to_this_site_stays_and_one_elsewhere_goes(world: World) -> None:
    send(world)
    assert f"{BASE_URL}/login/link?token=x" in text_of(world.letters()[-1])
    send(world, link=f"{BASE_URL}.evil.test/login")
    assert "evil" not in text_of(world.letters()[-1])


def test_lists_are_cleaned_too() -> None:
    shown = letters._shown("rows", [("Name", "https://evil.test"), {"a": "x\ny"}, 5], BASE_URL)
    assert shown == [["Name", ""], {"a": "x y"}, 5]


def test_domains_and_records_can_be_copied() -> None:
    assert letters._shown("company_domain", "acme.test", BASE_URL) == "acme.test"
    assert letters._shown("record_name", "_llmops.acme.test", BASE_URL) == "_llmops.acme.test"
    assert letters._shown("domain", "acme.test\r\nBcc: x", BASE_URL) == "acme.test Bcc: x"


def test_a_name_is_never_empty() -> None:
    assert letters.harmless("https://evil.test") == "(no name)"
    assert letters.harmless("\u202eAcme\n") == "Acme"
    assert len(letters.harmless("x" * 500)) == 100


def test_one_recipient_is_not_flooded_by_many_senders(world: World) -> None:
    for number in range(letters.TO_ONE_AN_HOUR):
        send(world, sender=f"user_{number}")
    with pytest.raises(TooManyAttempts) as caught:
        send(world, sender="user_x")
    assert 0 < int(caught.value.facts["retry_after_seconds"]) <= 3600
    send(world, sender="user_x", to="bob@acme.test")
    world.clock.advance(hours=1)
    send(world, sender="user_x")


def test_one_sender_does_not_flood_many_recipients(world: World) -> None:
    for number in range(letters.FROM_ONE_AN_HOUR):
        send(world, sender="user_1", to=f"p{number}@acme.test")
    with pytest.raises(TooManyAttempts):
        send(world, sender="user_1", to="one-more@acme.test")
    send(world, sender="user_2", to="one-more@acme.test")


def test_a_notice_is_not_hidden_by_a_flood(world: World) -> None:
    for number in range(letters.TO_ONE_AN_HOUR):
        send(world, sender=f"user_{number}")
    send(world, template="provisioning/mail/linked")
    assert "was connected" in world.letters("ann@acme.test")[-1]["Subject"]


def test_answers_go_where_the_letter_says(world: World) -> None:
    send(world, reply_to="pat@acme.test")
    assert world.letters()[-1]["Reply-To"] == "pat@acme.test"
    send(world)
    assert world.letters()[-1]["Reply-To"] is None
