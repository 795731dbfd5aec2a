"""A snapshot out of what Asterisk 22.10.1 answered in the middle of a consultation; numbers replaced."""

from collections.abc import AsyncIterator

import pytest

from callcenter.ami import ActionRefused, AmiClient
from callcenter.snapshot import (
    SeenCaller,
    SeenChannel,
    SeenConference,
    SeenConferenceMember,
    SeenMember,
    SeenQueue,
    snapshot,
)
from callcenter.types import CallId, ChannelId, Party
from tests.support.fake_ami import Action, Answer, FakeAmi, error

CHANNELS = """\
Response: Success
ActionID: ID
EventList: start
Message: Channels will follow

Event: CoreShowChannel
ActionID: ID
Channel: PJSIP/unit-00000002
ChannelState: 6
ChannelStateDesc: Up
CallerIDNum: 12345
CallerIDName: <unknown>
ConnectedLineNum: 12345
ConnectedLineName: <unknown>
Language: en
AccountCode:\x20
Context: conf
Exten: c-a-1795364878.0
Priority: 2
Uniqueid: u-a-1795364878.0
Linkedid: u-a-1795364878.0
ChanVariable: CALL_ID=a-1795364878.0
ChanVariable: LEG=unit
Application: ConfBridge
ApplicationData: c-a-1795364878.0,default_bridge,default_user
Duration: 00:00:01
BridgeId: ea5334a2-156a-47e3-a500-f52373bcae7a

Event: CoreShowChannel
ActionID: ID
Channel: PJSIP/trunk-00000000
ChannelState: 6
ChannelStateDesc: Up
CallerIDNum: 13800138000
CallerIDName: <unknown>
ConnectedLineNum: 8001
ConnectedLineName: Agent 8001
Language: en
AccountCode:\x20
Context: hold
Exten: c-a-1795364878.0
Priority: 1
Uniqueid: a-1795364878.0
Linkedid: a-1795364878.0
ChanVariable: CALL_ID=a-1795364878.0
ChanVariable: LEG=
Application: BridgeWait
ApplicationData: c-a-1795364878.0,participant,e(moh)
Duration: 00:00:02
BridgeId: 4efaf646-6c50-4a6f-a2a3-af7e33099379

Event: CoreShowChannelsComplete
ActionID: ID
EventList: Complete
ListItems: 2

"""
ROOMS = """\
Response: Success
ActionID: ID
EventList: start
Message: Confbridge conferences will follow

Event: ConfbridgeListRooms
ActionID: ID
Conference: c-a-1795364878.0
Parties: 2
Marked: 0
Locked: No
Muted: No

Event: ConfbridgeListRoomsComplete
ActionID: ID
EventList: Complete
ListItems: 1

"""
MEMBERS = """\
Response: Success
ActionID: ID
EventList: start
Message: Confbridge user list will follow

Event: ConfbridgeList
ActionID: ID
Conference: c-a-1795364878.0
Admin: No
MarkedUser: No
WaitMarked: No
EndMarked: No
EndMarkedAny: No
Waiting: No
Muted: Yes
Talking: No
AnsweredTime: 2
Channel: PJSIP/8001-00000001
ChannelState: 6
ChannelStateDesc: Up
CallerIDNum: 8001
CallerIDName: Agent 8001
Uniqueid: a-1795364878.1
Linkedid: a-1795364878.0
ChanVariable: CALL_ID=a-1795364878.0
ChanVariable: LEG=agent

Event: ConfbridgeListComplete
ActionID: ID
EventList: Complete
ListItems: 1

"""
QUEUES = """\
Response: Success
ActionID: ID
EventList: start
Message: Queue status will follow

Event: QueueParams
Queue: hotline
Max: 0
Strategy: rrmemory
Calls: 1
Holdtime: 1
Weight: 0
ActionID: ID

Event: QueueMember
Queue: hotline
Name: agent-8001
Location: PJSIP/8001
StateInterface: PJSIP/8001
Membership: dynamic
Penalty: 0
CallsTaken: 0
LastCall: 0
LastPause: 0
LoginTime: 1795364878
InCall: 1
Status: 3
Paused: 1
PausedReason: 小休
Wrapuptime: 0
ActionID: ID

Event: QueueEntry
Queue: hotline
Position: 1
Channel: PJSIP/trunk-00000003
Uniqueid: a-1795364890.3
CallerIDNum: unknown
CallerIDName: unknown
ConnectedLineNum: unknown
ConnectedLineName: unknown
Wait: 2
Priority: 0
ActionID: ID

Event: QueueParams
Queue: enterprise
Max: 0
Strategy: rrmemory
Calls: 0
ActionID: ID

Event: QueueStatusComplete
ActionID: ID
EventList: Complete
ListItems: 4

"""


