"""Every screen of the console at both sizes: open to everybody, nothing sideways, nothing untranslated, a title.

With SCREENSHOTS=<folder> in the environment there is a picture of each.
"""

import re
from collections.abc import AsyncIterator

import pytest

from tests.conftest import Stock
from tests.support.axe import grave_findings
from tests.support.browser import Chromium
from tests.support.everywhere import standing
from tests.support.screens import AREAS, View
from tests.support.stack import PostgresForTests
from tests.support.sweeps import ROUTES, SIZES, Sweep, Watched, pictured
from tests.support.voices import Plain
from tests.support.world import World

UNTRANSLATED = re.compile(r"\b[a-z_]+\.[a-z_]+\.[a-z_]+\b")
EXAMPLES = frozenset({"example.gov.cn"})
"""Words on a screen that look like a key and are none."""


@pytest.fixture(scope="module")
async def world(
    postgres: PostgresForTests, stock: Stock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A hotline with something real on every screen; nobody changes anything."""
    async with standing(postgres, stock, tmp_path_factory.mktemp("spool"), Plain()) as one:
        yield one


@pytest.fixture
async def desk(browser: object, world: World) -> AsyncIterator[Chromium]:
    opened = Chromium(browser, str(world.web.client.make_url("/")).rstrip("/"))  # type: ignore[arg-type]
    yield opened
    await opened.close_all()


async def wrong_with(sweep: Sweep, watched: Watched) -> list[str]:
    """What a person would stumble over."""
    words = frozenset(UNTRANSLATED.findall(await sweep.shown(watched))) - EXAMPLES
    found = [*await grave_findings(watched.page), *await sweep.harmed(watched), *sorted(words)]
    if not (await watched.page.title()).partition(" · ")[2]:
        found.append("no title of its own")
    if not await watched.page.get_by_role("heading", level=1).count():
        found.append("no heading of the first level")
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("area", AREAS)
async def test_every_screen_is_open_to_everybody(desk: Chromium, world: World, area: str, size: str) -> None:
    sweep, found = Sweep(desk, world), dict[str, list[str]]()
    for number, view in enumerate(AREAS[area]):
        watched = await sweep.open(view, size)
        await pictured(watched, f"{area}-{number:02}-{view.name}-{size}")
        if wrong := await wrong_with(sweep, watched):
            found[f"{view.who} {view.address(world)}"] = wrong
    assert found == {}


async def test_every_screen_there_is_has_its_place_in_the_sweeps(desk: Chromium, world: World) -> None:
    page = (await Sweep(desk, world).open(View("/password", "admin"), "desktop")).page
    assert {view.route for area in AREAS.values() for view in area} == set(await page.evaluate(ROUTES))
