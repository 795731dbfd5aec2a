"""The shapes of signatures, as they stand on a ticket and on a sheet."""

from datetime import datetime
from typing import Any

from callcenter.web.router import Out


class StepRow(Out):
    """One signature. order: steps of one order are signed side by side. active: it can be signed now.

    kind: how the signer is known: title, office, unit_head, supervisor, external.
    """

    order: int
    signer: str
    kind: str
    state: str
    active: bool
    signed_by: str | None
    signed_at: datetime | None
    opinion: str
    instruction: str
    seal: str
    reference: str
    attachments: list[str]


class ApprovalRow(Out):
    """reading: how a doubtful text of the regulation is read here. basis: the article that asks for it."""

    id: int
    round: int
    gate: str
    gate_name: str
    state: str
    state_name: str
    document: str
    why: str
    basis: str
    reading: str
    seal: bool
    unit: str | None
    asked_by: str
    asked_at: datetime
    done_at: datetime | None
    contents: dict[str, Any] | None
    judgements: list[dict[str, Any]]
    steps: list[StepRow]
