"""Every table of the product in one place: for the migrations, and for the test that keeps both equal."""

from sqlalchemy import MetaData

import callcenter.archive.tables
import callcenter.attachments.tables
import callcenter.backup.tables
import callcenter.citizen.tables
import callcenter.custody.chain_tables
import callcenter.custody.listening_tables
import callcenter.custody.retention_tables
import callcenter.sms.tables
import callcenter.tables
import callcenter.ticket_call_tables
import callcenter.upstream_tables
import recordings.completeness_tables
import recordings.custody.recheck_tables
import recordings.custody.tables
import recordings.retention.tables
import recordings.retention.triggers
import recordings.tables
import ticketing.aftercare.tables
import ticketing.appraisal.tables
import ticketing.approvals.tables
import ticketing.dispatch.coordination_tables
import ticketing.dispatch.disputes_tables
import ticketing.dispatch.units_tables
import ticketing.knowledge.tables
import ticketing.search.tables
import ticketing.supervision.accountability_tables
import ticketing.supervision.roster_tables
import ticketing.supervision.tables
import ticketing.tables
import ticketing.upstream_tables
from callcenter import jobs

METADATA: tuple[MetaData, ...] = (
    callcenter.tables.metadata,
    callcenter.sms.tables.metadata,
    recordings.tables.metadata,
    ticketing.tables.metadata,
)

DDL: tuple[str, ...] = (
    *callcenter.tables.DDL,
    *callcenter.archive.tables.DDL,
    *callcenter.custody.listening_tables.DDL,
    *callcenter.backup.tables.DDL,
    *callcenter.sms.tables.DDL,
    *recordings.retention.triggers.DDL,
    *recordings.completeness_tables.DDL,
    *ticketing.tables.DDL,
    *ticketing.supervision.tables.DDL,
    *ticketing.supervision.accountability_tables.DDL,
    *ticketing.supervision.roster_tables.DDL,
    *ticketing.knowledge.tables.DDL,
    *ticketing.appraisal.tables.DDL,
    *callcenter.custody.retention_tables.DDL,
    *jobs.DDL,
)
"""Triggers, functions and the job queue's own schema, in the order they must run, after the tables."""


def is_ours(name: str | None, kind: str) -> bool:
    """Whether alembic should compare this table; the job queue's belong to pgqueuer and are left alone."""
    return not (kind == "table" and name in jobs.TABLE_NAMES)
