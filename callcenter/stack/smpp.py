"""SMPP 3.4 protocol units, as far as an SMS centre needs them. PURE: bytes in, values out.

Source: SMPP Protocol Specification v3.4 (12-Oct-1999), chapters 4 and 5; alphabets: 3GPP TS 23.038; long texts:
3GPP TS 23.040.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum


class Command(IntEnum):
    """command_id (5.1.2.1); a response has the highest bit set."""

    GENERIC_NACK = 0x80000000
    BIND_RECEIVER = 0x00000001
    BIND_TRANSMITTER = 0x00000002
    SUBMIT_SM = 0x00000004
    DELIVER_SM = 0x00000005
    UNBIND = 0x00000006
    BIND_TRANSCEIVER = 0x00000009
    ENQUIRE_LINK = 0x00000015


RESPONSE = 0x80000000
BINDS = frozenset({Command.BIND_RECEIVER, Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER})


class Status(IntEnum):
    """command_status (5.1.3)."""

    OK = 0x00
    INVALID_COMMAND = 0x03
    WRONG_PASSWORD = 0x0E
    QUEUE_FULL = 0x14
    SUBMIT_FAILED = 0x45
    THROTTLED = 0x58
    NOT_NOW = 0x64
    """ESME_RX_T_APPN: the receiver asks for it again later."""


HEADER = struct.Struct(">IIII")
MAX_UNIT = 64 * 1024
HAS_HEADER = 0x40
"""esm_class: the text begins with a user data header (part of a long text)."""
IS_RECEIPT = 0x04
UCS2 = 8
PART_CHARS = 67
WHOLE_CHARS = 70


class BadUnit(ValueError):
    """The bytes are not a protocol unit of SMPP 3.4; the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One protocol unit. `command` is the raw number, with RESPONSE set for a response."""

    command: int
    sequence: int
    body: bytes = b""
    status: int = Status.OK

    def encode(self) -> bytes:
        return HEADER.pack(HEADER.size + len(self.body), self.command, self.status, self.sequence) + self.body

    def answer(self, body: bytes = b"", status: int = Status.OK) -> "Unit":
        """The response to this unit."""
        return Unit(self.command | RESPONSE, self.sequence, body, status)


def length_of(header: bytes) -> int:
    """Bytes of the whole unit whose first 16 bytes these are. Raises BadUnit when it cannot be right."""
    length: int = HEADER.unpack(header)[0]
    if not HEADER.size <= length <= MAX_UNIT:
        raise BadUnit(f"a unit of {length} bytes")
    return length


def decode(data: bytes) -> Unit:
    """One whole unit."""
    _, command, status, sequence = HEADER.unpack_from(data)
    return Unit(command, sequence, data[HEADER.size :], status)


@dataclass(frozen=True, slots=True)
class ShortMessage:
    """What submit_sm and deliver_sm carry (4.4.1, 4.6.1), as far as it matters to a telephone."""

    source: str
    destination: str
    data: bytes
    coding: int = UCS2
    esm_class: int = 0
    receipt_wanted: bool = False

    def encode(self) -> bytes:
        # Type of number 0 (unknown), plan 1 (telephone): national numbers come without a `+`, as carriers here send.
        numbers = b"\0\x01" + self.source.encode("ascii") + b"\0" + b"\0\x01" + self.destination.encode("ascii")
        # protocol id, priority, no schedule, no validity, receipt wanted, replace, coding, default text.
        middle = struct.pack(">BBB", self.esm_class, 0, 0) + b"\0\0"
        tail = struct.pack(">BBBBB", int(self.receipt_wanted), 0, self.coding, 0, len(self.data))
        return b"\0" + numbers + b"\0" + middle + tail + self.data


def short_message(body: bytes) -> ShortMessage:
    """The body of a submit_sm or deliver_sm. Raises BadUnit when it is cut short."""
    try:
        at = body.index(b"\0") + 1
        source, at = _text(body, at + 2)
        destination, at = _text(body, at + 2)
        esm_class = body[at]
        _, at = _text(body, at + 3)
        _, at = _text(body, at)
        receipt, _, coding, _, length = struct.unpack_from(">BBBBB", body, at)
        data = body[at + 5 : at + 5 + length]
    except (ValueError, IndexError, struct.error) as error:
        raise BadUnit(str(error)) from None
    if len(data) < length:
        raise BadUnit(f"{length} bytes of text announced, {len(data)} came")
    return ShortMessage(source, destination, data, coding, esm_class, bool(receipt & 1))


def bind_credentials(body: bytes) -> tuple[str, str]:
    """(system_id, password) of a bind request. Raises BadUnit."""
    try:
        system_id, at = _text(body, 0)
        password, _ = _text(body, at)
    except ValueError as error:
        raise BadUnit(str(error)) from None
    return system_id, password


def _text(body: bytes, at: int) -> tuple[str, int]:
    """A C-octet string at `at` and the place after it."""
    end = body.index(b"\0", at)
    return body[at:end].decode("latin-1"), end + 1


@dataclass(frozen=True, slots=True)
class Part:
    """A text or one part of a long one: `reference` 0 and 1 of 1 for a text that came whole."""

    text: str
    reference: int = 0
    total: int = 1
    number: int = 1


def part_of(message: ShortMessage) -> Part:
    """The readable text of a message and where it belongs. Raises BadUnit for an alphabet a telephone lacks."""
    if not message.esm_class & HAS_HEADER:
        return Part(_decode(message.data, message.coding))
    size = message.data[0] + 1
    header, data = message.data[1:size], message.data[size:]
    # 3GPP TS 23.040, 9.2.3.24.1: element 0, three bytes: reference, how many parts, which one.
    if len(header) != 5 or header[:2] != b"\x00\x03":
        raise BadUnit(f"a user data header we do not know: {header.hex()}")
    return Part(_decode(data, message.coding), header[2], header[3], header[4])


def _decode(data: bytes, coding: int) -> str:
    try:
        if coding == UCS2:
            return data.decode("utf-16-be")
        # Coding 0 is the centre's default alphabet; for the digits and letters sent in it ASCII is the same.
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadUnit(f"text in coding {coding}: {error}") from None


def split(text: str, reference: int) -> list[tuple[int, bytes]]:
    """(esm_class, data) of each short message that carries `text` in UCS-2: one up to 70 characters, else parts."""
    data = text.encode("utf-16-be")
    if len(data) <= 2 * WHOLE_CHARS:
        return [(0, data)]
    size = 2 * PART_CHARS
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return [
        (HAS_HEADER, bytes((5, 0, 3, reference & 0xFF, len(parts), number)) + part)
        for number, part in enumerate(parts, 1)
    ]
