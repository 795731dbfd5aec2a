"""What figures are counted over: populations, their facts by name, and tests of facts as data. PURE.

A test is written `returned`, `not returned`, `rating=满意|基本满意`, `request_no>=2` or `flags~mediation|enforcement`
(the list holds one of these). `Test.holds` is what it means; `ticketing.appraisal.sql` says the same in SQL.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a fact is; no fact is ever unknown."""

    BOOL = "bool"
    INT = "int"
    TEXT = "text"
    LIST = "list"


class Population(StrEnum):
    """What is counted."""

    TICKETS = "tickets"
    """Every request, by the moment it was registered; they belong to the platform."""
    WORK = "work"
    """Every dispatch of a ticket to a lead unit, round by round; the unit is that lead."""
    RETURNS = "returns"
    """Every request of a unit to give a ticket back."""
    REPLIES = "replies"
    """Every reply of a unit."""
    SUPERVISIONS = "supervisions"
    """Every supervision of a ticket that a unit had."""
    KNOWLEDGE = "knowledge"
    """Every item of a unit that stands in the knowledge base when the figures are made."""
    QUESTIONS = "questions"
    """Every question to a unit about what the knowledge base should say, and every defect reported to it."""


POPULATION_NAMES: dict[Population, str] = {
    Population.TICKETS: "受理工单",
    Population.WORK: "承办工单",
    Population.RETURNS: "退单申请",
    Population.REPLIES: "回复",
    Population.SUPERVISIONS: "督办",
    Population.KNOWLEDGE: "知识点",
    Population.QUESTIONS: "知识提问",
}

_ABOUT_TICKET: dict[str, Kind] = {
    "request_type": Kind.TEXT,
    "source": Kind.TEXT,
    "urgent": Kind.BOOL,
    "confidential": Kind.BOOL,
    "flags": Kind.LIST,
    "request_no": Kind.INT,
    "state": Kind.TEXT,
    "abusive": Kind.BOOL,
    "exempt": Kind.BOOL,
}
"""state: the one it has, or had before it was archived. abusive: abuse was noted on it. exempt: marked so by a rule."""

FIELDS: dict[Population, dict[str, Kind]] = {
    Population.TICKETS: {
        **_ABOUT_TICKET,
        "dispatch_limited": Kind.BOOL,
        "dispatched_in_time": Kind.BOOL,
        "dispatched": Kind.BOOL,
    },
    Population.WORK: {
        **_ABOUT_TICKET,
        "round": Kind.INT,
        "sign_limited": Kind.BOOL,
        "signed_in_time": Kind.BOOL,
        "contact_limited": Kind.BOOL,
        "contacted_in_time": Kind.BOOL,
        "handle_limited": Kind.BOOL,
        "replied_in_time": Kind.BOOL,
        "replied": Kind.BOOL,
        "solved": Kind.BOOL,
        "closed": Kind.BOOL,
        "reworked": Kind.BOOL,
        "explained": Kind.BOOL,
        "objective": Kind.BOOL,
        "returned": Kind.BOOL,
        "extended": Kind.BOOL,
        "rejections": Kind.INT,
        "rating": Kind.TEXT,
        "service_rating": Kind.TEXT,
        "rating_source": Kind.TEXT,
    },
    Population.RETURNS: {**_ABOUT_TICKET, "decision": Kind.TEXT},
    Population.REPLIES: {**_ABOUT_TICKET, "rejected": Kind.BOOL},
    Population.SUPERVISIONS: {"automatic": Kind.BOOL, "trigger": Kind.TEXT, "answered_in_time": Kind.BOOL},
    Population.KNOWLEDGE: {"valid": Kind.BOOL, "reviewed_in_time": Kind.BOOL, "uploaded_in_term": Kind.BOOL},
    Population.QUESTIONS: {"defect": Kind.BOOL, "due": Kind.BOOL, "answered_in_time": Kind.BOOL},
}
"""Population -> its facts.

solved: the last reply of the round says the matter is finished. closed: closed in this round. reworked: a later round
followed. objective: the cause of dissatisfaction lies beyond the unit. rating, service_rating (how people were
treated), rating_source: `` where nobody rated. *_limited: there was such a limit. due: answered, or should have been.
"""


class Moment(StrEnum):
    """What puts one into a term."""

    COUNTED = "counted"
    """Work only: finished, or overdue, by the policy's rule (see appraisal_terms.counted_at)."""
    HAPPENED = "happened"
    """When it was registered, dispatched, asked, sent or ordered."""


class Op(StrEnum):
    IS = ""
    NOT = "not"
    ONE_OF = "="
    LEAST = ">="
    HOLDS = "~"


class BadTest(ValueError):
    """No test of a fact."""


_COMPARED = re.compile(r"([a-z_]+)(=|>=|~)(\S+)")
Value = bool | int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Test:
    """One predicate over the facts of a row."""

    __test__ = False
    field: str
    op: Op
    values: tuple[str, ...] = ()

    def holds(self, facts: Mapping[str, Value]) -> bool:
        """Whether the row has it."""
        value = facts[self.field]
        if self.op is Op.IS:
            return bool(value)
        if self.op is Op.NOT:
            return not value
        if self.op is Op.LEAST:
            return isinstance(value, int) and value >= int(self.values[0])
        if self.op is Op.HOLDS:
            return isinstance(value, tuple) and bool(set(value) & set(self.values))
        return value in self.values

    def __str__(self) -> str:
        if self.op in (Op.IS, Op.NOT):
            return f"not {self.field}" if self.op is Op.NOT else self.field
        return f"{self.field}{self.op}{'|'.join(self.values)}"


FITTING = {
    Kind.BOOL: frozenset({Op.IS, Op.NOT}),
    Kind.INT: frozenset({Op.LEAST}),
    Kind.TEXT: frozenset({Op.ONE_OF}),
    Kind.LIST: frozenset({Op.HOLDS}),
}


def parse_test(text: str, population: Population) -> Test:
    """The test written so, on that population. Raises BadTest with what to write."""
    found = _COMPARED.fullmatch(text)
    if found:
        test = Test(found[1], Op(found[2]), tuple(found[3].split("|")))
    elif text.startswith("not "):
        test = Test(text.removeprefix("not ").strip(), Op.NOT)
    else:
        test = Test(text, Op.IS)
    fields = FIELDS[population]
    if test.field not in fields:
        raise BadTest(f"{test.field!r}: no fact of {population}; known are {', '.join(sorted(fields))}")
    kind = fields[test.field]
    if test.op not in FITTING[kind]:
        ways = {Kind.BOOL: "{0} or not {0}", Kind.INT: "{0}>=2", Kind.TEXT: "{0}=a|b", Kind.LIST: "{0}~a|b"}
        raise BadTest(f"{text!r}: {test.field} is {kind}; write {ways[kind].format(test.field)}")
    if test.op is Op.LEAST and not (test.values[0].isascii() and test.values[0].isdecimal()):
        raise BadTest(f"{text!r}: write a whole number after >=")
    if test.op in (Op.ONE_OF, Op.HOLDS) and "" in test.values:
        raise BadTest(f"{text!r}: an empty value; write {test.field}{test.op}a|b")
    return test
