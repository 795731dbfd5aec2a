"""The words of a ticket's life, in code and as people read them. PURE."""

from enum import StrEnum

from ticketing.clocks import Clock


class State(StrEnum):
    """Where a ticket stands."""

    DRAFT = "draft"
    REGISTERED = "registered"
    AWAITING_SUPPLEMENT = "awaiting_supplement"
    REJECTED = "rejected"
    REFERRED = "referred"
    ANSWERED = "answered"
    AWAITING_APPROVAL = "awaiting_approval"
    AWAITING_DISPATCH = "awaiting_dispatch"
    DISPATCHED = "dispatched"
    SIGNED = "signed"
    HANDLING = "handling"
    AWAITING_UNIT_SIGNOFF = "awaiting_unit_signoff"
    REPLIED = "replied"
    AWAITING_FEEDBACK_APPROVAL = "awaiting_feedback_approval"
    SURVEYING = "surveying"
    CLOSED = "closed"
    ARCHIVED = "archived"
    TERMINATED = "terminated"
    MERGED = "merged"
    WITHDRAWN = "withdrawn"


STATE_NAMES: dict[State, str] = {
    State.DRAFT: "登记中",
    State.REGISTERED: "已登记",
    State.AWAITING_SUPPLEMENT: "待补充",
    State.REJECTED: "不予受理",
    State.REFERRED: "已引导转接",
    State.ANSWERED: "直接答复",
    State.AWAITING_APPROVAL: "待签批",
    State.AWAITING_DISPATCH: "待派单",
    State.DISPATCHED: "已派单（待签收）",
    State.SIGNED: "已签收",
    State.HANDLING: "办理中",
    State.AWAITING_UNIT_SIGNOFF: "待单位签批",
    State.REPLIED: "已回复（待审核）",
    State.AWAITING_FEEDBACK_APPROVAL: "待反馈签批",
    State.SURVEYING: "回访中",
    State.CLOSED: "已办结",
    State.ARCHIVED: "已归档",
    State.TERMINATED: "已终结",
    State.MERGED: "已并单",
    State.WITHDRAWN: "已撤回",
}


OVER = frozenset(
    {
        *(State.REJECTED, State.REFERRED, State.ANSWERED, State.CLOSED, State.ARCHIVED),
        *(State.TERMINATED, State.MERGED, State.WITHDRAWN),
    }
)
"""Nobody has to do anything about it any more; a merged one waits for another."""


class Flag(StrEnum):
    """What a ticket is marked with; rules may ask for it."""

    KEY = "key"
    """重点交办: by its channel or by a leader's instruction."""
    LEADER = "leader"
    """A leader's instruction goes with it."""
    MEDIA = "media"
    ENFORCEMENT = "enforcement"
    """A law-enforcement case."""
    MEDIATION = "mediation"
    """An administrative mediation."""
    DIRECT_ANSWER = "direct_answer"
    """The dispatcher judged that the unit can answer it directly."""
    STAFF = "staff"
    """About a member of staff or a unit's conduct: never to the accused, seen by fewer."""
    SENSITIVE = "sensitive"
    """Holds state or trade secrets or private matters: seen by fewer, never published."""
    WRITTEN_OPINION = "written_opinion"
    """The citizen asked for a written opinion on the matter."""


