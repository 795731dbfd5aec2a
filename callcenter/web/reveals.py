"""Looking at a citizen's number: who may, for which purposes. PURE."""

from collections.abc import Mapping

from callcenter.types import Actor, Role
from ticketing import store
from ticketing.policy import Policy
from ticketing.record import GuardFailed, Ticket

LOOKERS = frozenset({Role.AGENT, Role.REVIEWER, Role.SUPERVISOR, Role.UNIT, Role.UNIT_HEAD})
PURPOSES = {"contact": "联系诉求人办理", "verify": "核实诉求内容", "follow_up": "回访", "supervise": "督办核查"}
"""What a number may be looked at for, where the policy says nothing."""


def purposes_of(policy: Policy) -> Mapping[str, str]:
    """Code -> what a person reads."""
    return {one.code: one.label for one in policy.secrecy.purposes} if policy.secrecy else PURPOSES


def open_purposes(ticket: Ticket, policy: Policy, actor: Actor) -> Mapping[str, str]:
    """For what this person may look at the number now; empty when they may not at all."""
    if not actor.roles & LOOKERS or closed(ticket, actor) is not None:
        return {}
    return purposes_of(policy)


def refused(ticket: Ticket, policy: Policy, actor: Actor, purpose: str) -> GuardFailed | None:
    """Why this person may not look, or None."""
    known = purposes_of(policy)
    if purpose not in known:
        listed = "、".join(f"{code}({label})" for code, label in known.items())
        return GuardFailed(f"请选定查看用途：{listed}。")
    return closed(ticket, actor)


def closed(ticket: Ticket, actor: Actor) -> GuardFailed | None:
    """Why this person may look for no purpose, or None."""
    unit = store.unit_scope(actor)
    if unit is not None and ticket.confidential:
        return GuardFailed("诉求人信息保密，承办单位不能查看。请通过热线平台联系诉求人。")
    if unit is not None and unit != ticket.lead_unit:
        return GuardFailed("只有主办单位因办理需要可以查看诉求人的联系方式。")
    return GuardFailed("本工单没有登记诉求人的号码。") if ticket.requester is None else None
