"""Many synthetic tickets, loaded by COPY with the index they are searched by. The same number gives the same ticket.

Nothing here is of a real person. Words come as they do in life: some stand in every tenth ticket, most in very few.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import asyncpg

from ticketing.clocks import SHANGHAI
from ticketing.search.search import bucket_of, keys
from ticketing.search.text import token_set

UNITS = tuple(f"unit{n:03}" for n in range(100))
PROBLEMS = (
    "停水两天", "路灯不亮", "噪音扰民", "垃圾无人清运", "电梯故障", "拖欠工资", "占道经营", "井盖缺失", "管道漏水",
    "医保报销", "公积金提取", "社保转移", "油烟污染", "违章搭建", "公交改线", "燃气泄漏", "学区划分", "低保申请",
    "宽带收费", "物业不作为", "河道污染", "车位纠纷", "预付卡退费", "树木倒伏", "道路积水",
)  # fmt: skip
WISHES = ("希望尽快处理", "请核实后回复", "要求给予答复", "希望有关部门解决", "咨询办理流程")
COURSES = (
    "此前已向社区反映，一直没有人上门查看",
    "影响周边居民正常生活，家里还有老人和小孩",
    "已经拨打过抢修电话，对方称正在安排",
    "去年同样的问题也发生过，维修之后又坏了",
    "现场没有任何公告，也没有工作人员解释原因",
    "多户邻居都有同样的情况，愿意配合调查",
)
STATES = ("archived",) * 96 + ("handling", "handling", "dispatched", "surveying")
BATCH = 5_000
SAYINGS = 40_000
TICKET_COLUMNS = (
    "id", "state", "version", "round", "policy_id", "policy_version", "request_type", "source", "subject", "title",
    "content", "place", "requester", "lead_unit", "created_at", "updated_at", "registered_at", "dispatched_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """When the tickets were opened: evenly from `first`, `per_day` a day."""

    first: datetime
    per_day: int

    @classmethod
    def over_years(cls, tickets: int, years: int = 10) -> "Span":
        """`tickets` of them over `years`, ending in the middle of 2026."""
        days = 365 * years
        return cls(datetime(2026, 6, 1, 8, tzinfo=SHANGHAI) - timedelta(days=days), max(1, -(-tickets // days)))

    def id_of(self, number: int) -> str:
        """The number of the ticket `number` (from 0)."""
        day, serial = divmod(number, self.per_day)
        return f"{self.first + timedelta(days=day):%Y%m%d}{serial + 1:06d}"

    def opened_at(self, number: int) -> datetime:
        """When it was opened."""
        day, serial = divmod(number, self.per_day)
        return self.first + timedelta(days=day, seconds=serial * 28_800 // self.per_day)


@dataclass(frozen=True, slots=True)
class Said:
    """What one of the prepared requests says."""

    title: str
    content: str
    place: str
    tokens: tuple[str, ...]


@cache
def sayings(count: int = SAYINGS) -> tuple[Said, ...]:
    """Requests to draw from: 25 problems in 4,000 streets, each with a few words of its own."""
    random = Random(12345)
    streets = [_name(random, 2) + random.choice(("路", "街", "巷", "小区", "村")) for _ in range(4_000)]
    made: list[Said] = []
    for _ in range(count):
        problem = PROBLEMS[min(int(random.expovariate(0.15)), len(PROBLEMS) - 1)]
        place = f"{random.choice(streets)}{random.randint(1, 300)}号"
        content = f"{place}{problem},{_name(random, 3)}反映多次，{random.choice(COURSES)},{random.choice(WISHES)}。"
        made.append(Said(problem, content, place, tuple(token_set(problem, content, place))))
    return tuple(made)


def rare_words(count: int, pool: int = SAYINGS) -> tuple[str, ...]:
    """Words that stand in about one of `pool` tickets."""
    return tuple(said.content.split(",")[1][:3] for said in sayings(pool)[:count])


def _name(random: Random, length: int) -> str:
    return "".join(chr(random.randint(0x4E00, 0x8E00)) for _ in range(length))


def ticket_lines(first: int, last: int, span: Span, pool: int = SAYINGS) -> Iterator[tuple[str, str]]:
    """The line of `ticket` and of `ticket_words` for each of these numbers, in COPY's text form."""
    every = sayings(pool)
    for number in range(first, last):
        said = every[(number * 7_919) % len(every)]
        ticket_id, at = span.id_of(number), span.opened_at(number).isoformat()
        unit, state = UNITS[(number * 31) % len(UNITS)], STATES[(number * 17) % len(STATES)]
        kind = ("求助", "投诉", "咨询")[number % 3]
        yield (
            f"{ticket_id}\t{state}\t5\t1\tbench\t1\t{kind}\t电话\t\t{said.title}\t{said.content}\t{said.place}\t"
            f"{number % 2_000_000}\t{unit}\t{at}\t{at}\t{at}\t{at}\n",
            f"{ticket_id}\t{{{','.join(map(str, keys(bucket_of(ticket_id), said.tokens, (unit,))))}}}\n",
        )


async def load(
    connection: "asyncpg.Connection[Any]", tickets: int, span: Span, pool: int = SAYINGS, *, words: bool = True
) -> None:
    """COPY tickets, and what they are searched by. Over a connection of the owner: events and keys are not checked.

    pool: how many different requests there are. words False: nobody will search them.
    """
    await connection.execute("SET session_replication_role = replica")
    for first in range(0, tickets, BATCH * 20):
        lines = list(ticket_lines(first, min(tickets, first + BATCH * 20), span, pool))
        await connection.copy_to_table("ticket", source=_blocks([one for one, _ in lines]), columns=TICKET_COLUMNS)
        if words:
            source = _blocks([two for _, two in lines])
            await connection.copy_to_table("ticket_words", source=source, columns=("ticket_id", "words"))
    await connection.execute("SET session_replication_role = origin")


async def load_deadlines(
    connection: "asyncpg.Connection[Any]", deadlines: int, span: Span, now: datetime, late: int
) -> None:
    """One running handling limit for each of the first tickets; `late` of them passed before `now`, the rest after."""
    await connection.execute("SET session_replication_role = replica")
    for first in range(0, deadlines, BATCH * 20):
        numbers = range(first, min(deadlines, first + BATCH * 20))
        rows = [_deadline_line(number, span, now, late) for number in numbers]
        names = ("ticket_id", "round", "unit", "rule", "kind", "from_at", "due_at", "clock", "amount")
        versions = ("policy_version", "calendar_version")
        await connection.copy_to_table("ticket_deadline", source=_blocks(rows), columns=(*names, *versions))
    await connection.execute("SET session_replication_role = origin")


def _deadline_line(number: int, span: Span, now: datetime, late: int) -> str:
    off = timedelta(seconds=number + 1)
    due = now - off if number < late else now + off
    begun = due - timedelta(days=5)
    unit = UNITS[(number * 31) % len(UNITS)]
    times = f"{begun.astimezone(UTC).isoformat()}\t{due.astimezone(UTC).isoformat()}"
    return f"{span.id_of(number)}\t1\t{unit}\thandle.limits[0]\thandle\t{times}\twd\t5\tbench@1\tbench\n"


async def _blocks(lines: list[str]) -> AsyncIterator[bytes]:
    for start in range(0, len(lines), BATCH):
        yield "".join(lines[start : start + BATCH]).encode()
