"""The media of one test call: PCMA every 20 ms, telephone events, received frames into an Ear.

Source: RFC 3550 (RTP), RFC 3551 (PCMA is payload type 8), RFC 4733 (telephone events).
"""

import asyncio
import random
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass

from callcenter.stack.phone_ear import Ear
from callcenter.stack.phone_sound import FRAME_S, FRAME_SAMPLES, SILENT, Voice

PCMA = 8
EVENTS = 101
DIGITS = "0123456789*#ABCD"
_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_TIMESPEC = struct.Struct("@ll")
_SO_TIMESTAMPNS = 35  # Linux, asm-generic/socket.h; Python has no name for it
_LATE_S = 0.2


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One parsed RTP packet."""

    payload_type: int
    sequence: int
    timestamp: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Event:
    """What to send in one tick of a pressed key; `ticks` since its start; no digit = the pause after it."""

    digit: int | None
    ticks: int = 0
    total_ticks: int = 0


def parse_rtp(datagram: bytes) -> RtpPacket | None:
    """The packet, or None for anything that is not RTP version 2 (RTCP, STUN, noise)."""
    if len(datagram) < _HEADER.size:
        return None
    first, second, sequence, timestamp, _ = _HEADER.unpack_from(datagram)
    start = _HEADER.size + 4 * (first & 0x0F)
    # 64..95 is where RTCP packet types fall when they share the port (RFC 5761).
    if first >> 6 != 2 or 64 <= second & 0x7F <= 95 or len(datagram) < start:
        return None
    return RtpPacket(second & 0x7F, sequence, timestamp, datagram[start:])


def event_payload(digit: int, *, end: bool, samples: int) -> bytes:
    """RFC 4733 2.3: event, end bit and volume -10 dBm0, duration in samples."""
    return _EVENT.pack(digit, (0x80 if end else 0) | 10, samples)


def key_ticks(digits: str, press_ms: int) -> list[_Event]:
    """Twenty-millisecond steps of pressing `digits`, each followed by a pause of 60 ms.

    The end packet goes three times (RFC 4733 2.5.1.4). Raises ValueError for a key that no phone has.
    """
    total = max(3, press_ms // 20)
    steps: list[_Event] = []
    for digit in digits:
        code = DIGITS.index(digit)
        steps += [_Event(code, tick, total) for tick in range(total + 3)]
        steps += [_Event(None)] * 3
    return steps


class RtpStream:
    """Sends a voice and pressed keys, remembers what arrives. One UDP socket, own port."""

    def __init__(self, address: str, voice: Voice = SILENT) -> None:
        self.ear = Ear()
        self.muted = False
        self.peer: tuple[str, int] | None = None
        self.sent_frames = 0
        self.keys_heard: deque[int] = deque(maxlen=256)
        self._socket = _listening_socket(address)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._receive)
        self._ssrc, self._sequence = random.getrandbits(32), random.getrandbits(15)
        self._timestamp = random.getrandbits(31)
        self._event_timestamp = 0
        self._keys: deque[_Event] = deque()
        self._keys_done, self._said = asyncio.Event(), asyncio.Event()
        self._keys_done.set()
        self._timer: asyncio.TimerHandle | None = None
        self._next_s = 0.0
        self._closed = False
        self.say(voice)

    def say(self, voice: Voice) -> None:
        """From the next frame on send `voice`, from its beginning."""
        self._voice, self._frame_number = voice, 0
        self._said.clear()

    def press(self, digits: str, press_ms: int = 100) -> None:
        """Press keys, one after the other; the voice pauses meanwhile. Raises ValueError for a bad key."""
        self._keys.extend(key_ticks(digits, press_ms))
        self._keys_done.clear()

    async def until_said(self) -> None:
        """Until the voice has been said once to its end (a looped voice: its first round)."""
        await self._said.wait()

    async def until_pressed(self) -> None:
        """Until no pressed key waits to be sent."""
        await self._keys_done.wait()

    def start(self) -> None:
        """Begin sending; a second start changes nothing."""
        if self._timer is None and not self._closed:
            self._next_s = self._loop.time()
            self._tick()

    def close(self) -> None:
        """Stop sending and receiving; wakes whoever waits."""
        if self._closed:
            return
        self._closed = True
        if self._timer:
            self._timer.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._said.set()
        self._keys_done.set()

    def _tick(self) -> None:
        if self._keys:
            self._send_key(self._keys.popleft())
            if not self._keys:
                self._keys_done.set()
        else:
            self._send_voice()
        self._timestamp += FRAME_SAMPLES
        self._next_s += FRAME_S
        now = self._loop.time()
        if now - self._next_s > _LATE_S:  # the machine stood still: go on from here, send no burst
            self._next_s = now + FRAME_S
        self._timer = self._loop.call_at(self._next_s, self._tick)

    def _send_voice(self) -> None:
        payload = self._voice.frame(self._frame_number)
        self._frame_number += 1
        if self._frame_number >= self._voice.frames:
            self._said.set()
        if not self.muted:
            self._send(PCMA, self._timestamp, payload, marker=False)

    def _send_key(self, step: _Event) -> None:
        if step.digit is None:
            return
        if step.ticks == 0:
            self._event_timestamp = self._timestamp
        end = step.ticks >= step.total_ticks
        samples = min(step.ticks + 1, step.total_ticks) * FRAME_SAMPLES
        payload = event_payload(step.digit, end=end, samples=samples)
        self._send(EVENTS, self._event_timestamp, payload, marker=step.ticks == 0)

    def _send(self, payload_type: int, timestamp: int, payload: bytes, *, marker: bool) -> None:
        if self.peer is None:
            return
        head = _HEADER.pack(
            0x80,
            payload_type | (0x80 if marker else 0),
            self._sequence & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            self._ssrc,
        )
        self._sequence += 1
        self.sent_frames += 1
        try:
            self._socket.sendto(head + payload, self.peer)
        except OSError:  # the peer closed its port, or buffers are full: RTP loses packets, that is its nature
            return

    def _receive(self) -> None:
        for _ in range(32):
            try:
                datagram, ancillary, _, _ = self._socket.recvmsg(2048, 64)
            except (BlockingIOError, ConnectionRefusedError):
                return
            packet = parse_rtp(datagram)
            if packet is None:
                continue
            if packet.payload_type == PCMA:
                self.ear.add(_arrival_s(ancillary), packet.payload)
            elif packet.payload_type == EVENTS and packet.payload:
                self.keys_heard.append(packet.payload[0])


def _listening_socket(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.bind((address, 0))
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        sock.close()
        raise
    return sock


def _arrival_s(ancillary: list[tuple[int, int, bytes]]) -> float:
    """When the kernel received it, as monotonic seconds: a busy test process must not look like a gap."""
    now_s = time.monotonic()
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = map(int, _TIMESPEC.unpack_from(data))
            age_s = time.time() - (seconds + nanoseconds / 1e9)
            return now_s - min(max(age_s, 0.0), 5.0)
    return now_s
