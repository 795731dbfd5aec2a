"""Papers as docx, xlsx and PDF, opened again and read: Chinese is there, nothing is a formula or markup."""

import re
import zipfile
from dataclasses import replace
from datetime import date
from functools import cache
from io import BytesIO
from pathlib import Path

import pypdf
import pytest

from callcenter.reports import charts, fonts, papers, writing
from callcenter.reports.bulletin import paper_of
from callcenter.reports.paper import Chart, Fields, Grid, Heading, Paper, Para, Signs, clean
from config.policy_loader import load_policies
from config.report_kit import load_kit
from tests.support.documents import text_of
from tests.support.tickets import local
from ticketing.appraisal.figures import Figure, Left
from ticketing.appraisal.reports import (
    CaseLine,
    Collected,
    Format,
    Frozen,
    Overview,
    RankLine,
    Share,
    TopicKind,
    TopicLine,
    UnitLine,
    UnitTopic,
    crosses,
    kinds_of,
    public_view,
)
from ticketing.appraisal.rules import HotRules, Variant
from ticketing.appraisal.score import Points, Score
from ticketing.rules import Basis

NASTY = (
    '=HYPERLINK("http://x","点我")',
    "+1",
    "-1",
    "@SUM(A1)",
    "#import",
    "*粗*",
    "<script>",
    "$x^2$",
    "\\n\x00\x0b",
    "http://x",
)
CHART = Chart("诉求类型 $x$", "bars", ("咨询", "=1+1"), (3.0, 5.0))
LINE = Chart("走势", "line", tuple(f"2026-10-{day:02d}" for day in range(1, 32)), tuple(float(n) for n in range(31)))
PAPER = Paper(
    "月度通报",
    "某县热线办",
    "第1期",
    "2026年10月1日",
    "内部资料",
    (
        Heading("一、总体情况"),
        *(Para(text) for text in NASTY),
        Grid("表/一:*?", ("单位", "数值"), (*((text, 1.5) for text in NASTY), ("县水务局", None))),
        Grid("表/一:*?", ("单位",), (("另一张",),)),
        CHART,
        LINE,
        Fields((("工单", NASTY[0]),)),
        Signs((("领导批示", ""),)),
    ),
)


@cache
def font() -> fonts.Font:
    return fonts.find()


@cache
def written(format_: Format) -> bytes:
    return writing.write(PAPER, format_, font())


@pytest.mark.parametrize("format_", Format)
def test_chinese_text_comes_out_as_it_went_in(format_: Format) -> None:
    text = text_of(written(format_), format_).replace(" ", "")
    for words in ("月度通报", "某县热线办", "县水务局", "领导批示"):
        assert words in text


@pytest.mark.parametrize("format_", Format)
def test_text_is_text_and_never_markup(format_: Format) -> None:
    text = text_of(written(format_), format_)
    for words in ("#import", "*粗*", "<script>", "@SUM(A1)"):
        assert words in text.replace(" ", "")


def test_no_cell_of_a_workbook_is_a_formula_or_a_link() -> None:
    with zipfile.ZipFile(BytesIO(written(Format.XLSX))) as book:
        names = book.namelist()
        sheets = [book.read(name).decode() for name in names if name.startswith("xl/worksheets/sheet")]
        styles = book.read("xl/styles.xml").decode()
    assert len(sheets) == 3
    for sheet in sheets:
        assert "<f>" not in sheet
        assert "<f " not in sheet
        assert "hyperlink" not in sheet
        assert not re.search(r't="(str|b|e)"', sheet), "only shared strings and numbers"
    assert 'quotePrefix="1"' in styles
    assert "externalLink" not in "".join(names)


