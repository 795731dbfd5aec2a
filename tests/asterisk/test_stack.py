"""The private services: started, stopped, crashed, restarted, side by side, left running."""

import asyncio
import csv
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from sqlalchemy.ext.asyncio import create_async_engine

from callcenter.stack import pids, postgres
from callcenter.stack.errors import StackBusy, StackFailed
from callcenter.stack.phone import Phone
from callcenter.stack.process import Process
from callcenter.stack.stack import Options, Stack, stop_left_running
from callcenter.tables import cel
from tests.support.eventually import eventually
from tests.support.stack import new_folder

pytestmark = pytest.mark.stack


async def only_cel(url: str) -> None:
    """The one table Asterisk writes to; the rest of the product's tables do not matter here."""
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:", 1))
    async with engine.begin() as connection:
        await connection.run_sync(cel.create, checkfirst=True)
    await engine.dispose()


async def nothing(url: str) -> None:
    """No tables at all."""


@pytest.fixture(scope="module")
async def own() -> AsyncIterator[Stack]:
    """A stack of this module's own, to be crashed."""
    stack = Stack(new_folder("crashed"), migrate=only_cel)
    await stack.start()
    yield stack
    await stack.remove()


def test_settings_of_a_stack_are_whole_and_private(own: Stack) -> None:
    settings = own.settings()
    assert settings.ami_port == own.ports.ami
    assert settings.ami_events_secret.get_secret_value() == own.secrets.ami_events
    assert settings.database_url.startswith("postgresql://callcenter_app:")
    assert settings.spool_dir.is_dir()
    assert settings.model_dir.is_dir()
    private = [own.folder.settings_file, own.folder.secrets_file, *own.asterisk.home.glob("etc/*.conf")]
    private += (own.folder.path / "kannel").glob("*.conf")
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}


@pytest.mark.parametrize("softphones", [frozenset(), frozenset({"8002", "8009"})], ids=["none", "two"])
async def test_asterisk_starts_without_a_warning(softphones: frozenset[str]) -> None:
    stack = Stack(new_folder("quiet"), Options(softphones=softphones, handset=bool(softphones)), migrate=only_cel)
    try:
        await stack.start()
        assert stack.asterisk.warnings() == []
        assert "cel_pgsql.so" in await stack.asterisk.cli("module show like cel_pgsql")
    finally:
        await stack.remove()


async def test_modules_that_run_programs_are_not_loaded(own: Stack) -> None:
    shown = await own.asterisk.cli("module show")
    for forbidden in ("app_system", "func_shell", "func_env", "chan_iax2", "res_phoneprov", "res_ari"):
        assert forbidden not in shown


async def test_two_stacks_run_side_by_side(own: Stack) -> None:
    other = Stack(new_folder("beside"), migrate=nothing)
    try:
        await other.start()
        assert set(own.ports.services()).isdisjoint(other.ports.services())
        assert own.ports.rtp != other.ports.rtp
        assert own.secrets.ami_events != other.secrets.ami_events
        uptime = await asyncio.gather(own.asterisk.cli("core show uptime"), other.asterisk.cli("core show uptime"))
        assert all("System uptime" in shown for shown in uptime)
    finally:
        await other.remove()


async def test_a_second_stack_in_the_same_run_folder_is_refused(own: Stack) -> None:
    second = Stack(own.folder.path, migrate=nothing)
    with pytest.raises(StackBusy, match="lives in"):
        await second.start()
    assert own.asterisk.running


async def test_asterisk_comes_back_after_kill_9(own: Stack) -> None:
    await own.asterisk.kill9()
    assert not own.asterisk.running
    await own.asterisk.boot()
    assert "System uptime" in await own.asterisk.cli("core show uptime")


async def test_committed_rows_survive_a_kill_9_of_postgresql(own: Stack) -> None:
    url = own.postgres.url(role=postgres.OWNER)
    connection = await asyncpg.connect(url)
    await connection.execute("create table kept (word text); insert into kept values ('办结')")
    await own.postgres.kill9()
    connection.terminate()
    await own.postgres.boot()
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("select word from kept") == "办结"
    assert await connection.fetchval("show fsync") == "on"
    assert await connection.fetchval("show data_checksums") == "on"
    await connection.close()


async def test_postgresql_runs_without_root_where_namespaces_are_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    real = postgres._works
    monkeypatch.setattr(postgres, "_works", lambda argv: argv[0] != "unshare" and real(argv))
    stack = Stack(new_folder("nobody"), migrate=nothing)
    stack.open()
    try:
        await stack.postgres.boot()
        connection = await asyncpg.connect(stack.postgres.url())
        assert await connection.fetchval("select 1") == 1
        await connection.close()
        assert stack.postgres.data.stat().st_uid == (os.geteuid() or postgres.NOBODY)
        assert stack.folder.path.stat().st_uid == os.geteuid()
    finally:
        await stack.remove()


