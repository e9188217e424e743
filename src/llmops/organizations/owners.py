"""Write to everybody who owns an organization: what somebody did that could open or close their door."""

from datetime import datetime

from llmops.base.clock import readable
from llmops.base.sealing import Sealer
from llmops.db.tables import Db
from llmops.mail import letters
from llmops.organizations import members, organization
from llmops.settings import Settings
from llmops.web.request import Request


def tell(
    db: Db, sealer: Sealer, settings: Settings, organization_id: str, *, template: str, now: datetime, **values: str
) -> None:
    """Queue the letter `template` to each active owner; it gets `organization_name` and `values`.

    Raises: OrganizationUnknown.
    """
    name = letters.harmless(organization.get(db, organization_id).name)
    for address in members.owner_addresses(db, organization_id):
        letters.send(db, sealer, settings, to=address, template=template, now=now, organization_name=name, **values)


def tell_now(r: Request, organization_id: str, *, template: str, **values: str) -> None:
    """The same, about what this request has just done: the letter also gets `when`. Raises: OrganizationUnknown."""
    values |= {"when": readable(r.now)}
    tell(r.db, r.sealer, r.settings, organization_id, template=template, now=r.now, **values)
