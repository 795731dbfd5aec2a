"""What listens, where, and whom it turns away: AMI, SIP, Kannel, the SMS centre, PostgreSQL."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from callcenter.stack import pids, postgres, smpp
from callcenter.stack.handset import Handsets
from callcenter.stack.phone import Phone, RegistrationRefused
from callcenter.stack.phone_call import CallRefused
from callcenter.stack.ports import LOOPBACK
from callcenter.stack.stack import Stack
from tests.support.eventually import eventually
from tests.support.stack import new_folder

pytestmark = pytest.mark.stack


async def nothing(url: str) -> None:
    """No tables: nothing here writes rows."""


@pytest.fixture(scope="module")
async def own() -> AsyncIterator[Stack]:
    """A stack of this module's own: refused log-ins fill its logs."""
    stack = Stack(new_folder("strangers"), migrate=nothing)
    await stack.start()
    yield stack
    await stack.remove()


# PJSIP's resolver opens a UDP socket to ask name servers from, on a port of the range for clients; no name is asked.
FIRST_CLIENT_PORT = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket that takes connections or datagrams."""

    kind: str
    address: str
    port: int
    service: str


def listening(stack: Stack) -> Iterator[Socket]:
    """Every TCP listener and UDP socket of the stack's processes, out of /proc (proc_net(5))."""
    owners = {inode: name for name, pid in running(stack).items() for inode in inodes(pid)}
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{kind}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            # State 0A is TCP_LISTEN; an unconnected UDP socket is 07.
            listens = fields[3] == "0A" or (fields[3] == "07" and int(port, 16) < FIRST_CLIENT_PORT)
            if fields[9] in owners and listens:
                yield Socket(kind, readable(address), int(port, 16), owners[fields[9]])


def running(stack: Stack) -> dict[str, int]:
    files = stack.folder.pids.glob("*.pid")
    return {path.stem: pid.number for path in files if (pid := pids.read(path)) and pid.alive}


def inodes(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if found := re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink())):
                yield found[1]


def readable(address: str) -> str:
    """`0100007F` -> `127.0.0.1`; an IPv6 address stays as it is."""
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(address))) if len(address) == 8 else address


def test_everything_listens_on_loopback_and_on_its_own_port_only(own: Stack) -> None:
    sockets = list(listening(own))
    assert {socket.service for socket in sockets} == {"asterisk", "bearerbox", "smsbox"}
    for socket in sockets:
        assert socket.kind in ("tcp", "udp"), socket
        assert socket.address.startswith("127."), socket
        assert own.ports.start <= socket.port < own.ports.start + 1000, socket
    assert {socket.port for socket in sockets if socket.kind == "tcp"} == {
        own.ports.ami,
        own.ports.kannel_admin,
        own.ports.kannel_smsbox,
        own.ports.kannel_sendsms,
    }


async def test_media_of_a_call_stays_on_loopback(own: Stack) -> None:
    server = (LOOPBACK, own.ports.sip)
    async with Phone(("127.0.0.2", 0), server, "13800138000") as citizen:
        call = await citizen.call("12345")
        await call.until_answered(within_s=5)
        first, last = own.ports.rtp
        media = [socket for socket in listening(own) if first <= socket.port <= last]
        call.hang_up()
    assert {socket.address for socket in media} == {LOOPBACK}
    assert {socket.service for socket in media} == {"asterisk"}


