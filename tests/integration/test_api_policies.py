"""The calculator through the API: any person who is signed in, for the regulation that runs here or another one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from callcenter.app import shipped_rules
from callcenter.db import Database
from tests.support.web import Web, serving, with_people

CASE: dict[str, Any] = {"id": "1", "type": "咨询", "dispatched_at": "2023-04-28T15:00:00+08:00"}


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as running:
        yield await with_people(running)


async def test_everybody_signed_in_may_compute_and_a_wrong_case_is_one_answer(web: Web) -> None:
    wrong = {"id": "2", "type": "抱怨"}
    for who in ("agent", "unit", "auditor"):
        told = await web.post(who, "/api/policy/clocks", [CASE, wrong])
        assert told[0]["handle_due"] == "2023-05-05T23:59:59+08:00"
        assert told[0]["basis"]["handle_due"] == ["LS-031"]
        assert told[1].keys() == {"id", "error"}
    assert (await web.ask(None, "POST", "/api/policy/clocks", [CASE])).status == 401


async def test_another_regulation_is_named_and_an_unknown_one_refused(web: Web) -> None:
    told = await web.ask("agent", "POST", "/api/policy/clocks?policy=mengcheng", [CASE])
    assert told.body[0]["contact_due"] == "2023-05-04T23:59:59+08:00"
    assert (await web.ask("agent", "POST", "/api/policy/clocks?policy=atlantis", [CASE])).status == 404
    assert (await web.ask("agent", "POST", "/api/policy/clocks?policy=../menus", [CASE])).status == 422


@pytest.mark.parametrize("body", [{"id": "1"}, [CASE] * 1_001, "咨询"])
async def test_what_is_no_list_of_cases_is_refused(web: Web, body: object) -> None:
    assert (await web.ask("agent", "POST", "/api/policy/clocks", body)).status == 422


def test_the_shipped_regulations_are_at_hand() -> None:
    assert all(shipped_rules(name) for name in ("ganzhou", "weixi", "longsheng", "suqian", "mengcheng"))
    assert shipped_rules("atlantis") is None
