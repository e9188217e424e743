"""Who hears of a connection's affairs: the IT administrators named with it, and the organization's owners."""

from collections.abc import Sequence

from sqlalchemy import select

from llmops.broker.connections import Connection
from llmops.db.tables import Db
from llmops.organizations import members


def told(db: Db, organization_id: str) -> Sequence[str]:
    """The addresses of the active connection's IT contacts, then those of all owners; nobody twice."""
    mine = (Connection.organization_id == organization_id) & (Connection.state == "active")
    named = db.execute(select(Connection.contacts).where(mine)).scalars().first() or []
    return list(dict.fromkeys([*named, *members.owner_addresses(db, organization_id)]))
