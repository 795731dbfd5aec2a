"""What can go wrong when a call is steered, and whom an agent can bring in. PURE.

The docstring of each error is the sentence the agent reads; `str()` is the detail for the log.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from callcenter.types import ChannelId, PhoneNumber, UnitId


class ControlError(Exception):
    """操作没有完成，请稍候重试；多次失败请联系系统管理员。"""

    retryable = False

    @property
    def sentence(self) -> str:
        """What the agent reads."""
        return inspect.cleandoc(type(self).__doc__ or "")


class BadTarget(ControlError, ValueError):
    """通话编号、分机、队列或号码不合规范，操作没有发出。请刷新页面后重试。"""


class LegGone(ControlError):
    """对方已经挂断，操作没有执行。请查看通话状态。"""


class PbxAway(ControlError):
    """电话系统暂时连接不上，操作没有发出，正在进行的通话不受影响。请几秒后再试。"""

    retryable = True


class PbxRefused(ControlError):
    """电话系统拒绝了这个操作，通话保持原状。请联系系统管理员查看日志。"""


class OutcomeUnknown(ControlError):
    """操作已发出，但没有收到结果，可能已经执行。请不要重复点击，系统正在核对。"""

    def __init__(self, detail: str, channel_id: ChannelId | None = None) -> None:
        super().__init__(detail)
        self.channel_id = channel_id
        """The leg that may exist now; `Control.resolve_unknown` looks. None: nothing new was dialled."""


class StaffNotAnswering(ControlError):
    """您的话机没有接听，操作没有执行。请确认话机在线且空闲，然后重试并接听来电。"""

    retryable = True


class UnitPhoneNotAnswering(StaffNotAnswering):
    """本单位的电话没有接听或占线，没有呼叫诉求人。请确认单位通讯录登记的电话有人值守且空闲，然后重试并接听来电。"""


class NotBack(ControlError):
    """您的电话没有接通，通话没有接回；市民会排到队列最前，由下一位话务员接听。请检查电话状态。"""


class TapFailed(ControlError):
    """实时转写没有启动，通话和录音不受影响，通话结束后仍会生成全文。"""


class UnitFailure(ControlError):
    """没有接通承办单位，可以把市民接回继续通话，或改为派单办理。"""


class UnitBusy(UnitFailure):
    """承办单位电话占线。请把市民接回通话，稍后再拨，或改为派单办理。"""


class UnitNoAnswer(UnitFailure):
    """承办单位无人接听。请把市民接回通话，换一个号码再拨，或改为派单办理。"""


class UnitDeclined(UnitFailure):
    """承办单位拒接了来电。请把市民接回通话，换一个号码再拨，或改为派单办理。"""


class UnitNumberWrong(UnitFailure):
    """承办单位的号码是空号或已停用。请把市民接回通话，核对单位通讯录后再拨，或改为派单办理。"""


class UnitUnreachable(UnitFailure):
    """承办单位的电话线路不通。请把市民接回通话，稍后再拨，或改为派单办理。"""


class ConsultCancelled(UnitFailure):
    """呼叫承办单位已取消。"""


ANSWERED = 4
"""Reason of an OriginateResponse for a call that was answered: AST_CONTROL_ANSWER."""
_BY_CAUSE: Mapping[int, type[UnitFailure]] = MappingProxyType(
    {
        1: UnitNumberWrong,  # unallocated: SIP 404
        16: ConsultCancelled,  # normal clearing of a leg that never answered: we hung it up
        17: UnitBusy,  # SIP 486, 600
        18: UnitNoAnswer,
        19: UnitNoAnswer,  # ring timeout, SIP 480
        20: UnitNoAnswer,
        21: UnitDeclined,  # SIP 603, 403
        22: UnitNumberWrong,
        28: UnitNumberWrong,
    }
)
# Asterisk 22 says 0 for busy, declined and cancelled alike: the cause decides, the reason only without one.
_BY_REASON: Mapping[int, type[UnitFailure]] = MappingProxyType({3: UnitNoAnswer, 5: UnitBusy})


def unit_failure(reason: int, cause: int | None) -> UnitFailure | None:
    """Why a unit was not reached; None when it answered.

    reason: of OriginateResponse (AST_CONTROL_*). cause: Q.850, of the Hangup event of the unit's leg, or None when
    that event was missed. Seen on Asterisk 22.10.1: busy 0/17, no answer 3/19, 603 0/21, 480 0/19, no such number 0/1,
    taken back while ringing 0/16, dead telephone 3/19.
    """
    if reason == ANSWERED:
        return None
    kind = _BY_CAUSE.get(cause or 0) or _BY_REASON.get(reason, UnitUnreachable)
    return kind(f"reason {reason}, cause {cause}")


class Exchange(StrEnum):
    """Over which peer a number is dialled."""

    UNIT = "unit"
    """The handling units' exchange."""
    TRUNK = "trunk"
    """The carrier: public numbers."""


@dataclass(frozen=True, slots=True)
class UnitTarget:
    """Whom an agent can bring into a call. name: as shown to the agent."""

    id: UnitId
    name: str
    number: PhoneNumber
    over: Exchange = Exchange.UNIT


def _emergency(number: str, name: str) -> UnitTarget:
    return UnitTarget(UnitId(f"emergency-{number}"), name, PhoneNumber(number), Exchange.TRUNK)


EMERGENCY: Mapping[str, UnitTarget] = MappingProxyType(
    {
        "110": _emergency("110", "公安报警 110"),
        "119": _emergency("119", "消防救援 119"),
        "120": _emergency("120", "医疗急救 120"),
        "122": _emergency("122", "交通事故报警 122"),
    }
)
"""Presets that every agent has, besides the configured units."""

_GONE = re.compile(
    r"no such channel|(extra)?channel does not exist|channel not found|not a valid channel", re.IGNORECASE
)


def refusal(message: str) -> ControlError:
    """The error for Asterisk's `Message` of a refused action."""
    return LegGone(message) if _GONE.search(message) else PbxRefused(message)
