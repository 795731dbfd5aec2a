"""龙胜's unit directory in a test's database, as the configuration ships it."""

from datetime import UTC, datetime

from callcenter import flow_tickets
from callcenter import units as hub
from callcenter.types import UnitId
from config.unit_loader import load_directory
from tests.support.dispatching import person
from tests.support.tickets import rules
from tests.support.web import Web
from ticketing.dispatch import units_store
from ticketing.dispatch.units import Post
from ticketing.dispatch.units_store import PeopleChange


async def with_directory(web: Web) -> Web:
    """The county's units, with somebody on duty at housing."""
    given = load_directory("longsheng", rules().policies[-1])
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        await hub.seed(tx, given.units, given.entries, now)
        for one in given.units:
            await hub.list_for_calls(tx, one)
        people = (person("值班老赵", Post.DUTY, "13900139000"),)
        change = PeopleChange(Post.DUTY, people, now.date())
        await units_store.change_people(tx, UnitId("housing"), change, actor=flow_tickets.STORY, now=now, rules=rules())
    return web
