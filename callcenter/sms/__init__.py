"""Short messages: what is sent to a citizen, what became of it, what came back.

`port` says what a gateway must do, `kannel` does it; `service` keeps the record, `submit` sends at most once,
`intake` takes receipts and replies from the gateway. `message`, `facts`, `hours`, `texts`, `rate` and `charset`
are PURE. Imports `callcenter.jobs` and `callcenter.types` only: what a reply means is decided by the hub's flow.
"""
