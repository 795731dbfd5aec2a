"""Files kept with tickets: photographs of the place, papers, recordings made by hand. The hub's.

`kinds` says what a file is by its content, `cabinet` seals and opens, `rows` are the tables, `intake` brings one in,
`work` clears up what nobody needs and makes the second copy. Imports db, audit, vault, recordings.custody, ticketing.
"""
