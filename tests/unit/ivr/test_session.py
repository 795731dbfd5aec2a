"""One call through the shipped menus over a real socket: what is played, set and reported."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from callcenter.types import QueueName
from config.menu_loader import load_menus
from ivr.menu import DIGITS, MenuContext
from ivr.server import IvrServer, PromptsMissing
from ivr.session import IncomingCall
from tests.support.agi_client import CALL_ID, SAMPLES, TOKEN, Caller, Heard, call, environment

MENUS = load_menus()
USUAL = MenuContext(datetime.fromisoformat("2026-01-05T10:00:00+08:00"), is_workday=True)
HOLIDAY = MenuContext(USUAL.now, is_workday=False)
SURGE = MenuContext(USUAL.now, is_workday=True, surge=True)
FULL = MenuContext(USUAL.now, is_workday=True, full=frozenset({QueueName("hotline")}))
DEADLINE_S = 10.0


@pytest.fixture
def prompts_dir(tmp_path: Path) -> Path:
    for name in MENUS.prompts:
        (tmp_path / f"{name}.wav").touch()
    return tmp_path


@asynccontextmanager
async def serving(prompts_dir: Path, context: MenuContext | Exception | None) -> AsyncIterator[IvrServer]:
    """context: what the hub answers; an exception: it fails; None: it never answers."""

    async def context_for(incoming: IncomingCall) -> MenuContext:
        if context is None:
            await asyncio.Event().wait()
        if isinstance(context, Exception):
            raise context
        assert context is not None
        assert incoming.call_id == CALL_ID
        return context

    server = IvrServer("127.0.0.1", 0, TOKEN, MENUS.by_script, prompts_dir, context_for)
    await server.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield server
    finally:
        await server.stop()


async def heard(
    prompts_dir: Path, context: MenuContext | Exception | None, caller: Caller, head: bytes | None = None
) -> Heard:
    async with serving(prompts_dir, context) as server:
        return await call(server.port, caller, head)


def steps(one: Heard) -> list[tuple[str, str]]:
    return [(fields["Step"], fields["Digits"]) for fields in one.of("MenuStep")]


async def test_key_routes_and_reports(prompts_dir: Path) -> None:
    one = await heard(prompts_dir, USUAL, Caller(["3"]))
    assert one.variables == {"QUEUE": "hotline", "QUEUE_PRIO": "0", "REQUEST_TYPE": "投诉", "ROUTE": "queue"}
    assert one.events == [
        ("MenuStep", {"CallId": CALL_ID, "Menu": "main", "Step": "greeting", "Digits": "3"}),
        ("MenuEnded", {"CallId": CALL_ID, "Outcome": "queue", "Queue": "hotline", "RequestType": "投诉"}),
    ]


async def test_route_is_set_last_so_that_the_dialplan_never_sees_half_of_it(prompts_dir: Path) -> None:
    one = await heard(prompts_dir, USUAL, Caller(["1"]))
    assert one.set_order[-1] == "ROUTE"


@pytest.mark.parametrize(
    ("context", "keys", "variables", "expected_steps", "ended"),
    [
        (USUAL, ["timeout"], {"ROUTE": "queue", "QUEUE": "hotline"}, [("greeting", "timeout")], "queue"),
        (USUAL, ["9", "9"], {"ROUTE": "queue"}, [("greeting", "9"), ("greeting", "9")], "queue"),
        (SURGE, ["8"], {"QUEUE": "emergency", "QUEUE_PRIO": "10"}, [("greeting", "8")], "queue"),
        (USUAL, ["A", "1"], {"ROUTE": "queue"}, [("greeting", "A"), ("greeting", "1")], "queue"),
        (USUAL, ["#", "*"], {"ROUTE": "queue"}, [("greeting", "#"), ("greeting", "*")], "queue"),
        (HOLIDAY, ["7", "1"], {"ROUTE": "hangup"}, [("greeting", "7"), ("enterprise-closed", "1")], "message"),
        (FULL, ["0", "0"], {"ROUTE": "queue", "QUEUE": "hotline"}, [("greeting", "0"), ("full", "0")], "queue"),
        (USUAL, ["hangup"], {}, [("greeting", "hangup")], "hangup"),
        (HOLIDAY, ["7", "hangup"], {}, [("greeting", "7"), ("enterprise-closed", "hangup")], "hangup"),
    ],
)
async def test_key_sequences(
    prompts_dir: Path,
    context: MenuContext,
    keys: list[str],
    variables: dict[str, str],
    expected_steps: list[tuple[str, str]],
    ended: str,
) -> None:
    one = await heard(prompts_dir, context, Caller(keys))
    assert variables.items() <= one.variables.items()
    assert ("ROUTE" in one.variables) == bool(variables)
    assert steps(one) == expected_steps
    assert [fields["Outcome"] for fields in one.of("MenuEnded")] == [ended]
    assert one.events[-1][0] == "MenuEnded"


@pytest.mark.parametrize(
    ("status", "keys", "reason", "prompts"),
    [
        ("TIMEOUT", ["1"], "timeout", ["still-busy", "callback-taken"]),
        ("FULL", ["1"], "full", ["full-after-queue", "callback-taken"]),
        ("JOINUNAVAIL", ["1"], "closed", ["nobody-there", "callback-taken"]),
        ("TIMEOUT", ["timeout"], None, ["still-busy", "call-again"]),
    ],
)
async def test_after_the_queue_a_call_back_is_offered(
    prompts_dir: Path, status: str, keys: list[str], reason: str | None, prompts: list[str]
) -> None:
    head = environment("after-queue", arguments=[status])
    one = await heard(prompts_dir, USUAL, Caller(keys), head)
    assert one.of("CallbackAsked") == ([{"CallId": CALL_ID, "Reason": reason}] if reason else [])
    assert one.prompts == prompts
    assert one.variables == {"ROUTE": "hangup"}
    assert one.of("MenuEnded")[0]["Outcome"] == "message"


async def test_who_withholds_the_number_is_not_promised_a_call(prompts_dir: Path) -> None:
    head = environment("after-queue", arguments=["FULL", "yes"])
    one = await heard(prompts_dir, USUAL, Caller(["1"]), head)
    assert one.of("CallbackAsked") == []
    assert one.prompts == ["full-after-queue", "number-withheld", "call-again"]


async def test_key_pressed_in_the_notice_counts_and_the_notice_is_heard_to_its_end(prompts_dir: Path) -> None:
    one = await heard(prompts_dir, USUAL, Caller(during={"greeting": "0"}))
    assert one.played == [("greeting", DIGITS, 0), ("greeting", "", SAMPLES // 2)]
    assert steps(one) == [("greeting", "0")]
    assert one.variables["ROUTE"] == "queue"


async def test_key_pressed_in_the_notice_leaves_the_emergency_announcement_whole(prompts_dir: Path) -> None:
    one = await heard(prompts_dir, SURGE, Caller(during={"greeting": "8"}))
    assert one.played == [("greeting", DIGITS, 0), ("greeting", "", SAMPLES // 2), ("surge", "", 0)]
    assert one.variables["QUEUE"] == "emergency"


async def test_key_cuts_the_list_of_keys_short(prompts_dir: Path) -> None:
    one = await heard(prompts_dir, USUAL, Caller(during={"keys": "2"}))
    assert one.prompts == ["greeting", "keys"]
    assert not any(command.startswith("WAIT") for command in one.commands)
    assert one.variables["REQUEST_TYPE"] == "求助"


@pytest.mark.parametrize(("told", "greeting"), [("yes", "greeting"), ("", "greeting"), ("no", "greeting-unrecorded")])
async def test_the_dialplan_tells_the_menu_whether_the_call_is_recorded(
    prompts_dir: Path, told: str, greeting: str
) -> None:
    one = await heard(prompts_dir, USUAL, Caller(["1"]), environment(arguments=[told] if told else []))
    assert one.prompts == [greeting, "keys"]


@pytest.mark.parametrize("prompt", ["greeting", "keys"])
async def test_caller_hangs_up_in_a_prompt(prompts_dir: Path, prompt: str) -> None:
    one = await heard(prompts_dir, USUAL, Caller(during={prompt: "hangup"}))
    assert steps(one) == [("greeting", "hangup")]
    assert one.of("MenuEnded") == [{"CallId": CALL_ID, "Outcome": "hangup", "Queue": "", "RequestType": ""}]
    assert one.variables == {}


async def test_caller_who_hangs_up_in_the_confirmation_has_asked_for_the_call_back(prompts_dir: Path) -> None:
    caller = Caller(["7", "1"], during={"callback-taken": "hangup"})
    one = await heard(prompts_dir, HOLIDAY, caller)
    assert one.of("CallbackAsked") == [{"CallId": CALL_ID, "Reason": "closed"}]
    assert one.of("MenuEnded")[0]["Outcome"] == "message"


@pytest.mark.parametrize("context", [OSError("database away"), None])
async def test_without_its_context_the_menu_still_leads_to_a_person(
    prompts_dir: Path, context: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivr.server.CONTEXT_TIMEOUT_S", 0.05)
    one = await heard(prompts_dir, context, Caller(["timeout"]))
    assert one.variables["ROUTE"] == "queue"


@pytest.mark.parametrize("unique_id", ["", "1763800000.12", "a-1763800000.12,Outcome: queue", "x"])
async def test_call_without_a_call_id_is_left_to_the_dialplan(prompts_dir: Path, unique_id: str) -> None:
    one = await heard(prompts_dir, USUAL, Caller(), environment(call_id=unique_id))
    assert one.commands == []


@pytest.mark.parametrize("key", [*DIGITS, "A", "B", "C", "D"])
async def test_every_key_of_a_telephone_can_be_reported(prompts_dir: Path, key: str) -> None:
    one = await heard(prompts_dir, SURGE, Caller([key, "timeout"]))
    assert steps(one)[0] == ("greeting", key)
    assert "ROUTE" in one.variables


async def test_many_calls_at_once_keep_apart(prompts_dir: Path) -> None:
    types = {"1": "咨询", "2": "求助", "3": "投诉", "4": "举报", "5": "建议", "6": "表扬"}
    async with serving(prompts_dir, USUAL) as server:
        keys = [str(number % 6 + 1) for number in range(60)]
        calls = await asyncio.gather(*(call(server.port, Caller([key])) for key in keys))
    assert [one.variables["REQUEST_TYPE"] for one in calls] == [types[key] for key in keys]


async def test_missing_sound_files_are_named_at_the_start(prompts_dir: Path) -> None:
    (prompts_dir / "keys.wav").unlink()
    with pytest.raises(PromptsMissing, match="keys"):
        async with serving(prompts_dir, USUAL):
            pass
