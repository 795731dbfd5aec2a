"""How suggestions meet what the agent typed: the agent's word stands."""

import pytest

from ticketing.prefill.draft import Decision, Field, FieldState, Source, Suggestion, Verdict, filled, merge


def a_suggestion(value: str, confidence: float = 0.8, field: Field = Field.REQUEST_TYPE) -> Suggestion:
    return Suggestion(field, value, value, value, 0.0, 1.0, confidence, "test")


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (None, Verdict.FILL),
        (FieldState(), Verdict.FILL),
        (FieldState("咨询", Source.SUGGESTED), Verdict.REPLACE),
        (FieldState("投诉", Source.SUGGESTED), Verdict.AGREE),
        (FieldState("投诉", Source.AGENT), Verdict.AGREE),
        (FieldState("咨询", Source.AGENT), Verdict.BESIDE),
        (FieldState("咨询", Source.CONFIRMED), Verdict.BESIDE),
        (FieldState(None, Source.AGENT), Verdict.BESIDE),
        (FieldState(None, Source.EMPTY, frozenset({"投诉"})), Verdict.DROP),
        (FieldState("咨询", Source.AGENT, frozenset({"投诉"})), Verdict.DROP),
        (FieldState(None, Source.EMPTY, frozenset({"举报"})), Verdict.FILL),
    ],
)
def test_suggestion_meets_a_field(state: FieldState | None, verdict: Verdict) -> None:
    suggestion = a_suggestion("投诉")
    current = {} if state is None else {Field.REQUEST_TYPE: state}
    assert merge(current, [suggestion]) == (Decision(suggestion, verdict),)


def test_best_suggestion_fills_and_the_other_stands_beside() -> None:
    weak, strong = a_suggestion("咨询", 0.4), a_suggestion("投诉", 0.9)
    assert merge({}, [weak, strong]) == (Decision(strong, Verdict.FILL), Decision(weak, Verdict.BESIDE))


def test_refused_best_lets_the_second_in() -> None:
    weak, strong = a_suggestion("咨询", 0.4), a_suggestion("投诉", 0.9)
    state = {Field.REQUEST_TYPE: FieldState(None, Source.EMPTY, frozenset({"投诉"}))}
    assert [d.verdict for d in merge(state, [strong, weak])] == [Verdict.DROP, Verdict.FILL]


def test_merging_again_changes_nothing() -> None:
    found = [a_suggestion("咨询", 0.4), a_suggestion("投诉", 0.9), a_suggestion("01.02", 0.7, Field.SUBJECT)]
    once = filled({}, merge({}, found))
    assert once[Field.REQUEST_TYPE] == FieldState("投诉", Source.SUGGESTED)
    assert filled(once, merge(once, found)) == once


def test_personal_values_stay_out_of_logs() -> None:
    assert "13800138000" not in repr(a_suggestion("x", field=Field.CONTACT_PHONE)) + repr(FieldState("13800138000"))
