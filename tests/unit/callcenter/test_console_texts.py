"""The console's texts: all of them in the files of texts, none anywhere else, none that is missing or never used."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[3] / "callcenter" / "console" / "src"
TEXTS = SOURCES / "locales" / "zh-CN"
CHINESE = re.compile(r"[\u3400-\u9fff]")
COMMENT = re.compile(r"/\*.*?\*/|<!--.*?-->|(?<![:'\"`])//[^\n]*", re.S)
KEY = re.compile(r"""(?<![\w.])(?:\$?t|words)\(\s*['"]([a-z0-9_]+(?:\.[a-z0-9_]+)+)['"]""")
TITLE = re.compile(r"""(?<![:\w])(?:title|keypath|label_key)\s*[:=]\s*['"]([a-z0-9_]+(?:\.[a-z0-9_]+)+)['"]""")
DANGER = re.compile(
    r"\bv-html\b|\.innerHTML\b|\.outerHTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function\("
)


def files() -> list[Path]:
    found = [path for path in sorted(SOURCES.rglob("*")) if path.suffix in {".vue", ".ts"}]
    return [path for path in found if path.name != "schema.d.ts"]


def known(node: object, above: str) -> Iterator[str]:
    if isinstance(node, dict):
        for name, below in node.items():
            yield from known(below, f"{above}.{name}")
    else:
        yield above


def all_keys() -> set[str]:
    return {key for path in TEXTS.glob("*.json") for key in known(json.loads(path.read_text("utf-8")), path.stem)}


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(SOURCES)))
def test_no_text_stands_outside_the_files_of_texts(path: Path) -> None:
    plain = COMMENT.sub("", path.read_text("utf-8"))
    found = [line.strip() for line in plain.splitlines() if CHINESE.search(line)]
    assert found == []


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(SOURCES)))
def test_nothing_is_shown_but_as_text(path: Path) -> None:
    assert not DANGER.search(COMMENT.sub("", path.read_text("utf-8")))


def test_every_text_that_is_named_is_there() -> None:
    keys, missing = all_keys(), []
    for path in files():
        source = path.read_text("utf-8")
        for key in {*KEY.findall(source), *TITLE.findall(source)}:
            if key not in keys:
                missing.append(f"{path.relative_to(SOURCES)}: {key}")
    assert missing == []


def test_no_text_uses_a_sign_that_means_something_else() -> None:
    """`|` parts plurals and `@:` links messages (vue-i18n message format)."""
    wrong = []
    for path in TEXTS.glob("*.json"):
        for line in path.read_text("utf-8").splitlines():
            if re.search(r"(?<!\{')[@|](?!'\})", line.split(":", 1)[-1]):
                wrong.append(f"{path.name}: {line.strip()}")
    assert wrong == []
