"""The wizard: which steps a visit has, which of them are done, and what still stands between here and a live SSO.

What was typed is on the draft connection, so that it survives a crash and a change of device; the link keeps only how
far its visitors came.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from llmops.base.sealing import Sealer
from llmops.broker import certificates, connections, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.portal import guide, links
from llmops.broker.portal.guide import Guide, Step
from llmops.broker.portal.links import Intent, Right
from llmops.broker.portal.sessions import Visit
from llmops.db.tables import Db, many
from llmops.errors import ConnectionIncomplete
from llmops.organizations import domains
from llmops.organizations.domains import Domain

State = Literal["done", "current", "todo", "attention"]

PROVIDER, DOMAINS, TEST, ACTIVATE, FINISH = "provider", "domains", "test", "activate", "finish"
ASSIGN = "assign"
"""The slug of the step of every guide in which the visitor confirms to be assigned: the test needs it."""
_TITLES = {
    PROVIDER: "Choose your provider",
    DOMAINS: "Verify your domain",
    TEST: "Test the sign-in",
    ACTIVATE: "Activate",
    FINISH: "Tell your team",
}
_AFTER_GUIDE = {
    Intent.SETUP_SSO: (DOMAINS, TEST, ACTIVATE, FINISH),
    Intent.RENEW_CERTIFICATE: (TEST, ACTIVATE, FINISH),
    Intent.ROTATE_SECRET: (TEST, ACTIVATE, FINISH),
    Intent.VERIFY_DOMAIN: (DOMAINS,),
    Intent.VIEW_ONLY: (DOMAINS, TEST, FINISH),
}
_RENEWALS = (Intent.RENEW_CERTIFICATE, Intent.ROTATE_SECRET)
_WITH_INSTRUCTIONS = (Intent.SETUP_SSO, Intent.VIEW_ONLY)
_INPUTS = {"": Right.PROVIDER, "metadata": Right.METADATA, "oidc": Right.SECRET, "entra": Right.SECRET}


@dataclass(frozen=True)
class Situation:
    """Where an organization stands. `draft` is what the pages change: beside `live`, or what never was live yet."""

    live: Connection | None
    draft: Connection | None
    domains: Sequence[Domain]

    @property
    def working(self) -> Connection | None:
        """What the pages are about."""
        return self.draft or self.live

    @property
    def verified(self) -> list[Domain]:
        """The domains that are proven."""
        return [domain for domain in self.domains if domain.verified_at is not None]


@dataclass(frozen=True)
class RailStep:
    """One step as the rail shows it. `key` names it on the link; `note` says what needs attention."""

    key: str
    title: str
    href: str
    state: State
    is_here: bool
    is_done: bool
    note: str


@dataclass(frozen=True)
class Missing:
    """One thing without which SSO cannot be activated, and the page where it is done."""

    text: str
    href: str


def slug_of(kind: Kind) -> str:
    """The kind in an address, for example `okta-saml`."""
    return kind.name.lower().replace("_", "-")


def kind_of(slug: str) -> Kind | None:
    """The kind that an address names."""
    return next((kind for kind in Kind if slug_of(kind) == slug), None)


def situation(db: Db, organization_id: str, *, lock: bool = False) -> Situation:
    """Where the organization stands. With `lock` its connections stay as they are until the transaction ends."""
    mine = Connection.rows().where(Connection.organization_id == organization_id).order_by(Connection.created_at)
    found = many(db, Connection, mine.with_for_update() if lock else mine)
    live = next((one for one in found if one.state == "active"), None)
    waiting = [one for one in found if one.state == "draft" and one.draft_of == (live.id if live else None)]
    return Situation(live, waiting[-1] if waiting else None, domains.of_organization(db, organization_id))


def choose(db: Db, sealer: Sealer, visit: Visit, *, kind: Kind, now: datetime) -> Connection:
    """Begin with an identity provider; what was prepared for another one is thrown away, what is live stays."""
    found = situation(db, visit.organization_id, lock=True)
    if found.working is not None and found.working.kind == kind:
        return found.working
    if found.live is not None and found.live.kind == kind:  # back to what is live
        assert found.draft is not None
        drafts.discard(db, found.draft)
        return found.live
    if found.live is not None:
        return drafts.begin_with(db, sealer, found.live, kind=kind, now=now)
    if found.draft is not None:
        connections.discard(db, found.draft)
    made = connections.create(db, sealer, visit.organization_id, kind=kind, now=now)
    connections.set_contacts(db, made, visit.contacts)
    return connections.get(db, made.id)


def editable(db: Db, sealer: Sealer, organization_id: str, *, now: datetime) -> Connection:
    """What a change goes to: the draft, which is begun beside a live connection. Raises: ConnectionIncomplete."""
    found = situation(db, organization_id, lock=True)
    if found.draft is not None:
        return found.draft
    if found.live is None:
        raise ConnectionIncomplete(missing="an identity provider")
    return drafts.begin(db, sealer, found.live, now=now)


def rail(visit: Visit, found: Situation, *, here: str, now: datetime) -> tuple[RailStep, ...]:
    """Every step of a visit with its state; `here` is the key of the page that is open."""
    places = _places(visit, found)
    order = [key for key, _, _ in places]
    furthest = order.index(visit.step) if visit.step in order else -1
    shown = []
    for index, (key, title, href) in enumerate(places):
        note = _attention(key, found, now)
        is_done = not note and _is_done(key, visit, found, passed=index < furthest, now=now)
        state: State = "attention" if note else "current" if key == here else "done" if is_done else "todo"
        shown.append(RailStep(key, title, href, state, key == here, is_done, note))
    return tuple(shown)


def _places(visit: Visit, found: Situation) -> list[tuple[str, str, str]]:
    """Key, title and address of each step, in their order."""
    places = [(PROVIDER, _TITLES[PROVIDER], "/portal/provider")] if visit.may(Right.PROVIDER) else []
    if found.working is not None and visit.intent is not Intent.VERIFY_DOMAIN:
        kind = Kind(found.working.kind)
        for number, step in enumerate(guide.of(kind).steps, start=1):
            if visit.intent in _WITH_INSTRUCTIONS or (step.input and visit.may(right_for(step))):
                places.append((step_key(kind, step), step.title, f"/portal/{slug_of(kind)}/{number}"))
    return places + [(key, _TITLES[key], f"/portal/{key}") for key in _AFTER_GUIDE[visit.intent]]


def right_for(step: Step) -> Right:
    """What a link must cover for the form of this step."""
    return _INPUTS[step.input]


def step_key(kind: Kind, step: Step) -> str:
    """What a step of a guide is called on the link and in the rail."""
    return f"{slug_of(kind)}/{step.slug}"


def _is_done(key: str, visit: Visit, found: Situation, *, passed: bool, now: datetime) -> bool:
    working = found.working
    to_renew = visit.intent in _RENEWALS and not visit.done and found.draft is None
    is_live = found.live is not None and found.draft is None and not to_renew
    match key:
        case "provider":
            return working is not None
        case "domains":
            return bool(found.verified)
        case "test":
            return is_live or is_tested(working, now=now)
        case "activate":
            return is_live
        case "finish":
            return visit.done
    assert working is not None, "only a chosen provider has steps of a guide"
    keys = [step_key(Kind(working.kind), step) for step in guide.of(Kind(working.kind)).steps]
    at_input = keys.index(_input_key(working))
    if key.endswith(f"/{ASSIGN}"):
        return is_live or passed or is_tested(working, now=now)
    if keys.index(key) <= at_input and connections.is_complete(working):
        return not to_renew  # with another link too: nobody has these details without the steps before
    return is_live or (passed and keys.index(key) != at_input)


def _input_key(working: Connection) -> str:
    """The step in which the identity provider's details are given: every guide has exactly one."""
    kind = Kind(working.kind)
    [step] = [step for step in guide.of(kind).steps if step.input]
    return step_key(kind, step)


