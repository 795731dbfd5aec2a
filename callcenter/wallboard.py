"""What the wallboard says of a day's calls: counts, and rates with their formula and both its numbers. PURE.

A call belongs to the local day and hour in which it began, so that a day never changes by calls of the next one.
Formulas: the negative service level (an abandoned call counts against it) with the two of app_queue beside it, since
products differ and nobody should have to guess. The limits are those of GB/T 33358-2016.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

WITHIN_S = 15
"""The norm's time in which a person answers, from the entry into the queue."""
SHORT_S = 5
"""Who hangs up sooner had no time to be answered."""
CONNECTED_TARGET = 0.95
NORM = "GB/T 33358-2016 政府热线服务规范"


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Calls of citizens that began in one span. wait: from the first entry into a queue.

    fresh: of those waiting now, not longer than WITHIN_S. diverted: left the queue for a call-back, a message, or by
    its time. left_menu: ended before any queue.
    """

    calls: int = 0
    offered: int = 0
    waiting: int = 0
    fresh: int = 0
    answered: int = 0
    in_time: int = 0
    abandoned: int = 0
    abandoned_in_time: int = 0
    short: int = 0
    diverted: int = 0
    left_menu: int = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """One rate. share None: nothing to divide by yet. target: a share, None where the norm names none."""

    id: str
    name: str
    numerator: int
    denominator: int
    formula: str
    basis: str
    target: float | None = None

    @property
    def share(self) -> float | None:
        """0 to 1."""
        return self.numerator / self.denominator if self.denominator else None


def rates(counts: DayCounts) -> tuple[Rate, ...]:
    """The headline first, then connected, then how others would compute it."""
    c = counts
    within, short = f"{WITHIN_S} 秒内接听", f"{SHORT_S} 秒内放弃"
    asked = c.offered - c.short - c.fresh
    return (
        Rate(
            "service_level", f"{WITHIN_S} 秒接听率", c.in_time, asked,
            f"{within} ÷（进入队列 − {short} − 正在等待且未满 {WITHIN_S} 秒）；超时放弃的计为未达标", NORM,
        ),
        Rate(
            "connected", "接通率", c.answered, c.offered - c.waiting,
            "人工接听 ÷（进入队列 − 正在等待）", f"{NORM}：不低于 95%", CONNECTED_TARGET,
        ),
        Rate(
            "abandoned", "放弃率", c.abandoned - c.short, c.offered - c.waiting - c.short,
            f"放弃（不含 {short}）÷（进入队列 − 正在等待 − {short}）", "",
        ),
        Rate(
            "level_of_answered", f"{WITHIN_S} 秒接听率（仅按已接听）", c.in_time, c.answered,
            f"{within} ÷ 人工接听；不计放弃，结果偏高，仅供与其他系统对照", "app_queue ServiceLevel",
        ),
        Rate(
            "level_with_abandoned", f"{WITHIN_S} 秒接听率（放弃计为达标）",
            c.in_time + c.abandoned_in_time, c.answered + c.abandoned,
            f"（{within} + {WITHIN_S} 秒内放弃）÷（人工接听 + 放弃），仅供与其他系统对照", "app_queue ServiceLevel2",
        ),
    )  # fmt: skip


MEANINGS: Mapping[str, str] = {
    "calls": "今日打入的电话，按来电时刻计入当日当时",
    "offered": "进入人工队列的来电",
    "answered": "话务员接听的来电",
    "in_time": f"从进入队列到话务员接听不超过 {WITHIN_S} 秒的来电",
    "abandoned": "排队中挂机的来电",
    "short": f"进入队列后 {SHORT_S} 秒内挂机的来电（短时来电），不计入接听率",
    "diverted": "未等到接听而改留回拨、听取留言提示或因排队超时离开的来电",
    "left_menu": "在语音导航中挂机或只听取提示、没有进入队列的来电",
    "human": "从电话接入（含语音导航）到话务员接听的时间",
    "wait": "从进入队列到话务员接听的时间",
    "patience": "放弃的来电从进入队列到挂机的时间",
    "entered": "今日列入漏接台账、号码已知的来电",
    "asked": "其中市民按键要求回拨的",
    "done": "其中已回拨接通，或市民再次来电已接通的",
    "in_half_hour": "其中漏接后 30 分钟内接通的",
    "open": "尚未接通、等待回拨的漏接（含以往各日）",
    "overdue": "已过应回拨时间（漏接后 30 分钟）仍未接通的漏接（含以往各日）",
    "tickets_open": "尚未办结的工单，不含登记中的草稿",
    "tickets_due": "办理期限在今日之内、尚未到期且未回复的工单",
    "tickets_overdue": "办理期限已过、尚未回复的工单",
}
"""Figure -> what it counts, for who asks."""


class Doing(StrEnum):
    """What an agent does now, as the wallboard shows it."""

    TALKING = "talking"
    RINGING = "ringing"
    READY = "ready"
    WRAP_UP = "wrap_up"
    PAUSED = "paused"
    UNREACHABLE = "unreachable"
    """Wants calls, and the telephone is not there."""
    LOGGED_OUT = "logged_out"


LOST_PHONES = frozenset({"unavailable", "invalid"})


def doing(desired: str, observed: str, *, leg: bool | None) -> Doing:
    """desired, observed: of the agent's row. leg: of an open call; answered or not; None: there is none."""
    if leg is not None:
        return Doing.TALKING if leg else Doing.RINGING
    if desired == Doing.READY and observed in LOST_PHONES:
        return Doing.UNREACHABLE
    return Doing(desired)