async def test_valkey_comes_back_after_kill_9(own: Stack) -> None:
    await own.valkey.kill9()
    await own.valkey.boot()
    reader, writer = await asyncio.open_unix_connection(str(own.valkey.socket))
    writer.write(b"PING\r\n")
    assert await reader.readline() == b"+PONG\r\n"
    writer.close()


async def test_kannel_comes_back_after_kill_9_and_reaches_the_carrier_again(own: Stack) -> None:
    await own.kannel.kill9()
    assert not own.kannel.running
    await own.kannel.boot()
    await own.handsets.bound()


async def test_a_service_that_dies_at_its_start_shows_its_last_words(tmp_path: Path) -> None:
    for folder in ("log", "pids"):
        (tmp_path / folder).mkdir()
    process = Process("broken", tmp_path)
    await process.start([sys.executable, "-c", "raise SystemExit('the disk is full')"])

    async def never() -> bool:
        return False

    with pytest.raises(StackFailed, match=r"(?s)broken died at its start.*the disk is full") as failed:
        await process.wait_ready(never)
    assert str(process.log_file) in str(failed.value)
    await process.stop()


async def test_every_event_of_a_call_is_in_the_file_and_in_the_database(own: Stack) -> None:
    server = ("127.0.0.1", own.ports.sip)
    async with Phone(("127.0.0.2", 0), server, "13800138000") as citizen:
        call = await citizen.call("12345")
        await call.until_answered(within_s=5)
        call.hang_up()
    connection = await asyncpg.connect(own.postgres.url(role=postgres.OWNER))
    query = "select linkedid from cel where eventtype = 'LINKEDID_END'"

    async def ended() -> bool:
        return await connection.fetchval(query) is not None

    await eventually(ended, "the call's last event is in the database")
    linkedid = await connection.fetchval(query)
    rows = await connection.fetch(
        "select eventtype, uniqueid, extract(epoch from eventtime) as at from cel order by id"
    )
    await connection.close()
    with own.asterisk.cel_file.open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.reader(file) if line[1] == linkedid]
    assert [(line[2], line[0]) for line in lines] == [(row["eventtype"], row["uniqueid"]) for row in rows]
    # Both hold the same moment, to the microsecond, whatever the machine's time zone.
    assert [line[3] for line in lines] == [f"{row['at']:.6f}" for row in rows]
    assert {"CHAN_START", "ANSWER", "HANGUP", "CHAN_END", "LINKEDID_END"} <= {line[2] for line in lines}


