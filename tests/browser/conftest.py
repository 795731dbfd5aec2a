"""Fixtures of the tests in a real browser: the console on a test's own database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from callcenter.db import Database
from tests.support.browser import Chromium, chromium, console_folder
from tests.support.web import Web, serving, with_people


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests that need no special microphone."""
    async with chromium() as started:
        yield started


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    """The API with the console, and a person of every role."""
    async with serving(db, tmp_path, page=console_folder()) as started:
        yield await with_people(started)


@pytest.fixture
async def desk(browser: Browser, web: Web) -> AsyncIterator[Chromium]:
    """The browser on this test's console; what a page must never do fails the test."""
    opened = Chromium(browser, str(web.client.make_url("/")).rstrip("/"))
    yield opened
    await opened.close_all()
