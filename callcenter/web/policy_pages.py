"""The regulations as pages: limits with their articles, what is ours marked, the words of every clause cited."""

import asyncio

from callcenter.policy_pages import PolicyPage
from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.problems import NotFound
from callcenter.web.router import Out, Routes

api = Routes("policies")
EVERYBODY = frozenset(Role)


class PolicyRow(Out):
    """here: the one that runs here."""

    id: str
    title: str
    region: str
    version: str
    here: bool


class PolicyList(Out):
    rows: list[PolicyRow]


class RegulationLine(Out):
    """ours: in part or whole our own decision, because the regulation is silent. clauses: ids of `clauses`."""

    section: str
    name: str
    value: str
    source: str
    ours: bool
    clauses: list[str]


class RegulationClause(Out):
    id: str
    article: str
    quote: str
    level: str


class RegulationOut(PolicyRow):
    lines: list[RegulationLine]
    clauses: list[RegulationClause]


@api.get("/api/policies", EVERYBODY)
async def list_policies(ctx: Context) -> PolicyList:
    """全部规定及本地在用的一部"""
    pages = await asyncio.to_thread(lambda: [ctx.services.pages(one) for one in ctx.services.regulations])
    return PolicyList(rows=[PolicyRow(**_head(ctx, page)) for page in pages if page is not None])


@api.get("/api/policies/{policy_id}", EVERYBODY)
async def read_policy(ctx: Context, policy_id: str) -> RegulationOut:
    """一部规定的全部取值及依据，本系统自行确定的另作标记；附所引条款原文"""
    page = await asyncio.to_thread(ctx.services.pages, policy_id) if policy_id in ctx.services.regulations else None
    if page is None:
        raise NotFound
    return RegulationOut(
        **_head(ctx, page),
        lines=[
            RegulationLine(
                section=one.section,
                name=one.name,
                value=one.value,
                source=one.source,
                ours=one.ours,
                clauses=list(one.clauses),
            )
            for one in page.lines
        ],
        clauses=[
            RegulationClause(id=one.id, article=one.article, quote=one.quote, level=one.level) for one in page.clauses
        ],
    )


def _head(ctx: Context, page: PolicyPage) -> "dict[str, str | bool]":
    here = page.id == ctx.services.rules.policies[-1].id
    return {"id": page.id, "title": page.title, "region": page.region, "version": page.version, "here": here}
