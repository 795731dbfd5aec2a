"""Logs as JSON lines: a constant message, data beside it, personal data only under `pii.` keys. Door to structlog."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}


def _extra(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What was given as `extra` becomes fields of the line."""
    record: logging.LogRecord = event["_record"]
    event.update({key: value for key, value in record.__dict__.items() if key not in STANDARD})
    return event


def set_up(process: str, *, verbose: bool = False) -> None:
    """Every log of this process to standard error, one JSON object a line."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_extra],
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            lambda _, __, event: {"process": process, **event},
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for noisy in ("aiohttp.access", "pgqueuer", "asyncio", "panoramisk"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
