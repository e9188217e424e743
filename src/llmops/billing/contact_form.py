"""The form that asks sales: what it is filled in with, and what is wrong with what was typed."""

import re
from dataclasses import dataclass

from llmops.accounts.users import LONGEST_NAME, given_name
from llmops.base.email import domain_of, normalise
from llmops.billing.sales import Details
from llmops.db.tables import Db
from llmops.errors import DomainInvalid, InvalidEmail, NameMissing
from llmops.organizations import domains
from llmops.settings import Settings
from llmops.web.actor import Actor

FIELDS = (
    "name", "email", "phone", "organization_name", "company_domain", "identity_provider", "users", "deployment",
    "message",
)  # fmt: skip
IDENTITY_PROVIDERS = ("Okta", "Microsoft Entra ID", "Google Workspace", "Other")
LONGEST_TEXT = 2000
MOST_USERS = 1_000_000
_PHONE = re.compile(r"[0-9+(][0-9 ()+/.\-]{4,28}[0-9](?: ?(?:x|ext\.?) ?[0-9]{1,6})?")


@dataclass(frozen=True)
class Checked:
    """What was typed, read. `details` are there when `errors`, by field, are not; `personal`: no company's domain."""

    errors: dict[str, str]
    details: Details | None
    personal: bool


def prefilled(db: Db, actor: Actor, settings: Settings) -> dict[str, str]:
    """What we know already, so that nobody is asked twice."""
    claimed = [held.domain for held in domains.of_organization(db, actor.organization_id)]
    own = domain_of(actor.email)
    if not claimed and not domains.is_personal(own, settings.personal_domains):
        claimed = [own]
    known = {
        "name": actor.name if actor.name != actor.email else "",
        "email": actor.email,
        "organization_name": actor.organization_name,
        "company_domain": claimed[0] if claimed else "",
    }
    return {name: known.get(name, "") for name in FIELDS}


def check(typed: dict[str, str], settings: Settings) -> Checked:
    """Every field as it should be, or what to change about it."""
    errors: dict[str, str] = {}
    read = {
        "name": _name(typed, "name", errors),
        "email": _email(typed, errors),
        "phone": _phone(typed, errors),
        "organization_name": _name(typed, "organization_name", errors),
        "company_domain": _domain(typed, errors),
        "identity_provider": typed["identity_provider"],
        "users": _users(typed, errors),
        "deployment": _text(typed, "deployment", errors),
        "message": _text(typed, "message", errors),
    }
    if typed["identity_provider"] not in IDENTITY_PROVIDERS:
        errors["identity_provider"] = "Choose one; Other is fine if you do not know yet"
    personal = domains.is_personal(read["company_domain"], settings.personal_domains)
    return Checked(errors, None if errors else Details(**read), personal)


def _name(typed: dict[str, str], field: str, errors: dict[str, str]) -> str:
    try:
        return given_name(typed[field])
    except NameMissing as failure:
        too_long = len(typed[field]) > LONGEST_NAME
        errors[field] = f"Use at most {LONGEST_NAME} characters" if too_long else failure.message
        return ""


def _email(typed: dict[str, str], errors: dict[str, str]) -> str:
    try:
        return normalise(typed["email"])
    except InvalidEmail as failure:
        errors["email"] = failure.message
        return ""


def _phone(typed: dict[str, str], errors: dict[str, str]) -> str:
    phone = " ".join(typed["phone"].split())
    if not _PHONE.fullmatch(phone):
        errors["phone"] = "Give a phone number, for example +1 415 555 0100"
    return phone


def _domain(typed: dict[str, str], errors: dict[str, str]) -> str:
    """Any domain, also a mail provider's: the page warns of that, sales can sort it out."""
    name = typed["company_domain"].strip().lower().removeprefix("@").rstrip(".")
    try:
        return domain_of(normalise(f"postmaster@{name}"))
    except InvalidEmail:
        errors["company_domain"] = f"{DomainInvalid.message}. Give what stands behind the @, for example acme.com"
        return ""


def _users(typed: dict[str, str], errors: dict[str, str]) -> str:
    users = typed["users"].strip()
    if not (users.isascii() and users.isdigit() and len(users) < 9 and 1 <= int(users) <= MOST_USERS):
        errors["users"] = "Give a number, for example 250"
    return users


def _text(typed: dict[str, str], field: str, errors: dict[str, str]) -> str:
    text = typed[field].strip()
    if len(text) > LONGEST_TEXT:
        errors[field] = f"Use at most {LONGEST_TEXT:,} characters; you have {len(text):,}"
    return text
