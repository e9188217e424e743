"""Write to everybody who owns an organization: what somebody did that could open or close their door."""

from datetime import datetime

from llmops.base.sealing import Sealer
from llmops.db.tables import Db
from llmops.mail import letters
from llmops.organizations import members, organization
from llmops.settings import Settings


def tell(
    db: Db, sealer: Sealer, settings: Settings, organization_id: str, *, template: str, now: datetime, **values: str
) -> None:
    """Queue the letter `template` to each active owner; it gets `organization_name` and `values`.

    Raises: OrganizationUnknown.
    """
    name = letters.harmless(organization.get(db, organization_id).name)
    for address in members.owner_addresses(db, organization_id):
        letters.send(db, sealer, settings, to=address, template=template, now=now, organization_name=name, **values)
