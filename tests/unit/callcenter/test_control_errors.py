"""What ended a ringing or a refused action means to the agent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.control_errors import (
    EMERGENCY,
    ConsultCancelled,
    ControlError,
    Exchange,
    LegGone,
    PbxRefused,
    UnitBusy,
    UnitDeclined,
    UnitFailure,
    UnitNoAnswer,
    UnitNumberWrong,
    UnitUnreachable,
    refusal,
    unit_failure,
)

FAILURES: list[tuple[int, int | None, type[UnitFailure]]] = [
    (0, 17, UnitBusy),
    (5, None, UnitBusy),
    (3, 19, UnitNoAnswer),
    (0, 19, UnitNoAnswer),
    (3, None, UnitNoAnswer),
    (0, 18, UnitNoAnswer),
    (0, 21, UnitDeclined),
    (0, 1, UnitNumberWrong),
    (0, 16, ConsultCancelled),
    (0, 34, UnitUnreachable),
    (8, None, UnitUnreachable),
    (0, None, UnitUnreachable),
]


@pytest.mark.parametrize(("reason", "cause", "failure"), FAILURES)
def test_a_unit_that_was_not_reached_has_a_reason(reason: int, cause: int | None, failure: type[UnitFailure]) -> None:
    assert type(unit_failure(reason, cause)) is failure


def test_an_answered_unit_is_no_failure() -> None:
    assert unit_failure(4, None) is None


@given(st.integers(0, 10), st.none() | st.integers(0, 127))
def test_every_end_has_a_chinese_sentence(reason: int, cause: int | None) -> None:
    failure = unit_failure(reason, cause)
    assert (failure is None) == (reason == 4)
    assert failure is None or failure.sentence.endswith("。")


def _kinds(kind: type[ControlError]) -> list[type[ControlError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in _kinds(child))]


@pytest.mark.parametrize("kind", _kinds(ControlError))
def test_every_error_has_its_own_sentence_for_the_agent(kind: type[ControlError]) -> None:
    sentence = kind("detail").sentence
    assert sentence.endswith("。")
    assert [other for other in _kinds(ControlError) if other("detail").sentence == sentence] == [kind]


REFUSALS: list[tuple[str, type[ControlError]]] = [
    ("No such channel", LegGone),
    ("Channel does not exist: a-1763800000.12", LegGone),
    ("ExtraChannel does not exist: a-1763800000.13", LegGone),
    ("Permission denied", PbxRefused),
    ("Extension not specified", PbxRefused),
]


@pytest.mark.parametrize(("text", "kind"), REFUSALS)
def test_what_asterisk_refuses_becomes_an_error_of_ours(text: str, kind: type[ControlError]) -> None:
    assert type(refusal(text)) is kind


def test_the_emergency_presets_are_the_four_public_numbers_over_the_carrier() -> None:
    assert {target.number.digits: target.over for target in EMERGENCY.values()} == dict.fromkeys(
        ["110", "119", "120", "122"], Exchange.TRUNK
    )
