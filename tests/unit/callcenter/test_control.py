"""Call control on the wire: which actions leave, what each failure becomes, what is refused before it leaves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.ami import AmiClient
from callcenter.control import CallLegs, ConsultResult, Control
from callcenter.control_errors import (
    EMERGENCY,
    BadTarget,
    ControlError,
    LegGone,
    OutcomeUnknown,
    PbxAway,
    PbxRefused,
    StaffNotAnswering,
    TapFailed,
    UnitBusy,
)
from callcenter.types import AgentId, CallId, ChannelId, PhoneNumber, QueueName
from tests.support.fake_ami import Action, FakeAmi, error, event, listing, success

CALL = CallId("a-1763800000.12")
CITIZEN, AGENT_LEG = ChannelId(CALL), ChannelId("a-1763800000.13")
UNIT_LEG, BOSS_LEG, TAP_LEG = (ChannelId(f"{kind}-{CALL}{n}") for kind, n in (("u", "-1"), ("s", "-1"), ("t", "")))
LEGS = CallLegs(CALL, CITIZEN, AGENT_LEG)
UNIT, AGENT, BOSS = PhoneNumber("5551234"), AgentId("8001"), AgentId("8003")
HOTLINE = QueueName("hotline")
STREAM = UUID("0e2a6d4c-8c1b-4bd5-9f4e-0a63e2a6d4c1")
QUIET = {"Login", "Ping", "QueueSummary", "ConfbridgeListRooms", "Async", "ActionID"}

Step = Callable[[Control], Awaitable[object]]


def outcome(action: Action, response: str, reason: int) -> bytes:
    """Queued, and then how the ringing ended."""
    ended = event("OriginateResponse", ("ActionID", action.id), ("Response", response), ("Reason", str(reason)))
    return success(action, "Originate successfully queued") + ended


def answered(action: Action) -> bytes:
    return outcome(action, "Success", 4)


def unanswered(action: Action) -> bytes:
    return outcome(action, "Failure", 0)


@pytest.fixture
async def fake() -> AsyncIterator[FakeAmi]:
    async with FakeAmi(username="actions") as server:
        server.answers["Originate"] = answered
        yield server


@pytest.fixture
async def control(fake: FakeAmi) -> AsyncIterator[Control]:
    client = AmiClient(host="127.0.0.1", port=fake.port, username="actions", secret="s3cret")
    await client.start()
    await client.ready(10)
    yield _control(client)
    await client.close()


def _control(client: AmiClient) -> Control:
    return Control(client, node="a", caller_number=PhoneNumber("12345"), audiosocket_address=("127.0.0.1", 9092))


def sent(fake: FakeAmi) -> list[str]:
    """Every action of control, one line each: `Name Key=value ...`."""
    return [
        " ".join([action.name, *(f"{key}={value}" for key, value in action.headers[1:] if key not in QUIET)])
        for action in fake.actions
        if action.name not in QUIET
    ]


HOLD = f"Redirect Channel={CALL} Context=hold Exten=s Priority=1"
ASIDE = f"{HOLD} ExtraChannel={AGENT_LEG} ExtraContext=conf ExtraExten=s ExtraPriority=1"
BACK = f"Redirect Channel={CALL} Context=conf-citizen Exten=s Priority=1"
RING = (
    f"Originate Channel=PJSIP/5551234@unit ChannelId={UNIT_LEG} Context=unit-leg Exten=s Priority=1 CallerID=12345 "
    f"Timeout=30000 Variable=CALL_ID={CALL} Variable=LEG=unit Variable=RECORDED=yes"
)
UNRECORDED = CallLegs(CALL, CITIZEN, AGENT_LEG, recorded=False)

STEPS: list[tuple[str, Step, list[str]]] = [
    ("consult", lambda c: c.consult(LEGS, UNIT, 1), [ASIDE, RING]),
    (
        "consult again, from the conference",
        lambda c: c.consult(CallLegs(CALL, CITIZEN, AGENT_LEG, in_conference=True), UNIT, 2),
        [HOLD, RING.replace("-1 Context", "-2 Context")],
    ),
    (
        "consult the police",
        lambda c: c.consult(LEGS, EMERGENCY["110"].number, 1, EMERGENCY["110"].over),
        [ASIDE, RING.replace("5551234@unit", "110@trunk")],
    ),
    (
        "consult in a call that is not recorded",
        lambda c: c.consult(UNRECORDED, UNIT, 1),
        [ASIDE, RING.replace("RECORDED=yes", "RECORDED=no")],
    ),
    ("cancel", lambda c: c.cancel_consult(LEGS, UNIT_LEG), [f"Hangup Channel={UNIT_LEG} Cause=16", BACK]),
    ("merge", lambda c: c.merge(LEGS), [BACK]),
    ("retrieve", lambda c: c.retrieve(LEGS), [BACK]),
    ("leave", lambda c: c.leave(AGENT_LEG), [f"Hangup Channel={AGENT_LEG} Cause=16"]),
    ("drop", lambda c: c.drop(UNIT_LEG), [f"Hangup Channel={UNIT_LEG} Cause=16"]),
    ("requeue", lambda c: c.requeue(CITIZEN), [f"Redirect Channel={CALL} Context=requeue Exten=s Priority=1"]),
    ("goodbye", lambda c: c.goodbye(CITIZEN), [f"Redirect Channel={CALL} Context=goodbye Exten=s Priority=1"]),
    (
        "listen",
        lambda c: c.listen(CALL, BOSS, AGENT_LEG, 1),
        [
            f"Originate Channel=PJSIP/8003 ChannelId={BOSS_LEG} Context=spy Exten=listen Priority=1 CallerID=12345 "
            f"Timeout=20000 Variable=CALL_ID={CALL} Variable=LEG=supervisor Variable=SPYCHAN={AGENT_LEG}"
        ],
    ),
    ("whisper", lambda c: c.whisper(BOSS_LEG), [f"Redirect Channel={BOSS_LEG} Context=spy Exten=whisper Priority=1"]),
    (
        "barge",
        lambda c: c.barge(BOSS_LEG, in_conference=False),
        [f"Redirect Channel={BOSS_LEG} Context=spy Exten=barge Priority=1"],
    ),
    (
        "barge into a conference",
        lambda c: c.barge(BOSS_LEG, in_conference=True),
        [f"Redirect Channel={BOSS_LEG} Context=conf Exten=s Priority=1"],
    ),
    (
        "listen only",
        lambda c: c.listen_only(BOSS_LEG),
        [f"Redirect Channel={BOSS_LEG} Context=spy Exten=listen Priority=1"],
    ),
    ("stop", lambda c: c.stop(BOSS_LEG), [f"Hangup Channel={BOSS_LEG} Cause=16"]),
    (
        "call back",
        lambda c: c.call_back(AGENT, PhoneNumber("13800138000"), CALL),
        [
            f"Originate Channel=PJSIP/8001 ChannelId={CALL} Context=callback Exten=s Priority=1 CallerID=12345 "
            f"Timeout=20000 Variable=CALL_ID={CALL} Variable=LEG=agent Variable=CITIZEN=13800138000"
        ],
    ),
    (
        "tap",
        lambda c: c.tap(CALL, CITIZEN, STREAM),
        [
            f"Originate Channel=AudioSocket/127.0.0.1:9092/{STREAM} ChannelId={TAP_LEG} Application=ChanSpy "
            f"Data={CALL},uqoES CallerID=12345 Timeout=3000 Variable=CALL_ID={CALL} Variable=LEG=tap"
        ],
    ),
    ("untap", lambda c: c.untap(CALL), [f"Hangup Channel={TAP_LEG} Cause=16"]),
    (
        "add",
        lambda c: c.queue_add(HOTLINE, AGENT, "王芳", paused=True, reason="小休"),
        ["QueueAdd Queue=hotline Interface=PJSIP/8001 MemberName=王芳 Paused=true Reason=小休"],
    ),
    ("remove", lambda c: c.queue_remove(HOTLINE, AGENT), ["QueueRemove Queue=hotline Interface=PJSIP/8001"]),
    (
        "pause",
        lambda c: c.queue_pause(HOTLINE, AGENT, paused=False),
        ["QueuePause Queue=hotline Interface=PJSIP/8001 Paused=false"],
    ),
]


@pytest.mark.parametrize(("step", "wire"), [step[1:] for step in STEPS], ids=[step[0] for step in STEPS])
async def test_each_step_is_these_actions_and_no_other(
    fake: FakeAmi, control: Control, step: Step, wire: list[str]
) -> None:
    await step(control)
    assert sent(fake) == wire


# ---- how ringing ends ------------------------------------------------------------------------------------------


async def test_a_unit_that_is_busy_leaves_the_citizen_on_hold(fake: FakeAmi, control: Control) -> None:
    fake.answers["Originate"] = unanswered
    result = await control.consult(LEGS, UNIT, 1)
    assert result == ConsultResult(UNIT_LEG, answered=False, reason=0)
    assert isinstance(result.failure(17), UnitBusy)
    assert sent(fake) == [ASIDE, RING]


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (lambda c: c.listen(CALL, BOSS, AGENT_LEG, 1), StaffNotAnswering),
        (lambda c: c.call_back(AGENT, UNIT, CALL), StaffNotAnswering),
        (lambda c: c.tap(CALL, CITIZEN, STREAM), TapFailed),
    ],
)
async def test_a_telephone_of_ours_that_is_not_answered_is_an_error(
    fake: FakeAmi, control: Control, step: Step, kind: type[ControlError]
) -> None:
    fake.answers["Originate"] = unanswered
    with pytest.raises(kind):
        await step(control)


# ---- refusals --------------------------------------------------------------------------------------------------


async def test_a_consult_without_the_citizen_rings_nobody(fake: FakeAmi, control: Control) -> None:
    fake.answers["Redirect"] = lambda action: error(action, f"Channel does not exist: {CALL}")
    with pytest.raises(LegGone):
        await control.consult(LEGS, UNIT, 1)
    assert sent(fake) == [ASIDE]


async def test_a_refused_originate_brings_the_citizen_back(fake: FakeAmi, control: Control) -> None:
    fake.answers["Originate"] = lambda action: error(action, "Originate failed")
    with pytest.raises(PbxRefused):
        await control.consult(LEGS, UNIT, 1)
    assert sent(fake) == [ASIDE, RING, BACK]


async def test_hanging_up_what_is_gone_is_no_error(fake: FakeAmi, control: Control) -> None:
    fake.answers["Hangup"] = lambda action: error(action, "No such channel")
    assert not await control.drop(UNIT_LEG)
    await control.cancel_consult(LEGS, UNIT_LEG)
    assert sent(fake)[-1] == BACK


async def test_a_member_that_is_there_or_gone_already_is_no_error(fake: FakeAmi, control: Control) -> None:
    fake.answers["QueueAdd"] = lambda action: error(action, "Unable to add interface: Already there")
    fake.answers["QueueRemove"] = lambda action: error(action, "Unable to remove interface: Not there")
    fake.answers["QueuePause"] = lambda action: error(action, "Interface not found")
    assert not await control.queue_add(HOTLINE, AGENT, "王芳")
    assert not await control.queue_remove(HOTLINE, AGENT)
    with pytest.raises(PbxRefused):
        await control.queue_pause(HOTLINE, AGENT, paused=True)


# ---- the link --------------------------------------------------------------------------------------------------


async def test_nothing_is_sent_while_asterisk_is_away(fake: FakeAmi) -> None:
    client = AmiClient(host="127.0.0.1", port=fake.port, username="actions", secret="s3cret")
    with pytest.raises(PbxAway) as away:
        await _control(client).consult(LEGS, UNIT, 1)
    assert away.value.retryable
    assert sent(fake) == []


async def test_an_originate_whose_link_breaks_is_unknown_and_never_repeated(fake: FakeAmi, control: Control) -> None:
    fake.answers["Originate"] = lambda action: success(action, "Originate successfully queued")
    consult = asyncio.create_task(control.consult(LEGS, UNIT, 1))
    await fake.seen("Originate")
    fake.cut()
    with pytest.raises(OutcomeUnknown) as unknown:
        await consult
    assert unknown.value.channel_id == UNIT_LEG
    await fake.until(lambda again: again.logins == 2)
    assert sent(fake) == [ASIDE, RING]


async def test_an_unknown_leg_is_looked_up(fake: FakeAmi, control: Control) -> None:
    def channels(action: Action) -> bytes:
        shown = event(
            "CoreShowChannel",
            ("ActionID", action.id),
            ("Uniqueid", UNIT_LEG),
            ("Channel", "PJSIP/unit-00000001"),
            ("ChannelStateDesc", "Ringing"),
            ("Application", "AppDial"),
        )
        return listing(action, [shown], "CoreShowChannelsComplete")

    fake.answers["CoreShowChannels"] = channels
    seen = await control.resolve_unknown(UNIT_LEG)
    assert seen is not None
    assert (seen.name, seen.state) == ("PJSIP/unit-00000001", "Ringing")
    assert await control.resolve_unknown(BOSS_LEG) is None


# ---- the choke point -------------------------------------------------------------------------------------------

BAD_CHANNELS = [
    "",
    "/PJSIP/.*/",
    "PJSIP/8001-00000001",
    "b-1763800000.12",
    "a-1763800000.12\r\nAction: Command",
    "u-a-1763800000.12",
    "x-a-1763800000.12-1",
    "a-1763800000.12&a-1763800000.13",
]


@pytest.mark.parametrize("channel", BAD_CHANNELS)
async def test_a_channel_that_is_not_one_of_this_node_is_refused(fake: FakeAmi, control: Control, channel: str) -> None:
    for step in (control.hang_up, control.requeue, control.goodbye, control.whisper, control.resolve_unknown):
        with pytest.raises(BadTarget):
            await step(ChannelId(channel))
    assert sent(fake) == []


@given(st.text(max_size=30))
def test_no_text_but_an_extension_is_dialled(text: str) -> None:
    client = AmiClient(host="127.0.0.1", port=1, username="actions", secret="s3cret")
    known = text.isascii() and text.isdecimal() and 3 <= len(text) <= 8
    expected = PbxAway if known else BadTarget
    with pytest.raises(expected):
        asyncio.run(_control(client).queue_remove(HOTLINE, AgentId(text)))


BAD_STEPS: list[tuple[str, Step]] = [
    ("call of another node", lambda c: c.tap(CallId("b-1763800000.12"), CITIZEN, STREAM)),
    ("leg number 0", lambda c: c.consult(LEGS, UNIT, 0)),
    ("leg number too high", lambda c: c.consult(LEGS, UNIT, 10_000)),
    ("queue with a space", lambda c: c.queue_remove(QueueName("hot line"), AGENT)),
    ("extension of letters", lambda c: c.listen(CALL, AgentId("800a"), AGENT_LEG, 1)),
    ("extension with a line break", lambda c: c.call_back(AgentId("8001\n"), UNIT, CALL)),
    ("reason with a line break", lambda c: c.queue_pause(HOTLINE, AGENT, paused=True, reason="小\r\n休")),
    ("no name", lambda c: c.queue_add(HOTLINE, AGENT, "")),
    ("too long a name", lambda c: c.queue_add(HOTLINE, AGENT, "王" * 61)),
]


@pytest.mark.parametrize("step", [step[1] for step in BAD_STEPS], ids=[step[0] for step in BAD_STEPS])
async def test_a_bad_value_is_refused_before_anything_is_sent(fake: FakeAmi, control: Control, step: Step) -> None:
    with pytest.raises(BadTarget):
        await step(control)
    assert sent(fake) == []


@pytest.mark.parametrize(
    "wrong",
    [{"node": "a b"}, {"trunk_endpoint": "t&x"}, {"unit_endpoint": ""}, {"audiosocket_address": ("evil/host", 1)}],
)
def test_a_bad_configuration_is_refused_at_the_start(wrong: dict[str, object]) -> None:
    client = AmiClient(host="127.0.0.1", port=1, username="actions", secret="s3cret")
    given = {"node": "a", "caller_number": PhoneNumber("12345"), "audiosocket_address": ("127.0.0.1", 9092)}
    with pytest.raises(BadTarget):
        Control(client, **{**given, **wrong})  # type: ignore[arg-type]
