"""The state machine as a mermaid diagram, drawn from the table: `python -m ticketing.diagram`. PURE."""

from ticketing.ticket import TRANSITIONS
from ticketing.words import EVENT_NAMES, STATE_NAMES, State


def mermaid() -> str:
    """A stateDiagram-v2 with Chinese names; events that leave the state as it is are gathered into one loop."""
    lines = ["stateDiagram-v2", f"  [*] --> {State.DRAFT}"]
    lines += [f"  {state}: {name}" for state, name in STATE_NAMES.items()]
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, event), transition in TRANSITIONS.items():
        arrows.setdefault((state, transition.next), []).append(EVENT_NAMES[event])
    lines += [f"  {old} --> {new}: {' / '.join(names)}" for (old, new), names in arrows.items()]
    return "\n".join([*lines, f"  {State.ARCHIVED} --> [*]"]) + "\n"


if __name__ == "__main__":
    print(mermaid(), end="")
