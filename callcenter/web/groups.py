"""Every endpoint of the API, by subject."""

from callcenter.web import (
    calls,
    desk,
    health,
    live,
    people,
    recordings,
    sessions,
    tasks,
    ticket_commands,
    tickets,
)
from callcenter.web.router import Routes

GROUPS: tuple[Routes, ...] = (
    health.api,
    sessions.api,
    desk.api,
    calls.api,
    tickets.api,
    ticket_commands.api,
    tasks.api,
    people.api,
    recordings.api,
    live.api,
)
