"""The menu files as shipped, and what is said of wrong ones."""

import shutil
from pathlib import Path

import pytest

from callcenter.types import QueueName
from config.menu_loader import load_menus, load_prompts
from config.problems import ConfigWrong, data_root

MAIN, AFTER, PROMPTS = "menus/main.yaml", "menus/after-queue.yaml", "texts/zh-CN/prompts.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the shipped data, to be spoilt."""
    for folder in ("menus", "texts"):
        shutil.copytree(str(data_root().joinpath(folder)), tmp_path / folder)
    return tmp_path


def problems(root: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigWrong) as caught:
        load_menus(root=root)
    return [(problem.file, problem.key, problem.what_to_write) for problem in caught.value.problems]


def spoil(root: Path, name: str, old: str, new: str) -> None:
    file = root / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_shipped_menus_load() -> None:
    menus = load_menus()
    assert set(menus.by_script) == {"ivr", "after-queue"}
    assert menus.queues == {QueueName("hotline"), QueueName("enterprise"), QueueName("emergency")}
    assert menus.prompts == load_prompts()


def test_every_queue_of_the_menus_is_in_asterisks_queues_conf() -> None:
    conf = data_root().joinpath("asterisk", "queues.conf").read_text(encoding="utf-8")
    for queue in load_menus().queues:
        assert f"\n[{queue}]" in conf


def test_every_prompt_is_used_by_a_menu_or_the_dialplan() -> None:
    text = "".join(data_root().joinpath(*name.split("/")).read_text(encoding="utf-8") for name in (MAIN, AFTER))
    text += data_root().joinpath("asterisk", "extensions.conf").read_text(encoding="utf-8")
    assert [name for name in load_prompts() if name not in text] == []


@pytest.mark.parametrize(
    ("file", "old", "new", "key", "words"),
    [
        (MAIN, 'silence: {queue: hotline}', "silence: {queue: hotlin}", "steps.greeting.silence", "'hotlin'"),
        (MAIN, 'silence: {queue: hotline}', "silence: hang-up", "steps.greeting.silence", "reach an agent"),
        (MAIN, '"0": {queue: hotline}', '"8": {queue: hotline}', "steps.greeting.keys", "add the key 0"),
        (MAIN, '"0": {queue: hotline}', '"0": {callback: full}', "steps.greeting.keys.0", "reach an agent"),
        (MAIN, '"0": {queue: hotline}', '"0": {queu: hotline}', "steps.greeting.keys.0", "{queue: NAME}"),
        (MAIN, '"0": {queue: hotline}', '"0": {queue: hotline, prio: 1}', "steps.greeting.keys.0.prio", "no such key"),
        (MAIN, '"0": {queue: hotline}', '"0": {queue: "hot,line"}', "steps.greeting.keys.0.queue", "pattern"),
        (MAIN, '"0": {queue: hotline}', '"0": repeat', "steps.greeting.keys.0", "again, wait or hang-up"),
        (MAIN, '"9": again', '"1": again', "line", "stands twice"),
        (MAIN, '"9": again', '"99": again', "steps.greeting.keys.99.[key]", "pattern"),
        (MAIN, '"9": again', '"9": {callback: soon}', "steps.greeting.keys.9.callback", "'full'"),
        (MAIN, '"9": again', '"9": wait', "steps.greeting.keys.9", "nothing was chosen"),
        (MAIN, '"9": again', '"9": {step: greeting}', "steps.greeting", "in a row"),
        (MAIN, '"9": again', '"9": {message: nope}', "steps.greeting.keys.9", "'nope' has no text"),
        (MAIN, "say: [keys]", "say: [nope]", "steps.greeting.say", "'nope' has no text"),
        (MAIN, "say: [keys]", "say: []", "steps.greeting.say", "at least 1"),
        (MAIN, "wait_s: 1", "wait_s: 0", "steps.greeting.wait_s", "greater than or equal"),
        (MAIN, "tries: 2", "tries: 99", "steps.greeting.tries", "less than or equal"),
        (MAIN, "tries: 2", "tries: true", "steps.greeting.tries", "integer"),
        (MAIN, "tries: 2", "trys: 2", "steps.greeting.trys", "take it out"),
        (MAIN, "start: greeting", "", "start", "is missing; add it"),
        (MAIN, "start: greeting", "start: none", "start", "no step 'none'"),
        (MAIN, "09:00-12:00", "9-12", "queues.enterprise.hours.open.0", '"09:00-17:00"'),
        (MAIN, "09:00-12:00", "12:00-09:00", "queues.enterprise.hours", "before the closing"),
        (MAIN, "closed: enterprise-closed", "closed: full", "steps.enterprise-closed", "nothing leads here"),
        (MAIN, "name: main", "name: [main", "line", "mend the YAML"),
        (MAIN, "script: ivr", "script: after-queue", "script", "is taken by the menu 'after-queue'"),
        (AFTER, "{TIMEOUT: busy", "{TIMEOUT: bussy", "start_by.TIMEOUT", "no step 'bussy'"),
        (PROMPTS, "goodbye: 感谢您的来电，再见。", "goodbye:", "goodbye", "valid string"),
        (PROMPTS, "goodbye: 感谢您的来电，再见。", "goodbye: [a]", "goodbye", "valid string"),
    ],
)  # fmt: skip
def test_wrong_file_is_told_with_the_key_and_what_to_write(
    root: Path, file: str, old: str, new: str, key: str, words: str
) -> None:
    spoil(root, file, old, new)
    found = problems(root)
    assert any(
        (where, at) == (file, key) or (key == "line" and at.startswith("line"))
        for where, at, what in found
        if words in what
    ), found


def test_problems_of_all_files_come_at_once(root: Path) -> None:
    spoil(root, MAIN, "tries: 2", "tries: 0")
    spoil(root, MAIN, "wait_s: 1", "wait_s: 99")
    spoil(root, AFTER, "start: nobody", "start: none")
    assert {(file, key) for file, key, _ in problems(root)} >= {
        (MAIN, "steps.greeting.tries"),
        (MAIN, "steps.greeting.wait_s"),
        (AFTER, "start"),
    }


def test_missing_files_are_told(root: Path) -> None:
    (root / AFTER).unlink()
    assert problems(root) == [("menus", "", "no menu has `script: after-queue`; write one")]
    (root / PROMPTS).unlink()
    assert (PROMPTS, "", "no such file; write it") in problems(root)


def test_file_that_is_no_utf8_is_told(root: Path) -> None:
    (root / MAIN).write_bytes("name: 主菜单".encode("gb18030"))
    assert (MAIN, "", "save the file as UTF-8") in problems(root)
