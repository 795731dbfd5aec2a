"""Retention: how long a recording is kept, what holds it longer, and how its end is proved.

`rules` says until when (PURE), `certificates` what the end is proved with (PURE), `tables` and `triggers` what the
database keeps and refuses, `second_clock` is the door to a clock that is not ours, `holds` and `expiry` change rows,
`guards` says whether every trigger still stands.
"""
