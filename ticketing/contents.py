"""What a unit's reply must hold: every missing field of the policy's list, told at once. PURE.

Source: LS-055 (time, unit, handler, situation), LS-056 (unfinished), LS-058 and LS-059 (case filing).
"""

from ticketing.clocks import is_late, local_day
from ticketing.commands import Contents, Reply
from ticketing.policy import Basis, Precision
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.words import REPLY_FIELD_NAMES


def reply_is_complete(ticket: Ticket, detail: Reply, context: Context) -> None:
    """Raises GuardFailed with every field the reply still needs."""
    rules = context.policy.reply
    contents = detail.contents
    hour = (rules.urgent_precision if ticket.urgent else rules.precision) is Precision.HOUR
    required = [name for name in rules.required if name != "citizen_contacted_at" or not ticket.confidential]
    missing = [_name(name, hour) for name in required if not _filled(contents, name, hour)]
    _refuse(missing, rules.basis)
    if not contents.finished:
        unfinished = [_name(name, hour) for name in rules.if_unfinished if not _filled(contents, name, hour)]
        _refuse(unfinished, rules.unfinished_basis)
    for kind in rules.by_type:
        groups = kind.one_of if ticket.request_type in kind.types else ()
        if groups and not any(all(_filled(contents, name, hour) for name in group) for group in groups):
            ways = ";或".join("和".join(REPLY_FIELD_NAMES[name] for name in group) for group in groups)
            raise GuardFailed.by(f"{ticket.request_type}类事项的回复须填写：{ways}。", kind.basis)


def times_are_past(ticket: Ticket, detail: Reply, context: Context) -> None:
    """What the reply says was done lies neither in the future nor before the request."""
    contents = detail.contents
    today, opened = local_day(context.now), local_day(ticket.created_at)
    if contents.handled_on is not None and not opened <= contents.handled_on <= today:
        raise GuardFailed.by(f"办理时间须在{opened}至{today}之间。请核对。", context.policy.reply.basis)
    if contents.handled_hour is not None and not 0 <= contents.handled_hour <= 23:
        raise GuardFailed.by("办理时间的小时须为0至23。", context.policy.reply.basis)
    if contents.citizen_contacted_at is not None and is_late(context.now, contents.citizen_contacted_at):
        raise GuardFailed.by("联系诉求人的时间晚于现在。请核对。", context.policy.reply.basis)


def _refuse(missing: list[str], basis: Basis) -> None:
    if missing:
        raise GuardFailed.by(f"回复还缺：{'、'.join(missing)}。请补全后提交。", basis)


def _filled(contents: Contents, name: str, hour: bool) -> bool:
    if name == "handled_at":
        return contents.handled_on is not None and (not hour or contents.handled_hour is not None)
    value = getattr(contents, name)
    return bool(value.strip()) if isinstance(value, str) else bool(value)


def _name(name: str, hour: bool) -> str:
    precise = "(具体到时)" if hour else "(具体到日)"
    return REPLY_FIELD_NAMES[name] + (precise if name == "handled_at" else "")
