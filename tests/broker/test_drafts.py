"""The next version of a live connection: it takes the live one's place once, or not at all."""

import pytest
from world import World

from llmops.broker import connections, drafts
from llmops.errors import ConnectionUnknown


@pytest.mark.requirement("TEN-12")
def test_a_draft_that_an_owner_threw_away_meanwhile_is_not_promoted(world: World) -> None:
    live = world.saml(world.organization())
    with world.database.writing() as db:
        draft = drafts.begin(db, world.site.sealer, live, now=world.clock.now)
    with world.database.writing() as db:
        drafts.discard(db, draft)
    with world.database.writing() as db, pytest.raises(ConnectionUnknown):
        drafts.promote(db, world.site.sealer, draft)
    with world.database.reading() as db:
        assert vars(connections.get(db, live.id)) == vars(live)
