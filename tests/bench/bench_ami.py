"""Events per second of CPU: panoramisk as published, and callcenter.ami, on the same bytes of real calls.

`python -m tests.bench.bench_ami` prints a table. The stream is one whole three-party call as Asterisk 22 sent it
to an AMI user without filters (ami_call.txt: 183 events, 69 of kinds this product wants), repeated with new ids.
Another process sends it over TCP; the CPU counted is the reading process's own, from the first byte to the last
event in the hands of a reader. `bare` readers look at the event's name only, which is what the client itself
costs; `reading` ones also take five headers of each wanted event, as a listener does.
"""

import asyncio
import itertools
import multiprocessing
import re
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from callcenter.ami import AmiClient, AmiEvent
from callcenter.ami_wire import END

TEMPLATE = Path(__file__).with_name("ami_call.txt")
UNWANTED = frozenset({"VarSet", "Newexten", "TestEvent"})
CALLS = 600
ROUNDS = 3
_EPOCH = b"1795364878."
_ACTION_ID = re.compile(rb"(?i)actionid: ([^\r\n]+)")
GO = "BridgeList"
HEADERS = ("Timestamp", "Uniqueid", "Linkedid", "Channel", "BridgeUniqueid")


def template() -> list[bytes]:
    """The events of one call, without their ends."""
    return [block.strip(b"\n").replace(b"\n", b"\r\n") for block in TEMPLATE.read_bytes().split(b"\n\n")]


def names(events: list[bytes]) -> list[str]:
    return [event[7 : event.index(b"\r\n")].decode() for event in events]


def run(calls: int = CALLS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Both clients, the best of `rounds` each: events per CPU second, microseconds an event, and the ratios."""
    kinds = names(template())
    wanted = frozenset(kinds) - UNWANTED
    result: dict[str, Any] = {
        "events": len(kinds) * calls,
        "events_per_call": len(kinds),
        "wanted_per_call": sum(kind in wanted for kind in kinds),
    }
    best_s: dict[str, float] = {}
    for _, (name, reader) in itertools.product(range(rounds), READERS.items()):
        cpu_s = _in_a_process(reader, wanted, calls, result["wanted_per_call"] * calls)
        best_s[name] = min(cpu_s, best_s.get(name, cpu_s))
    for name, cpu_s in best_s.items():
        result[f"{name}_events_per_cpu_s"] = round(result["events"] / cpu_s)
        result[f"{name}_us_per_event"] = round(cpu_s / result["events"] * 1e6, 2)
    result["ratio_bare"] = round(best_s["panoramisk_bare"] / best_s["callcenter_bare"], 1)
    result["ratio_reading"] = round(best_s["panoramisk_reading"] / best_s["callcenter_reading"], 1)
    return result


Reader = Callable[[int, frozenset[str], int], Coroutine[Any, Any, float]]


def _in_a_process(reader: Reader, wanted: frozenset[str], calls: int, expected: int) -> float:
    """CPU seconds `reader` needed for the whole stream, in a process of its own beside the sender's."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    sender = context.Process(target=_send, args=(theirs, calls), daemon=True)
    sender.start()
    port = ours.recv()
    worker = context.Process(target=_measure, args=(reader, port, wanted, expected, theirs), daemon=True)
    worker.start()
    try:
        while not ours.poll(0.5):
            if worker.exitcode is not None:
                raise RuntimeError(f"the reader ended early with {worker.exitcode}")
        return float(ours.recv())
    finally:
        worker.join(10)
        sender.kill()


def _measure(reader: Reader, port: int, wanted: frozenset[str], expected: int, pipe: Connection) -> None:
    pipe.send(asyncio.run(reader(port, wanted, expected)))


async def _panoramisk(port: int, wanted: frozenset[str], expected: int, headers: Sequence[str] = ()) -> float:
    """Version 1.4 with one callback for everything, which picks the wanted by name: its cheapest use."""
    from panoramisk import Manager

    seen, done = 0, asyncio.Event()

    def count(_manager: Any, event: Any) -> None:
        nonlocal seen
        if event.event in wanted:
            seen += 1
            for header in headers:
                event.get(header, "")
            if seen == expected:
                done.set()

    manager = Manager(host="127.0.0.1", port=port, username="bench", secret="bench")
    manager.register_event("*", count)
    await manager.connect()
    await manager.send_action({"Action": "Ping"})
    start_s = time.process_time()
    manager.send_action({"Action": GO})
    await done.wait()
    cpu_s = time.process_time() - start_s
    manager.close()
    return cpu_s


async def _callcenter(port: int, wanted: frozenset[str], expected: int, headers: Sequence[str] = ()) -> float:
    """The whole way: link, queue, and a reader that takes every event."""
    client = AmiClient(host="127.0.0.1", port=port, username="bench", secret="bench", wanted=wanted)
    await client.start()
    await client.ready(10)
    start_s, seen = time.process_time(), 0
    await client.action(GO)
    async for item in client.events():
        if isinstance(item, AmiEvent) and item.name in wanted:
            seen += 1
            for header in headers:
                item.get(header, "")
            if seen == expected:
                break
    cpu_s = time.process_time() - start_s
    await client.close()
    return cpu_s


async def _panoramisk_reading(port: int, wanted: frozenset[str], expected: int) -> float:
    return await _panoramisk(port, wanted, expected, HEADERS)


async def _callcenter_reading(port: int, wanted: frozenset[str], expected: int) -> float:
    return await _callcenter(port, wanted, expected, HEADERS)


READERS: dict[str, Reader] = {
    "panoramisk_bare": _panoramisk,
    "callcenter_bare": _callcenter,
    "panoramisk_reading": _panoramisk_reading,
    "callcenter_reading": _callcenter_reading,
}


def _send(pipe: Connection, calls: int) -> None:
    """An AMI that accepts everything and sends the calls when asked for GO."""
    one_call = b"".join(event + END for event in template())
    with socket.create_server(("127.0.0.1", 0)) as server:
        pipe.send(server.getsockname()[1])
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"Asterisk Call Manager/11.0.0\r\n")
            data = b""
            while piece := connection.recv(65536):
                *actions, data = (data + piece).split(END)
                for action in actions:
                    _answer(connection, action)
                    if GO.encode() in action:
                        for number in range(calls):
                            connection.sendall(one_call.replace(_EPOCH, b"%d." % (1795364878 + number)))


def _answer(connection: socket.socket, action: bytes) -> None:
    found = _ACTION_ID.search(action)
    assert found is not None
    connection.sendall(b"Response: Success\r\nActionID: " + found[1] + b"\r\nMessage: ok\r\n\r\n")


def table(result: dict[str, Any]) -> str:
    """The result for people."""
    lines = [
        f"{result['events']:,} events, {result['wanted_per_call']} of {result['events_per_call']} a call wanted",
        f"{'client':<22}{'events per CPU s':>18}{'us per event':>14}",
    ]
    for name in READERS:
        label = name.replace("_", ", ")
        lines.append(f"{label:<22}{result[f'{name}_events_per_cpu_s']:>18,}{result[f'{name}_us_per_event']:>14}")
    return "\n".join([*lines, f"ratio bare {result['ratio_bare']}x, reading {result['ratio_reading']}x"])


if __name__ == "__main__":
    print(table(run()))
