"""Small papers of daily work from plain values: approval sheet, supervision notice, opinion, proposal, ticket file.

Each takes one frozen dataclass and gives a Paper; what is not filled in yet stays an empty line to be written on.
"""

from dataclasses import dataclass
from datetime import date

from callcenter.reports.paper import Block, Fields, Grid, Heading, Paper, Para, Signs

INSIDE = "内部资料"


def _day(day: date | None) -> str:
    return f"{day.year}年{day.month}月{day.day}日" if day else ""


@dataclass(frozen=True, slots=True)
class Opinion:
    """One signature: whose, what was decided, when. text ``: not signed yet."""

    title: str
    text: str = ""
    signed_by: str = ""
    signed_on: date | None = None

    @property
    def line(self) -> tuple[str, str]:
        """As a line of a form."""
        signed = "　".join(part for part in (self.signed_by, _day(self.signed_on)) if part)
        return self.title, "\n".join(part for part in (self.text, signed) if part)


@dataclass(frozen=True, slots=True)
class ApprovalSheet:
    """呈批件 for a leader (GZ-036). matter: what it is about; proposal: what is asked to be approved."""

    number: str
    issuer: str
    day: date
    ticket: str
    title: str
    matter: str
    course: str
    proposal: str
    opinions: tuple[Opinion, ...]
    contact: str = ""


def approval_sheet(sheet: ApprovalSheet) -> Paper:
    """Source: GZ-036, 由牵头部门编写《呈批件》报区委区政府分管领导."""
    fields = (("工单编号", sheet.ticket), ("标题", sheet.title), ("承办联系人", sheet.contact))
    blocks: tuple[Block, ...] = (
        Fields(tuple(pair for pair in fields if pair[1])),
        Heading("诉求事项"),
        Para(sheet.matter),
        Heading("办理经过"),
        Para(sheet.course),
        Heading("拟办意见"),
        Para(sheet.proposal),
        Heading("领导批示"),
        Signs(tuple(one.line for one in sheet.opinions)),
    )
    return Paper("呈批件", sheet.issuer, sheet.number, _day(sheet.day), INSIDE, blocks)


@dataclass(frozen=True, slots=True)
class SupervisionNotice:
    """督办通知. form: 电话, 书面...; answer_by: as printed; basis: the article."""

    number: str
    issuer: str
    day: date
    unit: str
    ticket: str
    title: str
    reason: str
    form: str
    demand: str
    answer_by: str
    basis: str
    joint: tuple[str, ...] = ()


def supervision_notice(notice: SupervisionNotice) -> Paper:
    """Source: GZ-036, LS-062, MC-044: a written supervision, also a joint one."""
    fields = (
        ("被督办单位", notice.unit),
        ("工单编号", notice.ticket),
        ("督办事项", notice.title),
        ("督办方式", notice.form),
        ("联合督办", "、".join(notice.joint)),
        ("反馈期限", notice.answer_by),
        ("依据", notice.basis),
    )
    blocks: tuple[Block, ...] = (
        Fields(tuple(pair for pair in fields if pair[1])),
        Heading("督办原因"),
        Para(notice.reason),
        Heading("办理要求"),
        Para(notice.demand),
        Signs((("签收人", ""), ("办理情况反馈", ""))),
    )
    return Paper("督办通知书", notice.issuer, notice.number, _day(notice.day), INSIDE, blocks)


@dataclass(frozen=True, slots=True)
class HandlingOpinion:
    """书面办理意见 of a unit, given where it is asked for (SQ-024)."""

    number: str
    unit: str
    day: date
    ticket: str
    title: str
    facts: str
    law: str
    opinion: str
    handler: str
    signed_by: str
    seal: str = ""


def handling_opinion(opinion: HandlingOpinion) -> Paper:
    """Source: SQ-024, 要求出具书面办理意见的，由相关成员单位负责出具."""
    blocks: tuple[Block, ...] = (
        Fields((("工单编号", opinion.ticket), ("诉求事项", opinion.title), ("办理单位", opinion.unit))),
        Heading("调查核实情况"),
        Para(opinion.facts),
        Heading("法律政策依据"),
        Para(opinion.law),
        Heading("办理意见"),
        Para(opinion.opinion),
        Signs((("经办人", opinion.handler), ("负责人", opinion.signed_by), ("盖章", opinion.seal))),
    )
    return Paper("书面办理意见", opinion.unit, opinion.number, _day(opinion.day), "", blocks)


@dataclass(frozen=True, slots=True)
class AccountabilityProposal:
    """追责问责建议 (GZ-066). counts: what was counted against the unit, in words and number."""

    number: str
    issuer: str
    day: date
    unit: str
    circumstances: str
    counts: tuple[tuple[str, int], ...]
    tickets: tuple[str, ...]
    proposal: str
    addressee: str
    basis: str
    opinions: tuple[Opinion, ...] = ()


def accountability_proposal(proposal: AccountabilityProposal) -> Paper:
    """Source: GZ-066."""
    blocks: tuple[Block, ...] = (
        Fields((("涉及单位", proposal.unit), ("报送", proposal.addressee), ("依据", proposal.basis))),
        Heading("有关情况"),
        Para(proposal.circumstances),
        Grid("情形统计", ("情形", "次数"), proposal.counts),
        Para(f"相关工单：{'、'.join(proposal.tickets) or '无'}"),
        Heading("问责建议"),
        Para(proposal.proposal),
        Signs(tuple(one.line for one in proposal.opinions) or (("审核意见", ""),)),
    )
    return Paper("追责问责建议书", proposal.issuer, proposal.number, _day(proposal.day), INSIDE, blocks)


@dataclass(frozen=True, slots=True)
class Section:
    """A table of a ticket's file; rows as long as `columns`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class TicketFile:
    """A ticket to be printed and kept (GZ-056). Texts come masked. kinds: what is kept with it, and how many of each.

    archive: its number, `` before it has one. watermark: who printed it, and when.
    """

    ticket: str
    issuer: str
    day: date
    title: str
    policy: str
    sections: tuple[Section, ...]
    kinds: tuple[tuple[str, int], ...]
    watermark: str
    archive: str = ""


def ticket_file(file: TicketFile) -> Paper:
    """Source: GZ-056, the printable file of a ticket."""
    blocks: list[Block] = [Fields((("工单编号", file.ticket), ("标题", file.title), ("适用办法", file.policy)))]
    for section in file.sections:
        blocks += [Heading(section.title), Grid(section.title, section.columns, section.rows)]
    blocks += [Heading("归档材料"), Grid("归档材料", ("材料", "件数"), file.kinds), Para(f"打印：{file.watermark}")]
    number = f"档案编号：{file.archive}" if file.archive else f"工单编号：{file.ticket}"
    return Paper("工单办理档案", file.issuer, number, _day(file.day), INSIDE, tuple(blocks))
