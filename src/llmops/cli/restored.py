"""`llmops restored`: after a backup was put back, so that it revives nothing (SEC-09)."""

from datetime import datetime, timedelta

from llmops.accounts import factors, sessions, verification
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.sealing import Sealer
from llmops.broker import assertions, drafts, logins
from llmops.broker.portal import links
from llmops.cli.console import OPERATOR, AsJson, opened, show
from llmops.db.tables import Db
from llmops.organizations import invitations
from llmops.staff import confirmations
from llmops.staff import sessions as staff_sessions
from llmops.web import keyring


def restored(as_json: AsJson = False) -> None:
    """Void what a backup brought back: sessions, links, invitations, codes, attempts, and answers used since.

    Give it after restoring and before the servers start. Everybody signs in anew, accounts stay as they were.
    """
    with opened() as site, site.database.writing() as db:
        now = site.clock()
        show({"at": now.isoformat(), **void_all(db, site.sealer, now=now)}, as_json=as_json)


def void_all(db: Db, sealer: Sealer, *, now: datetime) -> dict[str, int]:
    """Whatever anybody could show to get in, from before this moment, is void. Returns how many of each kind."""
    voided = {
        "sessions": sessions.void_all(db, now=now),
        "staff_sessions": staff_sessions.void_all(db, now=now),
        "staff_confirmations": confirmations.void_all(db, now=now),
        "one_time_links": verification.void_all(db, now=now),
        "portal_links": links.void_all(db, now=now),
        "invitations": invitations.void_all(db, now=now),
        "attempts": logins.void_all(db),
        "tests_and_approvals": drafts.void_all(db),
    }
    factors.void_all(db, now=now)
    assertions.remember_from(db, now=now)
    keyring.withdraw(db, now=now)
    keyring.rotate(db, sealer, now=now, overlap=timedelta(0))
    log.record(db, Action.RESTORED, organization_id=None, actor=OPERATOR, now=now, voided=sum(voided.values()))
    return voided