FLAG_NAMES: dict[Flag, str] = {
    Flag.KEY: "重点交办",
    Flag.LEADER: "领导批示",
    Flag.MEDIA: "媒体关注",
    Flag.ENFORCEMENT: "执法办案",
    Flag.MEDIATION: "行政调解",
    Flag.DIRECT_ANSWER: "能够直接答复",
    Flag.STAFF: "反映工作人员作风",
    Flag.SENSITIVE: "涉密或隐私",
    Flag.WRITTEN_OPINION: "要求出具书面办理意见",
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
    ASK_SUPPLEMENT = "ask_supplement"
    SUPPLEMENT = "supplement"
    ASK_APPROVAL = "ask_approval"
    SIGN_APPROVAL = "sign_approval"
    DECLINE_APPROVAL = "decline_approval"
    COMPLETE_APPROVAL = "complete_approval"
    ASK_SIGNOFF = "ask_signoff"
    ASK_TERMINATION = "ask_termination"
    TERMINATE = "terminate"
    FORWARD_DOWN = "forward_down"
    HAND_BACK = "hand_back"
    DEEM_SIGNED = "deem_signed"
    OPEN_DISPUTE = "open_dispute"
    RULE_DISPUTE = "rule_dispute"
    SIGN_ASSIST = "sign_assist"
    GIVE_OPINION = "give_opinion"
    REPORT_PROGRESS = "report_progress"
    NOTE_OUTAGE = "note_outage"
    NOTE_CONTACT = "note_contact"
    KEEP_COMMITMENT = "keep_commitment"
    URGE = "urge"
    LOOK_BACK = "look_back"
    LINK = "link"
    UNLINK = "unlink"
    MERGE = "merge"
    UNMERGE = "unmerge"
    FLAG = "flag"
    SUPERVISE = "supervise"
    ANSWER_SUPERVISION = "answer_supervision"
    END_SUPERVISION = "end_supervision"
    WARN = "warn"
    NOTE_ABUSE = "note_abuse"
    RECALCULATE = "recalculate"
    DECIDE_PUBLICATION = "decide_publication"


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
    Event.ASK_SUPPLEMENT: "请诉求人补充",
    Event.SUPPLEMENT: "补充完毕",
    Event.ASK_APPROVAL: "提请签批",
    Event.SIGN_APPROVAL: "签批同意",
    Event.DECLINE_APPROVAL: "签批不同意",
    Event.COMPLETE_APPROVAL: "签批完成",
    Event.ASK_SIGNOFF: "提请单位签批",
    Event.ASK_TERMINATION: "申请终结",
    Event.TERMINATE: "终结销号",
    Event.FORWARD_DOWN: "转下一级办理",
    Event.HAND_BACK: "退回主管部门",
    Event.DEEM_SIGNED: "逾期未退视为签收",
    Event.OPEN_DISPUTE: "提请职责争议协调",
    Event.RULE_DISPUTE: "职责争议裁定",
    Event.SIGN_ASSIST: "协办签收",
    Event.GIVE_OPINION: "协办反馈意见",
    Event.REPORT_PROGRESS: "反馈办理进度",
    Event.NOTE_OUTAGE: "记录网络等客观故障",
    Event.NOTE_CONTACT: "记录联系诉求人",
    Event.KEEP_COMMITMENT: "后续事项办结",
    Event.URGE: "催办",
    Event.LOOK_BACK: "回头看",
    Event.LINK: "关联重复诉求",
    Event.UNLINK: "取消关联",
    Event.MERGE: "并单",
    Event.UNMERGE: "取消并单",
    Event.FLAG: "标记",
    Event.SUPERVISE: "督办",
    Event.ANSWER_SUPERVISION: "反馈督办",
    Event.END_SUPERVISION: "督办结束",
    Event.WARN: "预警",
    Event.NOTE_ABUSE: "记录滋扰",
    Event.RECALCULATE: "重算时限",
    Event.DECIDE_PUBLICATION: "公开审核",
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
    "requester_kind": "诉求人类别",
    "grade": "紧急程度",
    "accused": "被反映的人员",
    "flags": "标记",
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
    "scene": "现场照片或录像",
    "outcome": "办理结论",
    "explanation": "向诉求人所作的解释",
    "statement": "向热线工作机构的说明",
    "verification": "核实情况",
    "signed_by": "签发人",
    "opinion_document": "书面办理意见",
    "result_told_at": "告知诉求人办理结果的时间",
    "result_told_by": "告知诉求人办理结果的方式",
    "unreachable_why": "无法联系诉求人的情况",
    "follow_up_by": "后续事项完成日期",
}


CLOCK_NAMES: dict[Clock, str] = {
    Clock.WORKING_DAY: "个工作日",
    Clock.NATURAL_HOUR: "小时",
    Clock.NATURAL_MINUTE: "分钟",
    Clock.CALENDAR_DAY: "天",
}


class RatingSource(StrEnum):
    """Where a rating comes from; statistics never blend them."""

    CITIZEN = "citizen"
    DEFAULT = "default"
    MANUAL = "manual"
