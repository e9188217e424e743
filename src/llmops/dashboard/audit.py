"""Settings → Audit log: who did what, found by filters that stand in the address, and exported."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from llmops.audit import log, reading
from llmops.audit.actions import Action
from llmops.audit.reading import Wanted
from llmops.dashboard import audit_entries
from llmops.dashboard.audit_entries import Line
from llmops.plans import ALLOWANCES, Plan
from llmops.web import csv, limits
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request

PAGE_SIZE = 50
MOST_EXPORTED = 10_000
_FILTERS = ("text", "actor", "action", "from", "to")
_LONGEST = 100
_HEAD = ("when", "who", "address", "did", "action", "to", "target", "before", "after", "facts", "ip", "number", "hash")


def show(r: Request) -> Response:
    """GET /settings/audit: the organization's own entries, as far back as its plan shows them."""
    typed = {name: (r.query(name) or "")[:_LONGEST].strip() for name in _FILTERS}
    wanted, errors = _wanted(r, typed)
    number = r.query("page") or "1"
    page = max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 7 else 1
    organization_id = r.member.organization_id
    total = reading.count(r.db, organization_id, wanted)
    found = reading.search(r.db, organization_id, wanted, offset=(page - 1) * PAGE_SIZE, most=PAGE_SIZE)
    return render(
        r,
        "dashboard/audit.html",
        lines=audit_entries.lines(r.db, organization_id, found),
        filters=typed,
        errors=errors,
        narrowed=any(typed.values()),
        actions=sorted((audit_entries.sentence(action), str(action)) for action in Action),
        total=total,
        most_exported=MOST_EXPORTED,
        plan=ALLOWANCES[Plan(r.member.plan)],
        page=page,
        pages=max(1, -(-total // PAGE_SIZE)),
        base=f"/settings/audit?{urlencode({name: text for name, text in typed.items() if text})}&",
    )


def export(r: Request) -> Response:
    """POST /settings/audit/export: the same entries as a file, the latest MOST_EXPORTED of them. It is recorded."""
    limits.check(r, "audit.export", r.member.organization_id, most=30, window_seconds=3600)
    typed = {name: r.field(name)[:_LONGEST].strip() for name in _FILTERS}
    wanted, _ = _wanted(r, typed)
    actor, form = r.member, "json" if r.field("format") == "json" else "csv"
    found = reading.search(r.db, actor.organization_id, wanted, most=MOST_EXPORTED)
    lines = audit_entries.lines(r.db, actor.organization_id, found)
    log.record(
        r.db,
        Action.AUDIT_EXPORTED,
        organization_id=actor.organization_id,
        actor=actor.user_id,
        ip=r.ip,
        now=r.now,
        format=form,
        entries=len(lines),
        filters=", ".join(f"{name}: {text}" for name, text in typed.items() if text) or None,
    )
    return _EXPORTS[form](f"audit-{actor.organization_slug}-{r.now:%Y-%m-%d}.{form}", lines)


def _wanted(r: Request, typed: dict[str, str]) -> tuple[Wanted, dict[str, str]]:
    """What the filters ask for, never further back than the plan shows; and what is wrong, by field."""
    errors: dict[str, str] = {}
    oldest = r.now - timedelta(days=ALLOWANCES[Plan(r.member.plan)].audit_days)
    since, until = _day(typed, "from", errors), _day(typed, "to", errors, later_days=1)
    organization_id, text, actor = r.member.organization_id, typed["text"], typed["actor"]
    wanted = Wanted(
        actors=audit_entries.actors_like(r.db, organization_id, actor) if actor else None,
        action=typed["action"],
        text=text,
        text_actors=audit_entries.actors_like(r.db, organization_id, text) if text else (),
        since=max(since, oldest) if since else oldest,
        until=until,
    )
    return wanted, errors


def _day(typed: dict[str, str], name: str, errors: dict[str, str], *, later_days: int = 0) -> datetime | None:
    """The beginning of a day in UTC, or of one some days later."""
    if not typed[name]:
        return None
    try:
        return datetime.combine(date.fromisoformat(typed[name]), time(), tzinfo=UTC) + timedelta(days=later_days)
    except (ValueError, OverflowError):
        errors[name] = "Give a day as in 2026-11-24"
        return None


def _csv(name: str, lines: Sequence[Line]) -> Response:
    return csv.download(name, _HEAD, (_row(line) for line in lines))


def _row(line: Line) -> Sequence[object]:
    entry, target = line.entry, line.target
    facts = "; ".join(f"{fact}: {text}" for fact, text in line.facts)
    return (
        entry.at.isoformat(), line.who.title, line.who.more, line.what, entry.action, target and target.title,
        entry.target, line.before, line.after, facts, entry.ip, entry.number, entry.hash,
    )  # fmt: skip


def _json(name: str, lines: Sequence[Line]) -> Response:
    told = [
        {
            "id": line.entry.id,
            "at": line.entry.at.isoformat(),
            "actor": {"id": line.entry.actor, "name": line.who.title, "address": line.who.more},
            "action": line.entry.action,
            "sentence": line.what,
            "target": {"id": line.entry.target, "name": line.target.title} if line.target else None,
            "facts": line.entry.facts,
            "ip": line.entry.ip,
            "number": line.entry.number,
            "hash": line.entry.hash,
        }
        for line in lines
    ]
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(json.dumps(told, indent=1), media_type="application/json", headers=headers)


_EXPORTS: dict[str, Callable[[str, Sequence[Line]], Response]] = {"csv": _csv, "json": _json}

doors = [
    get("/settings/audit", show, only="admin"),
    post("/settings/audit/export", export, only="admin"),
]