class Ami:
    """A bare AMI connection: what it sends is exactly what a stranger could send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, stack: Stack) -> "Ami":
        reader, writer = await asyncio.open_connection(LOOPBACK, stack.ports.ami)
        await reader.readline()
        return cls(reader, writer)

    async def ask(self, **headers: str) -> dict[str, str]:
        """Send one action; the first message that answers it."""
        text = "".join(f"{key}: {value}\r\n" for key, value in {**headers, "ActionID": "ask"}.items())
        self._writer.write(f"{text}\r\n".encode())
        async with asyncio.timeout(10):
            while True:
                block = (await self._reader.readuntil(b"\r\n\r\n")).decode()
                message = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
                if message.get("ActionID") == "ask" and "Response" in message:
                    return message

    async def closed(self) -> bool:
        async with asyncio.timeout(10):
            return await self._reader.read() == b""

    def close(self) -> None:
        self._writer.close()


async def logged_in(own: Stack, user: str, secret: str) -> Ami:
    """A user may be logged in once; Asterisk forgets the test before a moment after its connection has closed."""
    found: list[Ami] = []

    async def let_in() -> bool:
        link = await Ami.connect(own)
        answer = await link.ask(Action="Login", Username=user, Secret=secret, Events="off")
        if answer["Response"] == "Success":
            found.append(link)
        else:
            link.close()
        return bool(found)

    await eventually(let_in, f"{user} is let in")
    return found[0]


@pytest.fixture
async def ami(own: Stack) -> AsyncIterator[dict[str, Ami]]:
    """Both users, logged in."""
    users = {"events": own.secrets.ami_events, "actions": own.secrets.ami_actions}
    links = {}
    for user, secret in users.items():
        links[user] = await logged_in(own, user, secret)
    yield links
    for link in links.values():
        await link.ask(Action="Logoff")
        link.close()


@pytest.mark.parametrize(
    ("user", "secret"),
    [("events", "wrong"), ("events", ""), ("admin", "admin"), ("actions", "actions"), ("nobody", "nothing")],
)
async def test_ami_turns_a_wrong_password_away(own: Stack, user: str, secret: str) -> None:
    link = await Ami.connect(own)
    answer = await link.ask(Action="Login", Username=user, Secret=secret)
    assert answer["Response"] == "Error"
    assert await link.closed()
    link.close()


async def test_ami_says_nothing_before_the_login(own: Stack) -> None:
    link = await Ami.connect(own)
    answer = await link.ask(Action="CoreShowChannels")
    assert (answer["Response"], answer["Message"]) == ("Error", "Permission denied")
    link.close()


async def test_one_user_s_secret_does_not_open_the_other(own: Stack) -> None:
    link = await Ami.connect(own)
    answer = await link.ask(Action="Login", Username="actions", Secret=own.secrets.ami_events)
    assert answer["Response"] == "Error"
    link.close()


@pytest.mark.usefixtures("ami")
async def test_a_user_is_logged_in_once_only(own: Stack) -> None:
    link = await Ami.connect(own)
    answer = await link.ask(Action="Login", Username="events", Secret=own.secrets.ami_events)
    assert answer["Response"] == "Error"
    link.close()


NEVER: list[dict[str, str]] = [
    {"Action": "Command", "Command": "core show version"},
    {"Action": "GetConfig", "Filename": "manager.conf"},
    {"Action": "UpdateConfig", "SrcFilename": "manager.conf", "DstFilename": "manager.conf"},
    {"Action": "ModuleLoad", "LoadType": "load", "Module": "app_system.so"},
    {"Action": "Reload"},
    {"Action": "DBPut", "Family": "a", "Key": "b", "Val": "c"},
    {"Action": "MixMonitor", "Channel": "x", "File": "x.wav"},
    {"Action": "AGI", "Channel": "x", "Command": "EXEC NoOp"},
    {"Action": "UserEvent", "UserEvent": "RecordingDone", "CallId": "a-1763800000.1"},
    {"Action": "PJSIPShowEndpoints"},
    {"Action": "Filter", "Operation": "Add", "Filter": "x"},
    {"Action": "DialplanExtensionAdd", "Context": "x", "Extension": "x", "Priority": "1", "Application": "NoOp"},
]
ACTS: list[dict[str, str]] = [
    {"Action": "Originate", "Channel": "PJSIP/1@unit", "Application": "NoOp", "Async": "true"},
    {"Action": "Redirect", "Channel": "none", "Context": "goodbye", "Exten": "s", "Priority": "1"},
    {"Action": "Hangup", "Channel": "none"},
    {"Action": "QueueAdd", "Queue": "hotline", "Interface": "PJSIP/8001"},
    {"Action": "QueuePause", "Interface": "PJSIP/8001", "Paused": "true"},
    {"Action": "Setvar", "Variable": "A", "Value": "1"},
]
QUESTIONS = ["CoreShowChannels", "CoreStatus", "QueueStatus", "ConfbridgeListRooms", "Ping"]


@pytest.mark.parametrize("action", NEVER, ids=lambda action: action["Action"])
async def test_no_ami_user_may_change_or_read_the_system(ami: dict[str, Ami], action: dict[str, str]) -> None:
    for link in ami.values():
        assert (await link.ask(**action))["Message"] == "Permission denied"


@pytest.mark.parametrize("action", ACTS, ids=lambda action: action["Action"])
async def test_only_the_user_for_actions_acts(ami: dict[str, Ami], action: dict[str, str]) -> None:
    assert (await ami["events"].ask(**action))["Message"] == "Permission denied"
    assert (await ami["actions"].ask(**action))["Message"] != "Permission denied"


@pytest.mark.parametrize("question", QUESTIONS)
async def test_both_users_may_ask(ami: dict[str, Ami], question: str) -> None:
    for link in ami.values():
        assert (await link.ask(Action=question)).get("Message") != "Permission denied"


@pytest.mark.parametrize("application", ["System", "TrySystem", "ExecIf", "AGI", "MixMonitor"])
async def test_originate_does_not_run_programs(ami: dict[str, Ami], application: str) -> None:
    answer = await ami["actions"].ask(
        Action="Originate", Channel="PJSIP/1@unit", Application=application, Data="touch /tmp/x", Async="true"
    )
    assert answer["Response"] == "Error"


INVITE = (
    "INVITE sip:{dialled}@127.0.0.1:{port} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {here}:{source};branch=z9hG4bK{branch}\r\n"
    "Max-Forwards: 70\r\nFrom: {caller};tag=a\r\nTo: <sip:{dialled}@127.0.0.1>\r\n"
    "Call-ID: {branch}\r\nCSeq: 1 INVITE\r\nContact: <sip:x@{here}:{source}>\r\n"
    "{more}Content-Length: 0\r\n\r\n"
)


class Answers(asyncio.DatagramProtocol):
    """Final answers by Call-ID."""

    def __init__(self) -> None:
        self.final: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        status = int(data.split(b" ", 2)[1]) if data.startswith(b"SIP/2.0 ") else 0
        if status >= 200 and not self.final.done():
            self.final.set_result(status)


async def invite(stack: Stack, here: str, caller: str, dialled: str = "12345", more: str = "") -> int:
    """The final status of one hand-written INVITE."""
    transport, answers = await asyncio.get_running_loop().create_datagram_endpoint(Answers, local_addr=(here, 0))
    source = transport.get_extra_info("sockname")[1]
    text = INVITE.format(
        dialled=dialled, port=stack.ports.sip, here=here, source=source, branch=f"b{source}", caller=caller, more=more
    )
    transport.sendto(text.encode(), (LOOPBACK, stack.ports.sip))
    try:
        async with asyncio.timeout(10):
            return await answers.final
    finally:
        transport.close()


@pytest.mark.parametrize(
    "caller",
    [
        "<sip:nobody@anonymous.invalid>",
        "<sip:anonymous%0aEvent:%20Hangup@anonymous.invalid>",
        "<sip:trunk@127.0.0.2>",
        "<sip:unit@127.0.0.2>",
        "<sip:1380013%0d%0a8000@127.0.0.2>",
        "<sip:13800138000%0aEvent:%20Hangup@127.0.0.2>",
        '"a\\"b" <sip:13800138000@127.0.0.2>',
        "<sip:12@127.0.0.2>",
        "<sip:123456789012345678901@127.0.0.2>",
        "<sip:++8613800138000@127.0.0.2>",
        "<sip:1380013+8000@127.0.0.2>",
        "<sip:8001@127.0.0.2>",
    ],
)
async def test_the_trunk_takes_numbers_and_numbers_withheld_only(own: Stack, caller: str) -> None:
    before = await own.asterisk.cli("core show calls")
    assert await invite(own, "127.0.0.2", caller) in (401, 403)
    assert await own.asterisk.cli("core show calls") == before


@pytest.mark.parametrize("here", ["127.0.0.1", "127.0.0.4"])
async def test_the_carrier_s_address_is_asked_for(own: Stack, here: str) -> None:
    assert await invite(own, here, f"<sip:13800138000@{here}>") in (401, 403)


async def test_handling_units_cannot_call_in(own: Stack) -> None:
    assert await invite(own, "127.0.0.3", "<sip:600@127.0.0.3>") == 404


@pytest.mark.parametrize("dialled", ["10086", "s", "h", "refuse", "queue", "00861012345", "12345&PJSIP"])
async def test_the_trunk_reaches_the_hotline_only(own: Stack, dialled: str) -> None:
    assert await invite(own, "127.0.0.2", "<sip:13800138000@127.0.0.2>", dialled) in (404, 484)


async def test_a_citizen_with_a_name_of_his_own_is_only_a_number(own: Stack) -> None:
    server = (LOOPBACK, own.ports.sip)
    async with Phone(("127.0.0.2", 0), server, "13800138000") as citizen:
        call = await citizen.call("12345")
        await call.until_answered(within_s=5)
        shown = await own.asterisk.cli("core show channels concise")
        assert "!13800138000!" in shown
        call.hang_up()


@pytest.mark.parametrize("password", ["8001", "wrong", "password"])
async def test_an_agent_s_telephone_needs_the_generated_password(own: Stack, password: str) -> None:
    phone = Phone((LOOPBACK, 0), (LOOPBACK, own.ports.sip), "8001", password=password)
    with pytest.raises(RegistrationRefused):
        await phone.start()


async def test_an_agent_s_telephone_cannot_dial_by_itself(own: Stack) -> None:
    server = (LOOPBACK, own.ports.sip)
    async with Phone((LOOPBACK, 0), server, "8001", password=own.secrets.agents["8001"]) as agent:
        call = await agent.call("13900139000")
        with pytest.raises(CallRefused) as refused:
            await call.until_answered(within_s=5)
        assert refused.value.status == 404


async def test_kannel_turns_a_wrong_password_away(own: Stack) -> None:
    wrong = {"username": "callcenter", "password": "callcenter", "to": "13800138000", "text": "x"}
    admin = f"http://{LOOPBACK}:{own.ports.kannel_admin}/shutdown"
    async with aiohttp.ClientSession() as client:
        async with client.get(own.kannel.url, params=wrong) as response:
            assert response.status == 403
        async with client.get(admin, params={"password": "bar"}) as response:
            assert "Denied" in await response.text()
    assert own.kannel.running
    assert own.handsets.submits == []


async def test_the_sms_centre_turns_a_wrong_password_away() -> None:
    async with Handsets(0, "right") as centre:
        reader, writer = await asyncio.open_connection(*centre.address)
        body = b"callcenter\0wrong\0\0\x34\0\0\0"
        writer.write(smpp.Unit(smpp.Command.BIND_TRANSCEIVER, 1, body).encode())
        header = await reader.readexactly(smpp.HEADER.size)
        assert smpp.decode(header).status == smpp.Status.WRONG_PASSWORD
        writer.close()


@pytest.mark.parametrize("role", [postgres.OWNER, postgres.APP, postgres.ASTERISK, "postgres", "root"])
async def test_postgresql_asks_every_role_for_its_password(own: Stack, role: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host=str(own.postgres.sockets), user=role, password="guess", database="postgres")


async def test_the_application_s_role_cannot_make_tables(own: Stack) -> None:
    connection = await asyncpg.connect(own.postgres.url())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("create table mine (a int)")
    await connection.close()
