"""The regulations as data: the public calculator of deadlines."""

import asyncio
from typing import Annotated

from pydantic import Field, JsonValue, RootModel

from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.problems import Problem
from callcenter.web.router import Query, Routes
from ticketing.limits.cases import answer
from ticketing.policy import Rules

api = Routes("policies")
EVERYBODY = frozenset(Role)
MOST_CASES = 1_000


class Asked(Query):
    """policy: whose rules; without it those that run here."""

    policy: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,31}$")] | None = None


class Cases(RootModel[Annotated[list[JsonValue], Field(max_length=MOST_CASES)]]):
    """A list of cases: id, type, source, urgent, direct_answer, registered_at, dispatched_at, signed_at,
    sms_delivered_at, extension {"granted": "max"}, outage_wd, chosen_limit_wd. What is absent is not known."""


class Answers(RootModel[list[dict[str, JsonValue]]]):
    """One answer a case, in order: every time it is due, provisional, basis; or id and error."""


@api.post("/api/policy/clocks", EVERYBODY)
async def clocks(ctx: Context, query: Asked, body: Cases) -> Answers:
    """时限计算：按所选规定计算派单、签收、联系、退单、办理、延期、默认评价的时间和依据

    A case that is wrong is answered with `error`, a sentence; the others are computed all the same.
    """
    rules = await _rules(ctx, query.policy)
    policies = tuple(sorted(rules.policies, key=lambda policy: policy.version))
    return Answers.model_validate([answer(case, n, policies, rules.calendar) for n, case in enumerate(body.root, 1)])


async def _rules(ctx: Context, policy_id: str | None) -> Rules:
    services = ctx.services
    if policy_id is None or policy_id == services.rules.policies[-1].id:
        return services.rules
    found = await asyncio.to_thread(services.regulation, policy_id)
    if found is None:
        raise Problem(404, "no_policy", f"没有「{policy_id}」这部规定。请核对名称。")
    return found