@asynccontextmanager
async def callback(stack: Stack) -> AsyncIterator[asyncio.Queue[Mapping[str, str]]]:
    """Our side of the gateway: what it asks us, as it comes."""
    asked: asyncio.Queue[Mapping[str, str]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        asked.put_nowait({"path": request.path, **request.query})
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", stack.ports.sms_callback).start()
    try:
        yield asked
    finally:
        await runner.cleanup()


async def send(stack: Stack, number: str, text: str) -> None:
    """Hand one text in, as the product does."""
    receipt = f"http://127.0.0.1:{stack.ports.sms_callback}/receipt?to={number}&type=%d"
    form = {"username": "callcenter", "password": stack.secrets.kannel_sendsms, "to": number, "text": text}
    form |= {"coding": "2", "charset": "UTF-8", "dlr-mask": "31", "dlr-url": receipt}
    async with aiohttp.ClientSession() as client, client.get(stack.kannel.url, params=form) as response:
        assert response.status == 202


async def next_asked(asked: asyncio.Queue[Mapping[str, str]], path: str, **fields: str) -> Mapping[str, str]:
    """The next thing the gateway asks us at `path` with these fields; others are passed over."""
    async with asyncio.timeout(30):
        while True:
            got = await asked.get()
            if got["path"] == path and all(got.get(name) == value for name, value in fields.items()):
                return got


DELIVERED, UNDELIVERED, REFUSED = "1", "2", "16"


async def test_a_text_reaches_the_handset_and_its_fate_comes_back(own: Stack) -> None:
    own.handsets.undeliverable.add("13900139001")
    own.handsets.rejected.add("13900139002")
    async with callback(own) as asked:
        await send(own, "13900139000", "您反映的问题已办结。" * 10)
        text = await own.handsets.next_text("13900139000")
        assert (text.sender, text.text, text.parts) == ("12345", "您反映的问题已办结。" * 10, 2)
        await next_asked(asked, "/receipt", to="13900139000", type=DELIVERED)
        await send(own, "13900139001", "停机")
        await next_asked(asked, "/receipt", to="13900139001", type=UNDELIVERED)
        await send(own, "13900139002", "拒收")
        await next_asked(asked, "/receipt", to="13900139002", type=REFUSED)


@pytest.mark.parametrize("text", ["1", "满意，谢谢", "不满意，" * 30])
async def test_a_reply_reaches_us_with_the_token(own: Stack, text: str) -> None:
    async with callback(own) as asked:
        await own.handsets.send("13800138000", text)
        reply = await next_asked(asked, "/kannel/mo", text=text)
    assert (reply["from"], reply["to"]) == ("13800138000", "12345")
    assert reply["token"] == own.secrets.sms_callback_token


async def test_a_reply_waits_until_our_side_is_back(own: Stack) -> None:
    failed = asyncio.Event()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        failed.set()

    async with await asyncio.start_server(hang_up, "127.0.0.1", own.ports.sms_callback):
        await own.handsets.send("13800138001", "基本满意")
        async with asyncio.timeout(10):
            await failed.wait()
    async with callback(own) as asked:
        assert (await next_asked(asked, "/kannel/mo", text="基本满意"))["from"] == "13800138001"


async def test_a_receipt_is_known_again_after_kannel_was_killed(own: Stack) -> None:
    own.handsets.held.add("13900139003")
    async with callback(own) as asked:
        await send(own, "13900139003", "稍后送达")
        await own.handsets.next_text("13900139003")
        await next_asked(asked, "/receipt", to="13900139003", type="8")
        await own.kannel.kill9()
        await own.kannel.boot()
        await own.handsets.bound()
        await own.handsets.release("13900139003")
        await next_asked(asked, "/receipt", to="13900139003", type=DELIVERED)


async def test_a_run_folder_with_a_long_path_works(tmp_path: Path) -> None:
    deep = tmp_path / ("very-long-name-" * 5) / ("another-long-name-" * 4)
    stack = Stack(deep, migrate=nothing)
    try:
        await stack.start()
        assert len(str(deep)) > 100
        assert len(str(stack.valkey.socket)) < 100
    finally:
        await stack.remove()


async def test_a_crashed_run_folder_starts_cleanly() -> None:
    stack = Stack(new_folder("stale"), migrate=nothing)
    await stack.start()
    await stack.stop()
    # What a power cut leaves: pid files of processes that are gone, one number reused by somebody else (us).
    pids.write(stack.folder.pids / "postgres.pid", pids.Pid(os.getpid(), "1", signal.SIGKILL))
    pids.write(stack.folder.pids / "asterisk.pid", pids.Pid(4_000_000, "1"))
    (stack.folder.pids / "valkey.pid").write_text("torn", encoding="ascii")
    again = Stack(stack.folder.path, migrate=nothing)
    try:
        await again.start()
        assert again.secrets == stack.secrets
    finally:
        await again.remove()


OWNER_PROGRAM = """
import asyncio, sys
from pathlib import Path
from callcenter.stack.stack import Stack

async def nothing(url): pass

async def main():
    stack = Stack(Path(sys.argv[1]), migrate=nothing)
    await stack.start()
    if sys.argv[2] == "stay":
        stack.stay()
        return
    print("started", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def started(folder: Path) -> dict[str, pids.Pid]:
    """The services that have a pid file in this run folder."""
    files = (folder / "pids").glob("*.pid")
    return {path.stem: pid for path in files if (pid := pids.read(path))}


SERVICES = {"asterisk", "bearerbox", "postgres", "smsbox", "valkey"}


async def test_services_die_with_an_owner_that_is_killed() -> None:
    folder = new_folder("orphaned")
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER_PROGRAM, str(folder), "wait", stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    assert await owner.stdout.readline() == b"started\n"
    services = started(folder)
    assert set(services) == SERVICES
    owner.kill()
    await owner.wait()
    await eventually(lambda: not any(pid.alive for pid in services.values()), "the services end with their owner")
    await Stack(folder, migrate=nothing).remove()


async def test_services_left_running_are_ended_by_make_stop() -> None:
    folder = new_folder("left")
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", OWNER_PROGRAM, str(folder), "stay"], timeout=60, check=False
    )
    assert done.returncode == 0
    services = started(folder)
    assert set(services) == SERVICES
    assert all(pid.alive for pid in services.values())
    with pytest.raises(StackBusy):
        Stack(folder, migrate=nothing).open()
    assert set(await asyncio.to_thread(stop_left_running, folder)) == SERVICES
    assert not any(pid.alive for pid in services.values())
    assert await asyncio.to_thread(stop_left_running, folder) == []
    await asyncio.to_thread(Stack(folder).folder.remove)
