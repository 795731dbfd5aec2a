"""An endless word in every field: no screen of the console scrolls sideways, on a telephone either."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Stock
from tests.support.browser import Chromium
from tests.support.everywhere import standing
from tests.support.screens import AREAS
from tests.support.stack import PostgresForTests
from tests.support.sweeps import SIZES, Sweep, pictured
from tests.support.voices import Endless
from tests.support.world import World


@pytest.fixture(scope="module")
async def world(
    postgres: PostgresForTests, stock: Stock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    async with standing(postgres, stock, tmp_path_factory.mktemp("spool"), Endless()) as one:
        yield one


@pytest.fixture
async def desk(browser: object, world: World) -> AsyncIterator[Chromium]:
    opened = Chromium(browser, str(world.web.client.make_url("/")).rstrip("/"))  # type: ignore[arg-type]
    yield opened
    await opened.close_all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("area", AREAS)
async def test_no_screen_grows_with_a_word(desk: Chromium, world: World, area: str, size: str) -> None:
    sweep, found = Sweep(desk, world), dict[str, list[str]]()
    for number, view in enumerate(AREAS[area]):
        watched = await sweep.open(view, size)
        await pictured(watched, f"endless-{area}-{number:02}-{view.name}-{size}")
        if wrong := await sweep.harmed(watched):
            found[f"{view.who} {view.address(world)}"] = wrong
    assert found == {}