def pasted(text: str) -> Answer:
    def answer(action: Action) -> bytes:
        return text.replace("\n", "\r\n").replace("ActionID: ID", f"ActionID: {action.id}").encode()

    return answer


@pytest.fixture
async def fake() -> AsyncIterator[FakeAmi]:
    async with FakeAmi() as server:
        yield server


@pytest.fixture
async def client(fake: FakeAmi) -> AsyncIterator[AmiClient]:
    ami = AmiClient(host="127.0.0.1", port=fake.port, username="events", secret="s3cret")
    await ami.start()
    await ami.ready(10)
    fake.answers |= {
        "CoreShowChannels": pasted(CHANNELS),
        "ConfbridgeListRooms": pasted(ROOMS),
        "ConfbridgeList": pasted(MEMBERS),
        "QueueStatus": pasted(QUEUES),
    }
    yield ami
    await ami.close()


async def test_snapshot_tells_channels_conferences_and_queues(client: AmiClient) -> None:
    seen = await snapshot(client)
    unit, citizen = seen.channels
    assert unit == SeenChannel(
        channel_id=ChannelId("u-a-1795364878.0"),
        name="PJSIP/unit-00000002",
        linkedid="u-a-1795364878.0",
        call_id=CallId("a-1795364878.0"),
        leg=Party.UNIT,
        state="Up",
        application="ConfBridge",
        application_data="c-a-1795364878.0,default_bridge,default_user",
        bridge_id="ea5334a2-156a-47e3-a500-f52373bcae7a",
    )
    assert (citizen.leg, citizen.application) == (None, "BridgeWait")
    assert seen.channel(ChannelId("a-1795364878.0")) == citizen
    assert seen.channel(ChannelId("a-1.1")) is None
    member = SeenConferenceMember(ChannelId("a-1795364878.1"), "PJSIP/8001-00000001", True)
    assert seen.conferences == (SeenConference("c-a-1795364878.0", (member,)),)
    assert seen.queues == (
        SeenQueue(
            "hotline",
            members=(SeenMember("PJSIP/8001", "agent-8001", 3, True, "小休", True),),
            callers=(SeenCaller(ChannelId("a-1795364890.3"), "PJSIP/trunk-00000003", 1, 2, 0),),
        ),
        SeenQueue("enterprise", (), ()),
    )
    assert seen.taken_at.utcoffset() is not None


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("ConfbridgeListRooms", "No active conferences."),
        ("ConfbridgeList", "No active conferences."),
        ("ConfbridgeList", "No Conference by that name found."),
    ],
)
async def test_conference_that_is_not_there_is_no_error(
    fake: FakeAmi, client: AmiClient, action: str, message: str
) -> None:
    fake.answers[action] = lambda sent: error(sent, message)
    members = [member for conference in (await snapshot(client)).conferences for member in conference.members]
    assert members == []


async def test_user_without_the_right_to_ask_is_an_error(fake: FakeAmi, client: AmiClient) -> None:
    fake.answers["ConfbridgeListRooms"] = lambda sent: error(sent, "Permission denied")
    with pytest.raises(ActionRefused, match="Permission denied"):
        await snapshot(client)


async def test_strange_item_is_left_out_and_hides_no_other(fake: FakeAmi, client: AmiClient) -> None:
    fake.answers["CoreShowChannels"] = pasted(CHANNELS.replace("\nUniqueid: a-1795364878.0", ""))
    fake.answers["QueueStatus"] = pasted(QUEUES.replace("Position: 1\n", ""))
    seen = await snapshot(client)
    assert [channel.leg for channel in seen.channels] == [Party.UNIT]
    assert [(queue.name, len(queue.members), queue.callers) for queue in seen.queues] == [
        ("hotline", 1, ()),
        ("enterprise", 0, ()),
    ]
