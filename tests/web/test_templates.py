"""Templates and static files keep to the content security policy, and to names as harmless text."""

import re
from pathlib import Path

import pytest

from llmops.web.render import environment

PACKAGE = Path(__file__).parents[2] / "src" / "llmops"
TEMPLATES = sorted(path for path in PACKAGE.rglob("templates/**/*.*"))
PAGES = [path for path in TEMPLATES if path.suffix == ".html" and path.parent.name != "mail"]
LETTERS = [path for path in TEMPLATES if path.name.endswith(".subject.txt")]
HOSTILE = '<img src=x onerror="alert(1)">'
SIGN_IN = {
    "csrf": "token",
    "actor": None,
    "theme": "",
    "flash": None,
    "email": "",
    "sso_email": "",
    "next": "/",
    "alert": None,
    "errors": {},
    "notice": None,
    "organization": None,
    "autofocus": "",
    "last_method": None,
}
LINK = "https://llmops.test/x?token=abc"
LETTER = {
    "product": "LLM Ops",
    "base_url": "https://llmops.test",
    "support_email": "support@llmops.test",
    "name": HOSTILE,
    "link": LINK,
    "minutes_valid": 60,
    "when": "24 Nov 2026, 09:05 UTC",
    "device": "Firefox on macOS",
    "organization_name": "Acme & Sons",
    "purpose": "Set up SSO",
    "intent": "setup_sso",
    "sent_by": HOSTILE,
    "expires": "1 December 2026, 09:05 UTC",
    "contacts": "it@acme.test",
    "ip": "198.51.100.7",
    "provider": "Okta (SAML)",
    "changed": False,
    "domains": "acme.test",
    "requester_name": HOSTILE,
    "requester_email": "ann@acme.test",
    "signed_in_as": "ann@acme.test",
    "phone": "+1 415 555 0100",
    "slug": "acme",
    "plan": "Starter",
    "company_domain": "acme.test",
    "identity_provider": "Okta",
    "users": "250",
    "deployment": [HOSTILE],
    "message": [HOSTILE, HOSTILE],
    "email": "ann@acme.test",
    "role": "admin",
    "by": HOSTILE,
    "inviter": HOSTILE,
    "before": "ann@acme.test",
    "after": "ann.lee@acme.test",
    "until": "1 December 2026, 09:05 UTC",
    "what": "Two-step sign-in was switched on.",
    "who": HOSTILE,
    "page_link": LINK,
    "connection_name": "Okta (SAML)",
    "domain": "acme.test",
    "record_name": "_llmops.acme.test",
    "record_value": "llmops-verification=abc",
    "since": "24 November 2026, 09:05 UTC",
    "headline": "The certificate expires in 14 days",
    "sentence": HOSTILE,
    "label": "Renew the certificate",
    "facts": [("Certificate", HOSTILE)],
    "changes": [("Certificates", HOSTILE)],
    "reason": HOSTILE,
    "server": "idp.acme.test",
}


def name(path: Path) -> str:
    """The name a handler gives: "signin/sign_in.html"."""
    return path.relative_to(PACKAGE).as_posix().replace("/templates/", "/", 1)


def source(path: Path) -> str:
    """The template without its comments."""
    return re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def sign_in(**values: object) -> str:
    return environment.get_template("signin/sign_in.html").render(SIGN_IN | values)


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_template_compiles(path: Path) -> None:
    environment.compile(path.read_text(encoding="utf-8"))


@pytest.mark.requirement("WEB-03")
@pytest.mark.parametrize("path", PAGES, ids=name)
def test_page_has_no_inline_script_or_style(path: Path) -> None:
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?! src=)", source(path))


@pytest.mark.requirement("WEB-06", "WEB-11")
@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_template_never_switches_escaping_off(path: Path) -> None:
    assert not re.search(r"\|\s*safe|autoescape", source(path))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_only_the_form_macro_posts_so_every_form_has_its_token(path: Path) -> None:
    posts = re.findall(r'<form[^>]*method="post"', source(path))
    assert len(posts) == (1 if name(path) == "web/parts.html" else 0)


def test_sign_in_page_reads_as_the_customer_page_draws_it() -> None:
    page = sign_in()
    order = ["Sign in to LLM Ops", "Forgot password?", "Sign up", ">Enterprise SSO<"]
    order += ["For Enterprise plan customers only", 'placeholder="work@yourcompany.com"', ">Continue with SSO<"]
    places = [page.index(text, page.index("<h1>")) for text in order]
    assert places == sorted(places)


@pytest.mark.requirement("WEB-06")
def test_markup_in_an_organization_name_is_shown_as_text() -> None:
    assert "<img" not in sign_in(organization={"name": HOSTILE, "slug": "acme"})


def test_login_address_of_an_organization_shows_only_sso() -> None:
    page = sign_in(organization={"name": "Acme", "slug": "acme"})
    assert 'action="/login/sso"' in page
    assert 'action="/login"' not in page


def test_alert_is_announced_and_named_in_the_title() -> None:
    failure = {"code": "idp_unreachable", "message": "No answer", "advice": "", "repair": "You", "ref": "login_1"}
    page = sign_in(alert=failure)
    assert "<title>Error: " in page
    assert page.index('role="alert"') < page.index("<form")


def test_field_error_is_tied_to_its_field() -> None:
    page = sign_in(errors={"sso_email": "Enter your work email"})
    field = page[page.index('id="sso_email"') :].split(">")[0]
    assert 'aria-invalid="true"' in field
    assert 'aria-describedby="sso_email-error"' in field


@pytest.mark.parametrize("path", LETTERS, ids=name)
def test_letter_has_a_one_line_subject_and_names_as_text(path: Path) -> None:
    subject, page = (environment.get_template(part).render(LETTER) for part in (name(path), bodies(path)[1]))
    assert len(subject.strip().splitlines()) == 1
    assert "<img" not in page


@pytest.mark.parametrize("path", LETTERS, ids=name)
def test_letter_shows_the_address_that_its_button_opens(path: Path) -> None:
    text, page = (environment.get_template(body).render(LETTER) for body in bodies(path))
    assert text.count(LINK) == page.count(f">{LINK}</a>")


def bodies(path: Path) -> tuple[str, str]:
    """The two bodies of the letter with this subject: plain text and HTML."""
    letter = name(path).removesuffix(".subject.txt")
    return f"{letter}.txt", f"{letter}.html"