def _attention(key: str, found: Situation, now: datetime) -> str:
    """What is amiss at a step, in a few words; empty when nothing is."""
    working = found.working
    if key == DOMAINS and any(domain.missing_since for domain in found.domains):
        return "TXT record missing"
    if working is None:
        return ""
    if key == ACTIVATE and found.draft is not None and found.draft.approval_asked_at is not None:
        return "Waiting for an owner"
    if key == TEST and found.draft is not None and found.draft.tested_at and not is_tested(working, now=now):
        return "Test again"
    held = certificates.of(working) if key == _input_key(working) else []
    return "Expired" if held and all(expiry.at <= now for expiry in held) else ""


def is_tested(connection: Connection | None, *, now: datetime) -> bool:
    """Whether exactly this configuration passed a test sign-in within 24 hours."""
    return (
        connection is not None and connection.tested_at is not None and now - connection.tested_at <= drafts.TEST_COUNTS
    )


def following(shown: Sequence[RailStep], here: str) -> RailStep | None:
    """The step after this one."""
    keys = [step.key for step in shown]
    place = keys.index(here) + 1 if here in keys else len(keys)
    return shown[place] if place < len(keys) else None


def resume(shown: Sequence[RailStep]) -> RailStep | None:
    """Where to go on: the first step that is not done."""
    return next((step for step in shown if not step.is_done), None)


def go_on(db: Db, visit: Visit, found: Situation, *, after: str, now: datetime) -> str:
    """The address of the step after `after`; the link remembers that its visitor came so far."""
    order = [key for key, _, _ in _places(visit, found)]
    shown = rail(visit, found, here=after, now=now)
    step = following(shown, after)
    if step is None:
        return "/portal"
    if visit.step not in order or order.index(step.key) > order.index(visit.step):
        links.reached(db, visit.link_id, step=step.key, now=now)
    return step.href


def missing(found: Situation, *, now: datetime) -> tuple[Missing, ...]:
    """What still stands before activation, in the order of the steps."""
    return tuple(_missing(found, now))


def _missing(found: Situation, now: datetime) -> Iterator[Missing]:
    working = found.working
    if working is None:
        yield Missing("Choose your identity provider", "/portal/provider")
        return
    if not connections.is_complete(working):
        yield Missing("Give us the details of your identity provider", input_address(guide.of(Kind(working.kind))))
    if not found.verified:
        yield Missing("Verify at least one domain", "/portal/domains")
    if found.draft is not None and not is_tested(working, now=now):
        yield Missing("Pass a test sign-in with exactly these settings, within 24 hours before", "/portal/test")


def input_address(chosen: Guide) -> str:
    """The page on which the identity provider's details are given."""
    number = next((number for number, step in enumerate(chosen.steps, start=1) if step.input), 1)
    return f"/portal/{slug_of(chosen.kind)}/{number}"
