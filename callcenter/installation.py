"""What this hotline was installed with, as those who look after it see it: values given by `app`, no secrets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from ivr.menu import Menu


@dataclass(frozen=True, slots=True)
class Notice:
    """A calendar file in force, with the names of its days. year None: an overlay; years: those it tells.

    imported False: it came with the program. provisional: there is none for this year yet, the statute's days stand in.
    """

    name: str
    title: str
    source: str
    year: int | None
    years: tuple[int, ...]
    holidays: Mapping[date, str]
    makeup_workdays: Mapping[date, str]
    imported: bool
    provisional: bool = False


Notices = Callable[[Mapping[str, str]], tuple[Notice, ...]]
"""Imported texts by name -> every file in force. Raises callcenter.calendars.CalendarRefused when one is wrong."""


def _none(_: Mapping[str, str]) -> tuple[Notice, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Installation:
    """menus: by AGI script. prompts: text of every prompt by name. model_dir: the speech model in use.

    models_dir: where others are. sms_file, menus_folder: which configuration they come from, for people.
    """

    menus: Mapping[str, Menu] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    prompts_dir: Path | None = None
    model_dir: Path | None = None
    models_dir: Path | None = None
    live_words: bool = False
    transcripts: bool = False
    second_clock: str = ""
    notices: Notices = _none
