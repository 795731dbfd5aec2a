"""Signatures: gates before dispatch, inside the unit and before feedback; supplements; termination."""
