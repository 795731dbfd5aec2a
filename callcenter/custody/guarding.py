"""The sweeps that guard what is kept: the audit's chain, who reads too much, and whether recordings are whole."""

from contextlib import AsyncExitStack, suppress

from callcenter.app import App
from callcenter.audit_chain import Algorithm
from callcenter.custody.anchors import Places, places
from callcenter.custody.chain_work import ChainWork
from callcenter.custody.read_watch import ReadWatch
from callcenter.custody.recheck_work import RECHECK_JOB, SWEEP_S, Recheck
from callcenter.db import DatabaseAway
from callcenter.jobs import Worker
from callcenter.settings import Settings
from recordings.custody.ground import Ground
from recordings.custody.objects import StoreAway


def places_of(settings: Settings, custody: Ground) -> Places:
    """Where this installation anchors its audit. Raises SigningKeyWrong. Blocking."""
    return places(settings.anchor_dir, custody.copy or custody.store, settings.signing_key)


def register(worker: Worker, app: App, stack: AsyncExitStack) -> None:
    """Before the worker runs. Raises SigningKeyWrong."""
    chain = ChainWork(app.database, Algorithm(app.settings.digest), places_of(app.settings, app.custody))
    worker.every(1, "audit.seal", chain.seal)
    worker.every(3600, "audit.anchor", chain.keep_object)
    stack.push_async_callback(_last_anchor, chain)
    worker.every(30, "audit.many_reads", ReadWatch(app.database, app.board).sweep)
    recheck = Recheck(app.database, app.custody)
    worker.every(SWEEP_S, "recordings.recheck", recheck.sweep)
    worker.handle({RECHECK_JOB: recheck.one})


async def _last_anchor(chain: ChainWork) -> None:
    """At an orderly end; what cannot be written now is written by the next process."""
    with suppress(DatabaseAway, StoreAway):
        await chain.seal()
        await chain.keep_object()
