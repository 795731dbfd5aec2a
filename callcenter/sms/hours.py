"""PURE: when people may be sent a message."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class SendHours:
    """Local wall-clock times of every day; `opens` is inside, `closes` is not.

    Raises ValueError unless opens < closes.
    """

    opens: time
    closes: time
    zone: tzinfo

    def __post_init__(self) -> None:
        if self.opens >= self.closes:
            raise ValueError("send hours must open before they close, on the same day")


def next_send_time(now: datetime, hours: SendHours) -> datetime:
    """`now` itself inside the hours, else the next opening. now: aware; returns aware UTC."""
    local = now.astimezone(hours.zone)
    if hours.opens <= local.time() < hours.closes:
        return now.astimezone(UTC)
    day = local.date() if local.time() < hours.opens else local.date() + timedelta(days=1)
    return datetime.combine(day, hours.opens, tzinfo=hours.zone).astimezone(UTC)
