"""Whether the TXT records of verified domains are still there: looked at every day (TEN-07).

Only domains that were proven by DNS are looked at; what staff or the operator vouched for has no record. A record
that is gone is told at once, and after the notice the domain does not count any more. A name server that does not
answer says nothing either way.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, update

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.clock import readable
from llmops.base.sealing import Sealer
from llmops.db.tables import Db, change, find, many
from llmops.errors import OutboundUnreachable
from llmops.jobs import queue
from llmops.mail import letters
from llmops.organizations import domains, organization
from llmops.organizations.domains import Domain
from llmops.web.request import Site

logger = structlog.stdlib.get_logger("llmops.domains")

JOB = "domain.check"
EVERY = timedelta(days=1)
NOTICE = timedelta(days=14)
ACTOR = "schedule"

Told = Callable[[Db, str], Sequence[str]]
"""The addresses that hear of an organization's sign-in affairs: its owners and IT contacts."""


def queue_due(db: Db, sealer: Sealer, *, now: datetime) -> int:
    """Queue a look at every domain whose last one is a day old. Returns how many."""
    old = or_(Domain.checked_at.is_(None), Domain.checked_at <= now - EVERY)
    due = many(db, Domain, Domain.rows().where(Domain.verified_how == "dns", Domain.verified_at.is_not(None), old))
    for domain in due:
        change(db, Domain, {"id": domain.id}, checked_at=now)
        queue.put(db, sealer, kind=JOB, payload=domain.id, now=now)
    return len(due)


def check(site: Site, told: Told, domain_id: str) -> None:
    """Look at one domain's record, outside any transaction, and note what came of it."""
    with site.database.reading() as db:
        domain = find(db, Domain, id=domain_id)
    if domain is None or domain.verified_at is None or domain.verified_how != "dns":
        return
    try:
        found = domains.txt_value(domain) in site.resolve_txt(domains.txt_name(domain.domain))
    except OutboundUnreachable as failure:
        logger.warning("domain not checked", domain=domain.domain, **failure.facts)
        return
    with site.database.writing() as db:
        now = site.clock()
        if found:
            change(db, Domain, {"id": domain.id}, missing_since=None, checked_at=now)
        elif domain.missing_since is None:
            _failing(db, site, told, domain, now=now)
        elif now - domain.missing_since >= NOTICE:
            _lost(db, site, told, domain, now=now)


def _failing(db: Db, site: Site, told: Told, domain: Domain, *, now: datetime) -> None:
    """The record is gone: said once, with the day on which the domain stops to count."""
    standing = {"id": domain.id, "verified_how": "dns", "missing_since": None}
    if change(db, Domain, standing, missing_since=now, checked_at=now) == 1:
        _tell(db, site, told, domain, Action.DOMAIN_FAILING, "domain_failing", now=now)


def _lost(db: Db, site: Site, told: Told, domain: Domain, *, now: datetime) -> None:
    """The notice is over: nobody is linked or created by this domain, until it is proven again."""
    table = Domain.table()
    missing = (table.c.id == domain.id) & (table.c.verified_how == "dns") & table.c.missing_since.is_not(None)
    lost = {"verified_at": None, "verified_how": None, "missing_since": None, "checked_at": now}
    if db.execute(update(table).where(missing).values(lost)).rowcount == 1:
        _tell(db, site, told, domain, Action.DOMAIN_LOST, "domain_lost", now=now)


def _tell(db: Db, site: Site, told: Told, domain: Domain, action: Action, letter: str, *, now: datetime) -> None:
    holder = organization.get(db, domain.organization_id)
    log.record(db, action, organization_id=holder.id, actor=ACTOR, target=domain.domain, now=now)
    for address in told(db, holder.id):
        letters.send(
            db,
            site.sealer,
            site.settings,
            to=address,
            template=f"organizations/mail/{letter}",
            now=now,
            organization_name=letters.harmless(holder.name),
            domain=domain.domain,
            record_name=domains.txt_name(domain.domain),
            record_value=domains.txt_value(domain),
            until=readable((domain.missing_since or now) + NOTICE),
        )
