"""Audit entries as people read them: ids become names, actions sentences."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from llmops.accounts.users import User
from llmops.audit.actions import Action
from llmops.audit.log import Entry
from llmops.broker import connections
from llmops.broker.connections import Kind
from llmops.broker.logins import Login
from llmops.db.tables import Db
from llmops.organizations.members import Member

_ACTORS = {
    "operator": "Operator of this server",
    "portal": "Somebody in the Admin Portal",
    "schedule": "LLM Ops, by the clock",
}
_STAFF = "staff:"
_STAFF_TITLE = "LLM Ops staff"
_TARGETS = {
    "conn": "A connection that is gone",
    "dom": "A domain",
    "inv": "An invitation",
    "login": "A sign-in",
    "om": "A membership",
    "plink": "An Admin Portal link",
    "sale": "A sales request",
    "sess": "A session",
    "user": "A person outside this organization",
}
_SENTENCES = {str(action): action.sentence for action in Action}
_CHANGE = ("before", "after")
_WAYS = {
    "password": "Password",
    "sso": "Single sign-on",
    "break_glass": "Password and code, past single sign-on",
    "rescue": "Rescue link",
}


@dataclass(frozen=True)
class Name:
    """What somebody or something is called; `more` is an address or the id, to tell namesakes apart."""

    title: str
    more: str = ""


@dataclass(frozen=True)
class Line:
    """One entry. `facts` are in the order in which they were recorded, without what it was before and after.

    `login_id`: the attempt through which somebody got in, as long as it is kept; else empty.
    """

    entry: Entry
    who: Name
    what: str
    target: Name | None
    before: str | None
    after: str | None
    facts: Sequence[tuple[str, str]]
    login_id: str

    @property
    def at(self) -> datetime:
        """When it happened."""
        return self.entry.at


def lines(db: Db, organization_id: str, entries: Sequence[Entry]) -> list[Line]:
    """The entries of one organization in words. People outside of it are not named (TEN-20)."""
    ids = {part for entry in entries for part in (entry.actor, entry.target) if part.startswith("user_")}
    named = _people(db, organization_id, ids) | _connections(db, organization_id)
    kept = _attempts(db, organization_id, {entry.facts.get("attempt", "") for entry in entries})
    return [_line(entry, named, kept) for entry in entries]


def sentence(action: str) -> str:
    """What the action says, as a line of its own; its name, when a newer version wrote it during an upgrade."""
    said = _SENTENCES.get(action, action)
    return said[0].upper() + said[1:]


def actors_like(db: Db, organization_id: str, text: str) -> list[str]:
    """Whose entries are meant by a name, an address or an id."""
    name = User.first_name + " " + User.last_name
    fits = or_(name.icontains(text, autoescape=True), User.email.icontains(text, autoescape=True), User.id == text)
    people = select(User.id).join(Member.table(), Member.user_id == User.id)
    found = db.execute(people.where(Member.organization_id == organization_id, fits)).scalars().all()
    theirs = select(Entry.actor).where(Entry.organization_id == organization_id).distinct()
    others = db.execute(theirs.where(~Entry.actor.startswith("user_", autoescape=True))).scalars()
    return [*found, *(actor for actor in others if text.casefold() in _spoken(_actor(actor, {})).casefold())]


def _line(entry: Entry, named: dict[str, Name], kept: Collection[str]) -> Line:
    attempt = entry.facts.get("attempt", "")
    return Line(
        entry=entry,
        who=_actor(entry.actor, named),
        what=sentence(entry.action),
        target=_target(entry.target, named) if entry.target else None,
        before=entry.facts.get("before"),
        after=entry.facts.get("after"),
        facts=[_fact(name, text, named) for name, text in entry.facts.items() if name not in _CHANGE],
        login_id=attempt if attempt in kept else "",
    )


def _fact(name: str, text: str, named: dict[str, Name]) -> tuple[str, str]:
    if name == "method":
        text = _WAYS.get(text, text)
    elif name == "connection" and text in named:
        text = named[text].title
    return name.replace("_", " "), text


def _actor(actor: str, named: dict[str, Name]) -> Name:
    if actor.startswith(_STAFF):
        return Name(_STAFF_TITLE, actor.removeprefix(_STAFF))
    return named.get(actor) or (Name(_ACTORS[actor]) if actor in _ACTORS else _target(actor, {}))


def _target(target: str, named: dict[str, Name]) -> Name:
    prefix, parted, _ = target.partition("_")
    if target in named:
        return named[target]
    return Name(_TARGETS[prefix], target) if parted and prefix in _TARGETS else Name(target)


def _spoken(name: Name) -> str:
    return f"{name.title} {name.more}"


def _people(db: Db, organization_id: str, ids: Iterable[str]) -> dict[str, Name]:
    """The members among these, also those who were removed."""
    wanted = select(User.id, User.first_name, User.last_name, User.email).join(
        Member.table(), Member.user_id == User.id
    )
    rows = db.execute(wanted.where(Member.organization_id == organization_id, User.id.in_(ids)))
    return {row.id: Name(f"{row.first_name} {row.last_name}".strip() or row.email, row.email) for row in rows}


def _attempts(db: Db, organization_id: str, ids: Collection[str]) -> Collection[str]:
    """Which of these attempts can still be read."""
    theirs = select(Login.id).where(Login.organization_id == organization_id, Login.id.in_(ids))
    return set(db.execute(theirs).scalars())


def _connections(db: Db, organization_id: str) -> dict[str, Name]:
    held = connections.of_organization(db, organization_id)
    return {connection.id: Name(Kind(connection.kind).label, connection.id) for connection in held}
