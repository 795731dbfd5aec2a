"""The played SMS centre: its protocol units, and handsets behind it, with a gateway made of bare sockets."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.stack import handset, smpp
from callcenter.stack.handset import Handsets, NotBound, NoText
from callcenter.stack.smpp import BadUnit, Command, ShortMessage, Status, Unit

NUMBERS = st.text(alphabet="0123456789", min_size=1, max_size=20)
TEXTS = st.text(max_size=400)


@given(
    st.builds(
        ShortMessage,
        source=NUMBERS,
        destination=NUMBERS,
        data=st.binary(max_size=254),
        coding=st.sampled_from((0, 8)),
        esm_class=st.sampled_from((0, 4, 0x40)),
        receipt_wanted=st.booleans(),
    )
)
def test_a_short_message_is_read_as_it_was_written(message: ShortMessage) -> None:
    assert smpp.short_message(message.encode()) == message


@given(TEXTS)
def test_parts_of_a_text_make_the_text_again(text: str) -> None:
    # Code units outside the basic plane may be cut in two by a part's end, so the data is joined, not the words.
    data = b""
    for number, (esm_class, part) in enumerate(smpp.split(text, 7), 1):
        header = 6 if esm_class else 0
        assert len(part) <= 140
        assert not header or part[:6] == bytes((5, 0, 3, 7, part[4], number))
        data += part[header:]
    assert data.decode("utf-16-be") == text


@given(st.binary(max_size=80))
def test_any_bytes_are_a_short_message_or_refused(body: bytes) -> None:
    try:
        smpp.short_message(body)
    except BadUnit:
        return


@pytest.mark.parametrize("length", [0, 15, smpp.MAX_UNIT + 1])
def test_an_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(BadUnit):
        smpp.length_of(smpp.HEADER.pack(length, 4, 0, 1))


@pytest.mark.parametrize("header", [b"\x05\x04\x03\x01\x02\x01", b"\x03\x00\x01\x01"])
def test_an_unknown_user_data_header_is_refused(header: bytes) -> None:
    with pytest.raises(BadUnit):
        smpp.part_of(ShortMessage("1", "2", header + b"\0a", smpp.UCS2, smpp.HAS_HEADER))


class Gateway:
    """What Kannel does, by hand: binds, submits, answers what is delivered to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.delivered: asyncio.Queue[ShortMessage] = asyncio.Queue()
        self.answers: asyncio.Queue[Unit] = asyncio.Queue()
        self.not_yet: list[Status] = []
        """How the next ones delivered are refused."""
        self._task = asyncio.create_task(self._read())

    async def ask(self, unit: Unit) -> Unit:
        self._writer.write(unit.encode())
        async with asyncio.timeout(5):
            return await self.answers.get()

    async def submit(self, to: str, text: str) -> Unit:
        answer = Unit(0, 0)
        for esm_class, data in smpp.split(text, 9):
            message = ShortMessage("12345", to, data, smpp.UCS2, esm_class, receipt_wanted=True)
            answer = await self.ask(Unit(Command.SUBMIT_SM, 5, message.encode()))
        return answer

    async def next_delivered(self) -> ShortMessage:
        async with asyncio.timeout(5):
            return await self.delivered.get()

    async def close(self) -> None:
        self._writer.close()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while True:
                header = await self._reader.readexactly(smpp.HEADER.size)
                unit = smpp.decode(header + await self._reader.readexactly(smpp.length_of(header) - len(header)))
                if unit.command & smpp.RESPONSE:
                    self.answers.put_nowait(unit)
                else:
                    self.delivered.put_nowait(smpp.short_message(unit.body))
                    status = self.not_yet.pop(0) if self.not_yet else Status.OK
                    self._writer.write(unit.answer(b"\0", status=status).encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            return


@pytest.fixture
async def handsets() -> AsyncIterator[Handsets]:
    async with Handsets(0, "secret") as centre:
        yield centre


@pytest.fixture
async def gateway(handsets: Handsets) -> AsyncIterator[Gateway]:
    reader, writer = await asyncio.open_connection(*handsets.address)
    bound = Gateway(reader, writer)
    body = b"callcenter\0secret\0\0\x34\0\0\0"
    assert (await bound.ask(Unit(Command.BIND_TRANSCEIVER, 1, body))).status == Status.OK
    yield bound
    await bound.close()


@pytest.mark.parametrize("text", ["您的诉求已办结", "热" * 70, "线" * 71, "12345" * 60])
async def test_a_handset_reads_the_whole_text(handsets: Handsets, gateway: Gateway, text: str) -> None:
    await gateway.submit("13800138000", text)
    received = await handsets.next_text("13800138000", within_s=5)
    assert (received.sender, received.to, received.text) == ("12345", "13800138000", text)
    assert received.parts == (1 if len(text) <= 70 else -(-len(text) // 67))


async def test_the_gateway_gets_a_receipt(handsets: Handsets, gateway: Gateway) -> None:
    handsets.undeliverable.add("13900139000")
    for number, state in (("13800138000", b"stat:DELIVRD"), ("13900139000", b"stat:UNDELIV")):
        answer = await gateway.submit(number, "1")
        receipt = await gateway.next_delivered()
        assert (receipt.source, receipt.esm_class) == (number, smpp.IS_RECEIPT)
        assert state in receipt.data
        assert b"id:" + answer.body.rstrip(b"\0") + b" " in receipt.data
    assert handsets.texts_to("13900139000") == []


async def test_a_refused_text_reaches_nobody(handsets: Handsets, gateway: Gateway) -> None:
    handsets.rejected.add("13800138000")
    assert (await gateway.submit("13800138000", "1")).status == Status.SUBMIT_FAILED
    assert handsets.received == []
    assert len(handsets.submits) == 1


async def test_a_citizen_answers(handsets: Handsets, gateway: Gateway) -> None:
    await handsets.send("13800138000", "满意")
    message = await gateway.next_delivered()
    assert (message.source, message.destination) == ("13800138000", "12345")
    assert smpp.part_of(message).text == "满意"


async def test_what_the_gateway_cannot_take_yet_is_offered_again(
    handsets: Handsets, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handset, "AGAIN_S", 0.01)
    gateway.not_yet = [Status.NOT_NOW, Status.QUEUE_FULL, Status.THROTTLED]
    await handsets.send("13800138000", "满意")
    assert [smpp.part_of(await gateway.next_delivered()).text for _ in range(4)] == ["满意"] * 4
    gateway.not_yet = [Status.SUBMIT_FAILED]
    with pytest.raises(NotBound, match="0x45"):
        await handsets.send("13800138000", "满意")
    gateway.not_yet = [Status.NOT_NOW] * handset.TRIES
    with pytest.raises(NotBound, match="0x64"):
        await handsets.send("13800138000", "满意")


async def test_each_text_is_returned_once(handsets: Handsets, gateway: Gateway) -> None:
    await gateway.submit("13800138000", "一")
    await gateway.submit("13800138000", "二")
    assert [(await handsets.next_text("13800138000")).text for _ in range(2)] == ["一", "二"]
    with pytest.raises(NoText, match="13800138000"):
        await handsets.next_text("13800138000", within_s=0.05)


async def test_an_answer_without_a_gateway_is_told(handsets: Handsets) -> None:
    with pytest.raises(NotBound):
        await handsets.send("13800138000", "1")


async def test_nothing_is_taken_before_the_bind(handsets: Handsets) -> None:
    reader, writer = await asyncio.open_connection(*handsets.address)
    stranger = Gateway(reader, writer)
    assert (await stranger.submit("13800138000", "1")).status == Status.INVALID_COMMAND
    await stranger.close()
    assert handsets.received == []
