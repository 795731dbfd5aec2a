"""Backups of PostgreSQL: sealed copies and the log, and the drill that restores them. The hub's; imports db and audit.

`base` takes a copy, `receiver` seals the log as it comes, `restored` makes a private cluster of both, `drill` proves.
"""
