"""Fixtures of the tests with real services: one whole stack a session."""

from collections.abc import AsyncIterator, Callable

import pytest

from callcenter.stack.stack import Stack
from tests.support.stack import stack_for_tests
from tests.support.switchboard import Switchboard, switchboard_for_tests


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    """PostgreSQL, Valkey, Kannel, Asterisk and the played carrier, in a run folder and ports of their own."""
    async with stack_for_tests() as running:
        yield running


@pytest.fixture(scope="session")
async def switchboard() -> AsyncIterator[Switchboard]:
    """Asterisk alone with telephones and call control around it."""
    async with switchboard_for_tests() as running:
        yield running


@pytest.fixture
async def board(switchboard: Switchboard) -> AsyncIterator[Switchboard]:
    """The switchboard with nobody talking, before and after the test."""
    await switchboard.ready_for_a_call()
    yield switchboard
    await switchboard.everybody_hangs_up()


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a measured figure where people see it, whatever pytest captures."""

    def show(line: str) -> None:
        with capsys.disabled():
            print(f"\n  {line}", flush=True)

    return show
