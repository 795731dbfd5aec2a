"""Reports as durable work: a sweep asks for what is due, a job freezes figures and writes files, once a run.

The job holds one transaction for the figures; writing happens in a thread before they are frozen, so a run that is
`made` has its files. Running it again after a crash writes the same files again and freezes once.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import jobs
from callcenter.db import Database
from callcenter.jobs import Job
from callcenter.reports import bulletin, fonts, orders, writing
from callcenter.reports.figures import Ground, as_json, freeze
from callcenter.reports.paper import Paper
from ticketing.appraisal import reports_store
from ticketing.appraisal.reports import Format, Frozen, ReportKit, public_view
from ticketing.appraisal.rules import ReportDefinition, Variant
from ticketing.appraisal.terms import Term, parse_term
from ticketing.policy import Rules

log = logging.getLogger(__name__)


@dataclass
class ReportWork:
    """Handlers and the sweep. folder: where files are kept. font None: looked for when the first report is made."""

    database: Database
    rules: Rules
    kit: ReportKit
    folder: Path
    font_path: Path | None = None
    _font: fonts.Font | None = None

    def handlers(self) -> dict[str, jobs.Handler]:
        """Job kind -> handler."""
        return {orders.MAKE_JOB: self.make}

    async def font(self) -> fonts.Font:
        """The font, found once. Raises FontMissing."""
        if self._font is None:
            self._font = await asyncio.to_thread(fonts.find, self.font_path)
        return self._font

    async def make(self, job: Job) -> None:
        """`report.make`: figures, files, then both are fixed. A run that is made already stays as it is."""
        run_id, font = int(str(job.payload["run"])), await self.font()
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            # One moment for all figures, however long counting takes.
            await tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            run = await reports_store.run_of(tx, run_id)
            if run.state != "asked":
                return
            ground = orders.ground_at(self.rules, self.kit, now)
            definition = orders.definition_of(ground.policy, run.definition)
            frozen = await freeze(tx, ground, definition, parse_term(run.term), now, run.remarks)
        papers = papers_of(frozen, definition.variants, ground)
        name = f"{definition.title}-{run.term}-{run.revision}"
        formats = ground.kit.template(definition.template).formats
        files = await asyncio.to_thread(writing.keep, self.folder, run_id, name, papers, formats, font)
        await self._fix(run_id, frozen, files, now)

    async def _fix(self, run_id: int, frozen: Frozen, files: list[dict[str, Any]], now: datetime) -> None:
        async with self.database.transaction() as tx:
            await reports_store.run_of(tx, run_id, lock=True)
            figures = as_json(frozen)
            await reports_store.freeze(
                tx, run_id, figures, policy=frozen.policy, metrics=frozen.metrics, now=now, files=files
            )

    async def sweep(self) -> None:
        """Ask for every report whose term has ended and whose hour has come; ask again for lost ones."""
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            await orders.sweep(tx, self.rules, now)


def papers_of(frozen: Frozen, variants: Sequence[Variant], ground: Ground) -> list[tuple[Variant, Paper]]:
    """The paper of every variant, from the same figures."""
    hot, template = ground.reports.hot, ground.kit.template(frozen.template)
    metrics = ground.kit.metrics(frozen.metrics)
    views = {Variant.INTERNAL: frozen, Variant.PUBLIC: public_view(frozen, hot)}
    return [(variant, bulletin.paper_of(views[variant], template, metrics, hot)) for variant in variants]


async def write_once(
    tx: AsyncConnection,
    ground: Ground,
    definition: ReportDefinition,
    term: Term,
    variant: Variant,
    format_: Format,
    font: fonts.Font,
    now: datetime,
) -> bytes:
    """The report as a file without a run: what the command line makes."""
    frozen = await freeze(tx, ground, definition, term, now)
    ((_, paper),) = papers_of(frozen, (variant,), ground)
    return await asyncio.to_thread(writing.write, paper, format_, font)
