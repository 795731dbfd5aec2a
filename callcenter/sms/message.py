"""PURE: the life of one outgoing message, from the queue to the phone.

    queued -> submitting -> submitted -> delivered | undelivered
                   |             `-> rejected
                   |-> rejected            the gateway refused it for good
                   |-> unknown             it may have gone out; never sent again, a receipt may still tell
                   `-> queued              for sure nothing went out; may be tried again
    queued -> suppressed                   stopped, expired or no number: it will never be sent

Receipts arrive late, twice, in any order and before the gateway's own answer: a receipt in any state that is
not final says that the message went out.
"""

from enum import StrEnum


class Purpose(StrEnum):
    """Why a message is sent. A survey asks for a rating; an ack answers a message the citizen just sent."""

    SURVEY = "survey"
    INFO = "info"
    ACK = "ack"
    DUTY = "duty"
    """To somebody on duty for a unit, at any hour."""


class State(StrEnum):
    """Where a message stands."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"


class Event(StrEnum):
    """What can happen to it."""

    SUBMIT = "submit"
    """Committed before the first byte is written to the gateway."""
    ACCEPTED = "accepted"
    NOT_SENT = "not_sent"
    REFUSED = "refused"
    LOST = "lost"
    SUPPRESS = "suppress"
    TOLD_DELIVERED = "told_delivered"
    TOLD_FAILED = "told_failed"
    TOLD_WAITING = "told_waiting"
    """The gateway, or the carrier's centre, holds it."""
    TOLD_REFUSED = "told_refused"


_TOLD = {
    Event.TOLD_DELIVERED: State.DELIVERED,
    Event.TOLD_FAILED: State.UNDELIVERED,
    Event.TOLD_WAITING: State.SUBMITTED,
    Event.TOLD_REFUSED: State.REJECTED,
}

TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.QUEUED, Event.SUBMIT): State.SUBMITTING,
    (State.QUEUED, Event.SUPPRESS): State.SUPPRESSED,
    (State.SUBMITTING, Event.ACCEPTED): State.SUBMITTED,
    (State.SUBMITTING, Event.NOT_SENT): State.QUEUED,
    (State.SUBMITTING, Event.REFUSED): State.REJECTED,
    (State.SUBMITTING, Event.LOST): State.UNKNOWN,
    # The answer of a submit that was given up as lost.
    (State.UNKNOWN, Event.ACCEPTED): State.SUBMITTED,
    (State.UNKNOWN, Event.REFUSED): State.REJECTED,
    **{
        (before, told): after
        for before in (State.QUEUED, State.SUBMITTING, State.SUBMITTED, State.UNKNOWN)
        for told, after in _TOLD.items()
        if before is not after
    },
}

FINAL = frozenset({State.DELIVERED, State.UNDELIVERED, State.REJECTED, State.SUPPRESSED})

# Kannel 1.4 user guide, "delivery reports": the values of %d.
RECEIPTS: dict[int, Event] = {
    1: Event.TOLD_DELIVERED,
    2: Event.TOLD_FAILED,
    4: Event.TOLD_WAITING,
    8: Event.TOLD_WAITING,
    16: Event.TOLD_REFUSED,
}


def advance(state: State, event: Event) -> State:
    """The state after the event; the same state when the event says nothing new."""
    return TRANSITIONS.get((state, event), state)
