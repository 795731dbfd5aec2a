"""What happened to a ticket in plain words: the data of an event as label and text, never as JSON. PURE.

Codes of the regulation are shown as it calls them, units by name, moments as a clock on a wall shows them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from ticketing.aftercare.abuse import STEP_NAMES
from ticketing.aftercare.contacts import PURPOSE_NAMES
from ticketing.aftercare.rechecks import FOUND_NAMES
from ticketing.approvals.rules import RANK_NAMES
from ticketing.approvals.signing import GATE_NAMES
from ticketing.clocks import SHANGHAI, BadPeriod, parse_period
from ticketing.dispatch.planning import DEADLINE_NAMES
from ticketing.policy import Policy
from ticketing.supervision.rules import CARD_NAMES, FORM_NAMES
from ticketing.words import CLOCK_NAMES, FIELD_NAMES, FLAG_NAMES, REPLY_FIELD_NAMES, STATE_NAMES, Event

LABELS: Mapping[str, str] = {
    **REPLY_FIELD_NAMES,
    **FIELD_NAMES,
    "add": "增加标记",
    "amount": "时长",
    "applied": "已改期",
    "assists": "协办单位",
    "at": "时间",
    "authority": "移交部门",
    "basis": "依据",
    "calendar": "日历版本",
    "call_id": "来电",
    "case": "情形",
    "cause": "原因",
    "chosen": "选定时限",
    "citation": "引用条款",
    "citizen_informed_at": "告知诉求人时间",
    "code": "情形",
    "comment": "诉求人的话",
    "consent": "诉求人同意公开",
    "contact": "首次联系",
    "contents": "回复内容",
    "defect": "回复缺陷",
    "delegated_to": "委托督办单位",
    "delivered_at": "送达时间",
    "drop": "取消标记",
    "earlier": "原工单",
    "earlier_ticket": "参照工单",
    "evidence": "证据",
    "finished": "已办结",
    "form": "督办形式",
    "found": "查看结果",
    "from_at": "起始时间",
    "gate": "签批事项",
    "handled_hour": "办理时刻（时）",
    "handled_on": "办理日期",
    "instruction": "要求",
    "intake_exception": "受理说明",
    "joint": "联合督办",
    "judgements": "不合理诉求认定",
    "kind": "类别",
    "knowledge": "依据的知识点",
    "lawful": "已依法处理",
    "lead": "主办单位",
    "led_by": "牵头人",
    "legal_basis": "法律依据",
    "level": "预警级别",
    "master": "主工单",
    "materials": "归档材料",
    "matter": "重复诉求编号",
    "method": "方式",
    "minutes": "会议纪要",
    "missing": "须补充",
    "mode": "再次办理方式",
    "moved": "期限变动",
    "new_due": "新的期限",
    "new_due_at": "新的期限",
    "not_done": "未实际办理",
    "note": "说明",
    "nothing_ours": "与本单位无关",
    "old_due_at": "原期限",
    "on_spot_by": "当场分办人",
    "opinion": "意见",
    "over_reason": "超出次数或时段的理由",
    "participants": "参加人员",
    "period": "时限",
    "person": "签收人",
    "persons": "反映人数",
    "phone_notice": "电话通知",
    "policy": "适用规定",
    "progress": "办理进度",
    "proper_unit": "应承办单位",
    "publish": "予以公开",
    "purpose": "目的",
    "rank": "职级",
    "rating": "评价",
    "reached": "是否接通",
    "reason": "理由",
    "reasonable": "诉求合理",
    "receipt": "移交回执",
    "record": "记录编号",
    "ref": "编号",
    "reference": "文号",
    "referred_to": "引导至",
    "refused": "不予配合",
    "request_no": "第几次诉求",
    "responsible": "责任方",
    "result": "办理结果",
    "rules": "适用规则",
    "seal": "用印",
    "sensitivity": "涉密类别",
    "service": "服务评价",
    "sha256": "校验值",
    "signer": "签批岗位",
    "solved": "已解决",
    "source": "来源",
    "statutory": "法定时限",
    "step": "阶段",
    "suggestion": "建议",
    "suggestions": "采用的建议",
    "suitable": "适宜公开",
    "taken_at": "拍摄时间",
    "target": "转往",
    "text": "答复内容",
    "ticket": "工单",
    "told": "告知内容",
    "told_at": "告知时间",
    "trigger": "督办事由",
    "unit": "承办单位",
    "units": "有关单位",
    "unrated": "不计评价",
    "until_at": "截止时间",
    "untrue": "回复与事实不符",
    "way": "处理方式",
    "approver": "批准人",
    "call_ref": "通话",
    "policy_id": "适用规定",
}
"""Keys of an event's data -> what a person reads."""
NOTHING_SAID = frozenset({"sha256", "requester", "suggestions", "calendar"})
"""For programs: checksums, keys of the vault, numbers of rows."""
UNITS = frozenset({"lead", "assists", "unit", "units", "delegated_to", "proper_unit"})
FLAGS = frozenset({"flags", "add", "drop"})
PERIODS = frozenset({"period", "chosen"})
ENUMS: Mapping[str, Mapping[str, str]] = {
    "purpose": {str(one): name for one, name in PURPOSE_NAMES.items()},
    "reached": {"spoken": "已通话", "not_reached": "未接通", "refused": "拒绝通话"},
    "found": {str(one): name for one, name in FOUND_NAMES.items()},
    "step": {str(one): name for one, name in STEP_NAMES.items()},
    "gate": {str(one): name for one, name in GATE_NAMES.items()},
    "rank": {str(one): name for one, name in RANK_NAMES.items()},
    "form": {str(one): name for one, name in FORM_NAMES.items()},
    "level": {str(one): name for one, name in CARD_NAMES.items()},
    "mode": {"handle": "重新办理", "explain": "补充解释"},
    "source": {"citizen": "诉求人", "default": "按规定默认", "manual": "人工回访"},
    "kind": {
        **{str(one): name for one, name in DEADLINE_NAMES.items()},
        "recheck": "复核",
        "look_back": "回头看",
        "photo": "照片",
        "video": "录像",
        "call": "通话",
        "recording": "录音",
        "message": "短信",
        "transcript": "转写",
        "attachment": "附件",
    },
    "state": {str(one): name for one, name in STATE_NAMES.items()},
}
"""Key -> code -> words; another value stands as it is."""
SECTIONS: Mapping[tuple[Event, str], str] = {
    (Event.REJECT, "code"): "rejects",
    (Event.NOTE_CAUSE, "code"): "survey",
    (Event.CLOSE, "cause"): "survey",
    (Event.REFUSE_RETURN, "code"): "returns",
    (Event.REJECT_REPLY, "defect"): "answer",
    (Event.REPLY, "outcome"): "answer",
    (Event.ASK_SIGNOFF, "outcome"): "answer",
    (Event.SUPERVISE, "trigger"): "supervise",
    (Event.ANSWER_SUPERVISION, "trigger"): "supervise",
    (Event.END_SUPERVISION, "trigger"): "supervise",
    (Event.LINK, "rules"): "repeat",
    (Event.FLAG, "sensitivity"): "secrecy",
    (Event.NOTE_ABUSE, "kind"): "abuse",
}
"""Where the policy says what a code is called."""


