"""Fixtures shared by files of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callcenter.db import Database
from tests.support.moving_clock import MovingClock, moving_clock
from tests.support.upper import UpperPlatform
from tests.support.upstream import both
from tests.support.web import Web


@pytest.fixture(scope="module")
async def clock() -> AsyncIterator[MovingClock]:
    """One database under a clock that can be moved, for a file that needs one.

    No wider: a file whose tests are shared out anew by xdist is set up twice in one session.
    """
    async with moving_clock() as one:
        yield one


@pytest.fixture
async def pair(db: Database, tmp_path: Path) -> AsyncIterator[tuple[Web, UpperPlatform]]:
    async with both(db, tmp_path) as one:
        yield one
