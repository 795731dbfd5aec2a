"""Which offices a regulation asks to sign: what leaders' accounts can be given. PURE."""

from ticketing.approvals.signing import SignerKind
from ticketing.policy import Policy

HELD = frozenset({SignerKind.TITLE, SignerKind.OFFICE})
"""Signers known by the title of their account; the others by their role, or outside."""


def offices_of(policy: Policy) -> tuple[str, ...]:
    """Titles in the order of the regulation, each once."""
    rules = [*(policy.approval.gates if policy.approval else ())]
    rules += [policy.termination.rule] if policy.termination else []
    signers = (signer for rule in rules for group in rule.chain for signer in group)
    return tuple(dict.fromkeys(signer.name for signer in signers if signer.kind in HELD))
