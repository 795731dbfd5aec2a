"""The telephone menus a citizen meets before and after the queue. Knows callers and digits, not tickets.

- `menu`     PURE: a menu as data, and `advance()`: one answer of the caller in, the next acts out
- `proof`    PURE: `prove()`: every path of a menu ends, and a person is always one key or a silence away
- `fastagi`  EDGE: the FastAGI server and one AGI conversation, strict about what it reads and writes
- `session`  one call's way through a menu over an AGI conversation; reports each step as a UserEvent
- `server`   puts them together: IvrServer
- `prompts`  makes the spoken prompts from their texts (`python -m ivr.prompts`)

Imports nothing else of ours but `callcenter.types`. When it is away the dialplan goes straight to the queue.
"""
