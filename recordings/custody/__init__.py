"""Custody: a finished recording is compressed, sealed, stored twice, checked again and again, and never lost quietly.

`custody` says what a kept recording is (PURE), `sealed` and `keys` how it is encrypted (the door to cryptography),
`objects` where it lies (the door to obstore), `rows` what the database knows, `intake` how it gets there.
"""
