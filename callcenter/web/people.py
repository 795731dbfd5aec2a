"""Who the citizen is: shown to a person only for a purpose, and every look is kept."""

from typing import Annotated

from pydantic import Field

from callcenter.audit import Audited, note
from callcenter.types import IdentityId, Role
from callcenter.vault import IdentityUnknown
from callcenter.web.context import Context
from callcenter.web.router import In, Out, Routes

api = Routes("people")
LOOKERS = frozenset({Role.AGENT, Role.REVIEWER, Role.SUPERVISOR})


class Reveal(In):
    """purpose: why the number is needed, for those who read the audit later."""

    purpose: Annotated[str, Field(min_length=4, max_length=200, pattern=r"\S[\s\S]{2,}\S")]


class Revealed(Out):
    number: str


@api.post("/api/identities/{identity_id}/reveal", LOOKERS)
async def reveal(ctx: Context, identity_id: int, body: Reveal) -> Revealed:
    """查看来电人的完整号码，须写明用途，每次查看都有记录"""
    who = IdentityId(identity_id)
    try:
        async with ctx.transaction() as tx:
            number = await ctx.services.vault.reveal(tx, who, actor=ctx.actor, purpose=body.purpose)
    except IdentityUnknown:
        async with ctx.transaction() as tx:
            failed = Audited(ctx.actor, "identity.reveal", f"identity:{who}", False, {"purpose": body.purpose})
            await note(tx, failed)
        raise
    return Revealed(number=number.digits)
