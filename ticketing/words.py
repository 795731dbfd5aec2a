"""The words of a ticket's life, in code and as people read them. PURE."""

from enum import StrEnum


class State(StrEnum):
    """Where a ticket stands."""

    DRAFT = "draft"
    REGISTERED = "registered"
    REJECTED = "rejected"
    REFERRED = "referred"
    ANSWERED = "answered"
    AWAITING_DISPATCH = "awaiting_dispatch"
    DISPATCHED = "dispatched"
    SIGNED = "signed"
    HANDLING = "handling"
    REPLIED = "replied"
    SURVEYING = "surveying"
    CLOSED = "closed"
    ARCHIVED = "archived"
    WITHDRAWN = "withdrawn"


STATE_NAMES: dict[State, str] = {
    State.DRAFT: "登记中",
    State.REGISTERED: "已登记",
    State.REJECTED: "不予受理",
    State.REFERRED: "已引导转接",
    State.ANSWERED: "直接答复",
    State.AWAITING_DISPATCH: "待派单",
    State.DISPATCHED: "已派单(待签收)",
    State.SIGNED: "已签收",
    State.HANDLING: "办理中",
    State.REPLIED: "已回复(待审核)",
    State.SURVEYING: "回访中",
    State.CLOSED: "已办结",
    State.ARCHIVED: "已归档",
    State.WITHDRAWN: "已撤回",
}


class Event(StrEnum):
    """What can happen to a ticket; each accepted one is exactly one row of ticket_event."""

    OPEN = "open"
    EDIT = "edit"
    REGISTER = "register"
    ANSWER = "answer"
    REJECT = "reject"
    REFER = "refer"
    FORWARD = "forward"
    WITHDRAW = "withdraw"
    DISPATCH = "dispatch"
    ADD_ASSIST = "add_assist"
    SIGN = "sign"
    START = "start"
    ASK_RETURN = "ask_return"
    GRANT_RETURN = "grant_return"
    REFUSE_RETURN = "refuse_return"
    ASK_EXTENSION = "ask_extension"
    GRANT_EXTENSION = "grant_extension"
    REFUSE_EXTENSION = "refuse_extension"
    REPLY = "reply"
    REJECT_REPLY = "reject_reply"
    BEGIN_SURVEY = "begin_survey"
    SURVEY_DELIVERED = "survey_delivered"
    RATE = "rate"
    NOTE_CAUSE = "note_cause"
    CLOSE = "close"
    REWORK = "rework"
    ARCHIVE = "archive"


EVENT_NAMES: dict[Event, str] = {
    Event.OPEN: "开始登记",
    Event.EDIT: "修改",
    Event.REGISTER: "登记受理",
    Event.ANSWER: "直接答复",
    Event.REJECT: "不予受理",
    Event.REFER: "引导转接",
    Event.FORWARD: "提交派单",
    Event.WITHDRAW: "撤回",
    Event.DISPATCH: "派单",
    Event.ADD_ASSIST: "增加协办单位",
    Event.SIGN: "签收",
    Event.START: "开始办理",
    Event.ASK_RETURN: "申请退单",
    Event.GRANT_RETURN: "同意退单",
    Event.REFUSE_RETURN: "不予退回",
    Event.ASK_EXTENSION: "申请延期",
    Event.GRANT_EXTENSION: "同意延期",
    Event.REFUSE_EXTENSION: "不予延期",
    Event.REPLY: "回复办理结果",
    Event.REJECT_REPLY: "退回重新回复",
    Event.BEGIN_SURVEY: "开始回访",
    Event.SURVEY_DELIVERED: "回访短信送达",
    Event.RATE: "记录评价",
    Event.NOTE_CAUSE: "记录不满意原因",
    Event.CLOSE: "办结",
    Event.REWORK: "重新交办",
    Event.ARCHIVE: "归档",
}

FIELD_NAMES: dict[str, str] = {
    "request_type": "诉求类型",
    "source": "来源",
    "subject": "事项分类",
    "title": "标题",
    "content": "诉求内容",
    "place": "地点",
    "occurred": "发生时间",
    "named_unit": "反映单位",
    "contact_name": "联系人",
    "urgent": "突发",
    "confidential": "诉求人信息保密",
    "requester": "诉求人",
}
"""Every field of a ticket that people fill in."""

REPLY_FIELD_NAMES: dict[str, str] = {
    "handled_at": "办理时间",
    "handling_unit": "具体办理单位",
    "handler": "经办人",
    "situation": "办理情况",
    "citizen_contacted_at": "联系诉求人的时间",
    "stage_result": "阶段性办理结果",
    "follow_up_plan": "后续处理计划",
    "case_file": "立案决定书",
    "case_number": "立案编号",
    "case_filed_on": "立案日期",
    "not_filed_reason": "不予立案的理由",
    "not_filed_law": "不予立案的法律依据",
    "not_enforcement": "不属于执法立案事项",
    "attachments": "附件",
}


class RatingSource(StrEnum):
    """Where a rating comes from; statistics never blend them."""

    CITIZEN = "citizen"
    DEFAULT = "default"
    MANUAL = "manual"
