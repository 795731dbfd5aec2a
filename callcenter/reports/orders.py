"""Asking for reports: a run and its job in one transaction, the sweep that asks by itself, and kept files read back.

Nothing here writes documents, so the API can use it without their libraries.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import jobs
from callcenter.reports.figures import Ground, NoReportsHere
from callcenter.types import Actor, system
from ticketing.appraisal import reports_store
from ticketing.appraisal.reports import Format, ReportKit
from ticketing.appraisal.reports_store import ReportFile, Run
from ticketing.appraisal.rules import ReportDefinition
from ticketing.appraisal.terms import Term
from ticketing.policy import Policy, Rules

MAKE_JOB = "report.make"
BY_ITSELF = system("reports")
LOST_AFTER = timedelta(minutes=30)
MOST_HELD = 1_000
CONTENT_TYPES = {
    Format.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.PDF: "application/pdf",
}


@dataclass(frozen=True, slots=True)
class ReportDesk:
    """What the API needs: metrics and templates, where files are kept, the font to write with (None: look for one)."""

    kit: ReportKit
    folder: Path
    font: Path | None = None


class ReportUnknown(Exception):
    """The regulation here has no report of that name any more; put its definition back, or drop the job."""

    retryable = False
    sentence = "没有这种报告。请从列表中选择。"


SENTENCES = {
    "ReportUnknown": "本地规定已没有这种报告。请联系管理员核对政策文件。",
    "NoReportsHere": NoReportsHere.sentence,
    "FontMissing": "服务器上没有可用的中文字体，文件无法写出。请联系管理员安装字体后重新生成。",
    "OSError": "报告文件无法写入存放目录。请联系管理员检查磁盘空间和权限。",
    "PermissionError": "报告存放目录没有写入权限。请联系管理员检查。",
}
"""Name of an error that ends the job -> what people read."""


def ground_at(rules: Rules, kit: ReportKit, now: datetime) -> Ground:
    """What is in effect now."""
    return Ground(rules.at(now), kit)


def definition_of(policy: Policy, report_id: str) -> ReportDefinition:
    """Raises ReportUnknown."""
    found = policy.reports.definition(report_id) if policy.reports else None
    if found is None:
        raise ReportUnknown(report_id)
    return found


async def order(
    tx: AsyncConnection,
    definition: ReportDefinition,
    term: Term,
    *,
    actor: Actor,
    now: datetime,
    remarks: str = "",
    first_only: bool = False,
) -> Run | None:
    """A new run and its job, in one transaction. first_only: None when the term has one."""
    run = await reports_store.ask(
        tx,
        definition.id,
        term,
        actor=actor,
        now=now,
        publish_by=definition.publish_by(term),
        remarks=remarks,
        first_only=first_only,
    )
    if run is not None:
        await _enqueue(tx, run.id, run.definition, run.term, run.revision)
    return run


async def _enqueue(tx: AsyncConnection, run_id: int, definition: str, term: str, revision: int) -> None:
    await jobs.enqueue(tx, MAKE_JOB, {"run": run_id}, key=_key(definition, term, revision))


def _key(definition: str, term: str, revision: int) -> str:
    return f"{MAKE_JOB}:{definition}:{term}:{revision}"


async def failures(tx: AsyncConnection, runs: Sequence[Run]) -> dict[int, str]:
    """Why runs could not be made: run -> a sentence. Only of those whose job waits for a person."""
    waiting = {_key(run.definition, run.term, run.revision): run.id for run in runs if run.state == "asked"}
    held = await jobs.held_jobs(tx, MOST_HELD) if waiting else []
    return {waiting[job.key]: why(job.reason) for job in held if job.key in waiting}


def why(reason: str) -> str:
    """What a job's last error, as logged (`FontMissing: ...`), says to the person who asked for the report."""
    return SENTENCES.get(
        reason.partition(":")[0], f"后台任务出错（{reason or '原因不明'}）。请联系管理员查看系统日志。"
    )


async def sweep(tx: AsyncConnection, rules: Rules, now: datetime) -> tuple[Run, ...]:
    """The runs asked for now: of each definition the term that ended last, once, and not before tickets began."""
    policy = rules.at(now)
    asked: list[Run] = []
    began = await reports_store.began(tx)
    for definition in policy.reports.definitions if policy.reports else ():
        term = definition.last_term(now)
        if term is None or began is None or began >= term.ends_at or now < definition.make_at(term):
            continue
        run = await order(tx, definition, term, actor=BY_ITSELF, now=now, first_only=True)
        asked += [run] if run else []
    for run_id in await reports_store.unmade(tx, now - LOST_AFTER):
        run = await reports_store.run_of(tx, run_id)
        await _enqueue(tx, run.id, run.definition, run.term, run.revision)
    return tuple(asked)


class FileNotKept(Exception):
    """报告文件不在存放目录中，或与登记的校验值不符。请重新生成报告，并联系管理员检查存放目录。"""


def path_of(folder: Path, run_id: int, variant: str, format_: str) -> Path:
    """Where a file of a run is kept."""
    return folder / str(run_id) / f"{variant}.{format_}"


def read(folder: Path, file: ReportFile) -> bytes:
    """A kept file, as it was written. Blocking. Raises FileNotKept."""
    try:
        data = path_of(folder, file.run_id, file.variant, file.format).read_bytes()
    except OSError:
        raise FileNotKept from None
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise FileNotKept
    return data