def test_two_sheets_never_share_a_name_and_no_name_is_refused_by_excel() -> None:
    with zipfile.ZipFile(BytesIO(written(Format.XLSX))) as book:
        names = re.findall(r'sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())
    assert names == ["说明", "表一", "表一2"]


def test_the_pdf_carries_the_chinese_font() -> None:
    reader = pypdf.PdfReader(BytesIO(written(Format.PDF)))
    names = str([page["/Resources"]["/Font"] for page in reader.pages])  # type: ignore[index]
    embedded = {
        str(page["/Resources"]["/Font"][key]["/BaseFont"])  # type: ignore[index]
        for page in reader.pages
        for key in page["/Resources"]["/Font"]  # type: ignore[index]
    }
    assert embedded
    assert all("WenQuanYi" in name or font().family.replace(" ", "") in name for name in embedded), names


def test_a_chart_is_a_picture_in_every_format() -> None:
    png = charts.draw(CHART, font().path)
    assert png.startswith(b"\x89PNG")
    with zipfile.ZipFile(BytesIO(written(Format.DOCX))) as file:
        assert sum(name.startswith("word/media/") for name in file.namelist()) == 2
    with zipfile.ZipFile(BytesIO(written(Format.XLSX))) as file:
        assert any(name.startswith("xl/media/") for name in file.namelist())
    images = [image for page in pypdf.PdfReader(BytesIO(written(Format.PDF))).pages for image in page.images]
    assert len(images) == 2


def test_a_missing_font_is_told_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_font = tmp_path / "font.ttf"
    no_font.write_bytes(b"no font")
    with pytest.raises(fonts.FontMissing, match="without Chinese"):
        fonts.find(no_font)
    monkeypatch.setattr(fonts, "KNOWN", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(fonts.FontMissing, match="fonts-wqy-microhei"):
        fonts.find()


def test_a_font_says_what_it_lacks() -> None:
    assert font().lacks("督办 通报\n") == ""
    assert font().lacks("督\U00020bb7") == "\U00020bb7"


def test_what_no_format_can_hold_is_left_out() -> None:
    assert clean("a\x00b\x0bc\ud800d\n") == "abcd\n"


# ---- bulletins -----------------------------------------------------------------------------------------------------

HOT = HotRules(least=5, callers=3, growth=1.5, terms=3, public_least=5, basis=Basis())
SECRET_PLACE, SECRET_CASE, PHONE, TICKET = "胡同口张三家", "李四反映邻居漏水", "13800138000", "20261001000001"
SCORE = Score("water", 92.5, (Points("on_time", "按时办结", "办理", 37.0, 40, "92.50% × 40分"),))


def frozen(template: str = "bulletin") -> Frozen:
    figure = Figure("on_time_close", "", 37, 40, (Left("已准予退单，由其他单位办理", 2),))
    water = UnitLine("water", "县水务局", "department", "", (replace(figure, unit="water"),), SCORE)
    gas = UnitLine("gas", "燃气公司", "enterprise", "", (replace(figure, unit="gas", count=10),), None)
    return Frozen(
        definition="monthly",
        template=template,
        title="热线专报",
        term="2026-10",
        label="2026年10月",
        region="某县",
        policy="sample@1",
        metrics="core@1",
        attribution="考核期内办结的工单计入本期。",
        made_at=local(2026, 11, 1, 7),
        sent_to=("县政府",),
        hot="同一事项本期不少于5件列为热点",
        overview=Overview(
            40, 32, (Share("求助", 40),), (Share("电话", 40),), (Share("已办结", 40),), (Share("2026-10-01", 40),)
        ),
        platform=(figure,),
        platform_score=None,
        units=(gas, water),
        ranked_by="on_time_close",
        ranking=(RankLine("", 1, "water", 0.925), RankLine("", 2, "gas", 0.25)),
        collected=(Collected("2026-Q1", "water", 90.0),),
        topics=(
            TopicLine("供水", "桂龙路", 20, 5, 12, 2, 3, 3, 18, 5),
            TopicLine("邻里", SECRET_PLACE, 6, 0, 1, 1, 1, 1, 6, 0),
            TopicLine("作风", "某局", 9, 0, 5, 1, 1, 1, 2, 0),
        ),
        unit_topics=(UnitTopic("water", "供水", 20, 5, 4), UnitTopic("water", "水费", 2, 0, 0)),
        cases=(
            CaseLine(TICKET, f"供水恢复及时 {PHONE}", "water", "good", f"当天办结 {PHONE}", public=True),
            CaseLine("20261001000002", SECRET_CASE, "water", "problem", "逾期未办", public=False),
        ),
        remarks="内部建议：约谈该单位",
    )


def report(figures: Frozen) -> Paper:
    kit = load_kit()
    return paper_of(figures, kit.template(figures.template), kit.metrics("core@1"), HOT)


@pytest.mark.clause("GZ-057", "LS-083")
@pytest.mark.parametrize("format_", Format)
def test_a_bulletin_holds_figures_formula_ranking_and_cases(format_: Format) -> None:
    text = text_of(writing.write(report(frozen()), format_, font()), format_).replace(" ", "").replace("\n", "")
    for words in (
        "期限内办理回复件数37÷应办结件数40=92.50%",
        "县水务局",
        "已准予退单",
        "供水",
        "问题案例1",
        "2026年10月",
    ):
        assert words.replace(" ", "") in text, words


@pytest.mark.clause("SQ-050", "LS-083")
@pytest.mark.parametrize("format_", Format)
def test_the_public_version_names_nobody(format_: Format) -> None:
    public = report(public_view(frozen(), HOT))
    text = text_of(writing.write(public, format_, font()), format_).replace(" ", "").replace("\n", "")
    for words in (SECRET_PLACE, SECRET_CASE, PHONE, TICKET, "作风", "水费", "约谈"):
        assert words not in text
        assert words not in public.text
    assert "供水恢复及时138****8000" in text, "the case that was decided to be public is there, its number masked"
    assert "公开发布" in text
    assert "县水务局" in text


@pytest.mark.clause("SQ-050")
def test_a_topic_without_its_confidential_requests_is_what_the_public_sees() -> None:
    shown = {topic.subject: topic for topic in public_view(frozen(), HOT).topics}
    assert (shown["供水"].count, shown["供水"].place) == (18, "桂龙路")
    assert shown["邻里"].place == "", "one caller's place is not told"
    assert "作风" not in shown, "two are too few not to be recognised"


@pytest.mark.clause("SQ-026", "GZ-058", "GZ-015")
def test_topics_are_hot_concentrated_or_persistent() -> None:
    water, neighbour, _ = frozen().topics
    assert kinds_of(water, HOT) == (TopicKind.HOT, TopicKind.CONCENTRATED, TopicKind.PERSISTENT)
    assert kinds_of(neighbour, HOT) == (TopicKind.HOT,)
    assert kinds_of(replace(water, count=6, before=5, callers=1, terms=1), HOT) == ()
    assert (crosses(water), crosses(neighbour)) == (True, False)


@pytest.mark.clause("LS-093")
def test_an_industry_opinion_is_about_public_service_enterprises_alone() -> None:
    (grid,) = [
        block for block in report(frozen("industry")).blocks if isinstance(block, Grid) and "企事业" in block.name
    ]
    assert {row[0] for row in grid.rows} == {"燃气公司"}


@pytest.mark.clause("SQ-032")
def test_scores_can_be_taken_out_as_a_workbook() -> None:
    scored = replace(frozen("appraisal"), ranked_by="score", ranking=(RankLine("", 1, "water", 92.5),))
    text = text_of(writing.write(report(scored), Format.XLSX, font()), Format.XLSX)
    for words in ("得分", "按时办结", "92.50% × 40分", "综合得分"):
        assert words in text


@pytest.mark.parametrize("region", ["ganzhou", "weixi", "longsheng", "suqian", "mengcheng"])
def test_every_report_of_every_regulation_can_be_written(region: str) -> None:
    policy = load_policies(region)[-1]
    assert policy.reports is not None
    for definition in policy.reports.definitions:
        for variant in definition.variants:
            figures = replace(frozen(definition.template), title=definition.title)
            view = figures if variant is Variant.INTERNAL else public_view(figures, policy.reports.hot)
            paper = report(view)
            assert definition.title in paper.title
            assert len(paper.blocks) >= 2
            assert font().lacks(paper.text) == ""


# ---- small papers --------------------------------------------------------------------------------------------------

DAY = date(2026, 10, 9)
SMALL = [
    papers.approval_sheet(
        papers.ApprovalSheet(
            "呈〔2026〕3号",
            "区热线中心",
            DAY,
            TICKET,
            "久拖不决的供水问题",
            "小区停水半年",
            "两次督办未果",
            "建议由分管领导协调",
            (papers.Opinion("分管领导", "同意", "王某", DAY), papers.Opinion("主要领导")),
        )
    ),
    papers.supervision_notice(
        papers.SupervisionNotice(
            "督〔2026〕1号",
            "县热线办",
            DAY,
            "县水务局",
            TICKET,
            "停水",
            "逾期未办结",
            "书面",
            "三日内办结并反馈",
            "2026年10月12日",
            "第十三条",
            ("县效能办", "县绩效评价中心"),
        )
    ),
    papers.handling_opinion(
        papers.HandlingOpinion(
            "意〔2026〕2号", "县水务局", DAY, TICKET, "停水", "管网老化", "城市供水条例", "已更换管网", "张工", "李局"
        )
    ),
    papers.accountability_proposal(
        papers.AccountabilityProposal(
            "问〔2026〕1号",
            "区热线中心",
            DAY,
            "县水务局",
            "两次督办仍未反馈",
            (("督办后未反馈", 2),),
            (TICKET,),
            "建议约谈",
            "区纪委监委",
            "第二十条",
        )
    ),
    papers.ticket_file(
        papers.TicketFile(
            TICKET,
            "县热线工作站",
            DAY,
            "停水两天",
            "某办法(some@1)",
            (papers.Section("办理过程", ("时间", "事项"), (("2026-10-09 09:00", "派单"), ("", "已恢复供水"))),),
            (("工单", 1), ("电话记录", 2)),
            "shen-ji 2026-10-12T09:00:00+00:00",
            "GZ-2026W41-00001",
        )
    ),
]
SMALL_WORDS = [
    ("呈批件", "建议由分管领导协调", "主要领导"),
    ("督办通知书", "县效能办", "三日内办结并反馈"),
    ("书面办理意见", "城市供水条例", "李局"),
    ("追责问责建议书", "区纪委监委", "督办后未反馈"),
    ("工单办理档案", "GZ-2026W41-00001", "已恢复供水"),
]


@pytest.mark.clause("GZ-036", "GZ-056", "GZ-066", "SQ-024")
@pytest.mark.parametrize("format_", [Format.DOCX, Format.PDF])
@pytest.mark.parametrize(("paper", "words"), list(zip(SMALL, SMALL_WORDS, strict=True)))
def test_small_papers_are_written(paper: Paper, words: tuple[str, ...], format_: Format) -> None:
    text = text_of(writing.write(paper, format_, font()), format_).replace(" ", "").replace("\n", "")
    for word in words:
        assert word in text