@dataclass(frozen=True, slots=True)
class Told:
    """Who reads what: the policy for its codes, names of units by `unit:id`."""

    event: Event
    policy: Policy
    names: Mapping[str, str]


def said_of(data: Mapping[str, Any], told: Told) -> list[tuple[str, str]]:
    """Label and text of everything an event says, in order; what is only for programs is left out."""
    if "changes" in data or "before" in data:
        rest = {key: value for key, value in data.items() if key not in ("changes", "before")}
        return [*_changed(data.get("changes", {}), data.get("before", {}), told), *said_of(rest, told)]
    pairs = (_pairs(key, value, told) for key, value in data.items() if key not in NOTHING_SAID)
    return [(label, text) for label, text in chain.from_iterable(pairs) if text]


def units_in(data: Mapping[str, Any]) -> set[str]:
    """The units an event speaks of, by their ids."""
    found = [value if isinstance(value, list) else [value] for key, value in data.items() if key in UNITS]
    return {str(unit) for unit in chain.from_iterable(found)}


def _changed(changes: Mapping[str, Any], before: Mapping[str, Any], told: Told) -> Iterator[tuple[str, str]]:
    for key, value in changes.items():
        if key not in NOTHING_SAID:
            old, new = _text(key, before.get(key, ""), told), _text(key, value, told)
            if old == new:
                continue
            yield LABELS.get(key, key), f"{old} → {new or '（清空）'}" if old else new


def _pairs(key: str, value: Any, told: Told) -> Iterator[tuple[str, str]]:
    """A group of fields is told field by field, anything else as one text."""
    if isinstance(value, Mapping):
        yield from said_of(value, told)
    else:
        yield LABELS.get(key, key), _text(key, value, told)


def _text(key: str, value: Any, told: Told) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "、".join(_text(key, one, told) for one in value)
    if isinstance(value, Mapping):
        return "，".join(f"{label}：{text}" for label, text in said_of(value, told))
    return _word(key, str(value), told)


def _word(key: str, text: str, told: Told) -> str:
    """One value: a code by its name, a unit by its name, a moment as a local time."""
    if key in UNITS:
        return told.names.get(f"unit:{text}", text)
    if key in FLAGS:
        return {str(flag): name for flag, name in FLAG_NAMES.items()}.get(text, text)
    if key in PERIODS:
        return _period(text)
    section = SECTIONS.get((told.event, key))
    label = _label(getattr(told.policy, section), text) if section else None
    return label or ENUMS.get(key, {}).get(text) or (_moment(text) if key.endswith("at") else text)


def _label(rules: Any, code: str) -> str | None:
    """What a section of the policy calls a code: it holds coded cases, or lists of them."""
    parts = rules if isinstance(rules, tuple) else [getattr(rules, name) for name in getattr(rules, "__slots__", ())]
    for part in parts:
        for case in part if isinstance(part, tuple) else (part,):
            if getattr(case, "code", None) == code:
                return str(case.label)
    return None


def _period(text: str) -> str:
    try:
        period = parse_period(text)
    except BadPeriod:
        return text
    return f"{period.amount}{CLOCK_NAMES[period.clock]}"


def _moment(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text).astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    except ValueError:
        return text
