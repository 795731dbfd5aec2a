"""A set of signatures by itself: any order side by side, no order skipped, complete only with all of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.types import Actor, Role, UnitId
from ticketing.approvals.signing import Approval, Gate, Signer, SignerKind, StepState, may_sign, steps_of

WATER = UnitId("water")
CHAINS = st.lists(st.integers(1, 3), min_size=1, max_size=4)


def person(title: str) -> Actor:
    return Actor("user", f"holder of {title}", frozenset({Role.LEADER}), titles=frozenset({title}))


@given(CHAINS, st.data())
def test_any_order_of_arrival_signs_group_after_group(sizes: list[int], data: st.DataObject) -> None:
    """People come again and again in any order; each signs exactly when the groups before theirs are complete."""
    chain = tuple(tuple(Signer(f"{row}.{place}") for place in range(size)) for row, size in enumerate(sizes))
    running = Approval(Gate.BEFORE_FEEDBACK, "rule", steps_of(chain), "user:asker")
    signed: list[str] = []
    total = sum(sizes)
    while len(signed) < total:
        assert not running.complete
        left = [signer.name for group in chain for signer in group if signer.name not in signed]
        for name in data.draw(st.permutations(left)):
            step = running.step_for(person(name))
            turn = (
                min(int(one.partition(".")[0]) for one in left if one not in signed) if set(left) - set(signed) else -1
            )
            assert (step is not None) == (int(name.partition(".")[0]) == turn)
            if step is not None:
                running = running.marked(step, StepState.SIGNED, str(person(name)))
                signed.append(name)
    assert running.complete
    assert running.current == ()
    rows = [int(name.partition(".")[0]) for name in signed]
    assert rows == sorted(rows)


HEAD = Actor("user", "h", frozenset({Role.UNIT_HEAD}), WATER)
TITLED = Actor("user", "t", frozenset({Role.LEADER}), titles=frozenset({"县长", "副县长@water"}))
WHO = [
    (TITLED, Signer("县长"), True),
    (TITLED, Signer("县长", SignerKind.OFFICE), True),
    (TITLED, Signer("副县长"), True),
    (TITLED, Signer("副"), False),
    (replace(TITLED, roles=frozenset({Role.SUPERVISOR})), Signer("县长"), False),
    (HEAD, Signer("主要负责人", SignerKind.UNIT_HEAD), True),
    (replace(HEAD, unit=UnitId("roads")), Signer("主要负责人", SignerKind.UNIT_HEAD), False),
    (replace(HEAD, unit=None), Signer("主要负责人", SignerKind.UNIT_HEAD), False),
    (replace(HEAD, roles=frozenset({Role.UNIT})), Signer("主要负责人", SignerKind.UNIT_HEAD), False),
    (Actor("user", "s", frozenset({Role.SUPERVISOR})), Signer("市长热线办公室", SignerKind.EXTERNAL), True),
    (TITLED, Signer("市长热线办公室", SignerKind.EXTERNAL), False),
]


@pytest.mark.parametrize(("actor", "signer", "may"), WHO)
def test_who_is_that_signer(actor: Actor, signer: Signer, may: bool) -> None:
    assert may_sign(actor, signer, WATER) is may


def test_a_title_for_one_unit_is_none_where_no_unit_has_the_ticket() -> None:
    assert not may_sign(TITLED, Signer("副县长"), None)
    assert not may_sign(TITLED, Signer("副县长"), UnitId("roads"))
