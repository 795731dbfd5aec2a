"""Every data file under config/ read at once, for `callcenter check-config`: all that is wrong, not only the first."""

from collections.abc import Callable, Iterator

from config.calendar_loader import CalendarFiles, compose, read_files
from config.clause_loader import load_clauses
from config.menu_loader import load_menus
from config.policy_loader import load_policies, policy_ids
from config.prefill_loader import load_prefill
from config.problems import ConfigProblem, ConfigWrong
from config.report_kit import load_kit
from config.sms_loader import load_sms
from config.unit_loader import load_directory
from ticketing.policy import Policy


def every_problem() -> tuple[ConfigProblem, ...]:
    """All that is wrong in menus, texts, calendars, policies with what they name, regions, reports; each once."""
    found: list[ConfigProblem] = []
    for load in (load_menus, load_sms, load_clauses):
        found += _problems(load)
    found += _problems(read_files)
    policies: list[Policy] = []
    for policy_id in policy_ids():
        found += _problems(lambda name=policy_id: policies.extend(load_policies(name)))  # type: ignore[misc]
        found += _problems(lambda name=policy_id: load_prefill(name))  # type: ignore[misc]
        own = next((policy for policy in reversed(policies) if policy.id == policy_id), None)
        found += _problems(lambda name=policy_id, own=own: load_directory(name, own))  # type: ignore[misc]
    found += _problems(lambda: load_kit(policies))
    found += _overlay_problems(policies)
    return tuple(dict.fromkeys(found))


def _overlay_problems(policies: list[Policy]) -> Iterator[ConfigProblem]:
    """What laying each policy's own days over the years brings up."""
    try:
        files = read_files()
    except ConfigWrong:
        return  # told already
    for policy in policies:
        for wrong in _problems(lambda names=policy.calendar.overlays: _laid(files, names)):  # type: ignore[misc]
            what = f"{policy.name} names it under calendar.overlays: {wrong.what_to_write}"
            yield ConfigProblem(wrong.file, wrong.key, what)


def _laid(files: CalendarFiles, overlays: tuple[str, ...]) -> None:
    compose(files, overlays)


def _problems(load: Callable[[], object]) -> tuple[ConfigProblem, ...]:
    try:
        load()
    except ConfigWrong as wrong:
        return wrong.problems
    return ()
