"""What a ticket's policy says about its recordings is noted when the ticket closes, and counts from then on."""

from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest
from sqlalchemy import select

from callcenter.types import CallId, RecordingId
from recordings.retention import expiry
from recordings.retention.rules import retention_floor
from recordings.retention.tables import retention_basis
from recordings.tables import recording
from tests.support.archived import put_away, recorded
from tests.support.clerks import Opening, opening
from tests.support.tickets import local
from tests.support.web import CALL_ID

__all__ = ["opening"]


@pytest.mark.clause("LS-069")
@pytest.mark.parametrize("years", [3, 10])
async def test_a_closed_tickets_recordings_are_kept_as_its_policy_says(
    opening: Opening, tmp_path: Path, years: int
) -> None:
    office = await opening("ganzhou", local(2026, 6, 10, 9))
    rules = office.web.ground.rules
    rules.policies = tuple(replace(p, archive=replace(p.archive, recording_years=years)) for p in rules.policies)
    await recorded(office)
    await put_away(office)
    async with office.web.db.transaction() as tx:
        basis = (await tx.execute(select(retention_basis))).one()
        kept = (await tx.execute(select(recording.c.id, recording.c.delete_not_before))).one()
        counted = await expiry.basis_of(tx, CallId(CALL_ID), office.clock.at.astimezone(UTC))
    policy = rules.policies[-1]
    assert (basis.policy_id, basis.policy_version, basis.years) == (policy.id, policy.version, years)
    assert basis.not_before == retention_floor(basis.closed_at, None, years)
    assert kept.delete_not_before >= basis.not_before
    assert (counted.rule.years, counted.rule.article) == (years, str(policy.archive.basis))
    told = await office.web.get("admin", f"/api/recordings/{RecordingId(kept.id)}/retention")
    assert (told["rule"]["years"], told["rule"]["policy"]) == (years, policy.id)
    assert told["open_ticket"] is None, "it is archived"
