"""The hub: the story of a call, the telephony core, SMS and the web API.

May import every package of ours; only `app`, `__main__`, `cli` and `stack` import `config`.
This file imports nothing, so that the leaves can import `callcenter.types` without the hub.
"""
