"""Every screen of the console: who opens it, with what, and what is clicked to see more of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.support.web import CALL_ID
from tests.support.world import World


@dataclass(frozen=True, slots=True)
class View:
    """One look at a screen.

    route: as the console's router has it. who: opens it. at: its address, with names of World.ids in braces.
    clicks: what is clicked to see more of it. texts: so many of the hostile texts it shows at least.
    """

    route: str
    who: str
    at: str = ""
    clicks: tuple[str, ...] = ()
    texts: int = 0

    @property
    def name(self) -> str:
        """For a file."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.at or self.route}".lower()).strip("-") + (
            f"-{len(self.clicks)}" if self.clicks else ""
        )

    def address(self, world: World) -> str:
        return (self.at or self.route).format(
            **world.ids, call=CALL_ID, user=world.web.ids["agent2"], year=datetime.now(UTC).year
        )


TICKET = "/tickets/:id(\\d{14})"
ITEM = "/knowledge/items/:id(\\d+)"
SOME_MASKED = 59
"""A run of digits that looks like a telephone number is starred for who may not see one."""


def named(words: str) -> str:
    """Of a selector: what says so."""
    return f":has-text('{words}')"


AREAS: Mapping[str, tuple[View, ...]] = {
    "tickets": (
        View("/tickets", "supervisor", texts=50),
        View(TICKET, "supervisor", "/tickets/{ticket}", texts=60),
        View(TICKET, "unit", "/tickets/{ticket}", texts=SOME_MASKED),
        View(TICKET, "reviewer", "/tickets/{unsatisfied}", texts=60),
        View(f"{TICKET}/print", "supervisor", "/tickets/{ticket}/print", (f"button{named('在此查看并打印')}",), 60),
        View("/calls", "supervisor", texts=8),
        *(View("/calls", "supervisor", f"/calls?part={part}") for part in ("missed", "settled", "days")),
        View("/calls", "supervisor", "/calls?part=findings", texts=5),
        View("/calls", "supervisor", "/calls?part=gaps", texts=5),
        View("/calls/:id", "supervisor", "/calls/{call}", texts=SOME_MASKED),
    ),
    "work": (
        View("/desk", "agent", "/desk?ticket={draft}", texts=30),
        View("/dispatch", "dispatcher", "/dispatch?ticket={waiting}", texts=60),
        View("/dispatch", "dispatcher", "/dispatch?tab=return", texts=60),
        View("/dispatch", "dispatcher", "/dispatch?tab=extension", texts=60),
        View("/dispatch", "dispatcher", "/dispatch?tab=dispute", texts=60),
        View("/dispatch", "dispatcher", "/dispatch?tab=tasks"),
        View("/unit", "unit", texts=12),
        View("/unit", "unit", "/unit?tab=rejected", texts=12),
        View("/unit", "unit2", "/unit?tab=assists", texts=12),
        View("/unit", "unit", "/unit?tab=promises", texts=SOME_MASKED),
        View("/unit", "unit", "/unit?tab=notices", texts=60),
        View("/unit/own", "unit", texts=15),
        View("/unit/tickets/:id", "unit", "/unit/tickets/{ticket}", texts=SOME_MASKED),
        View("/unit/tickets/:id", "unit", "/unit/tickets/{sent_back}", texts=SOME_MASKED),
        View("/unit/tickets/:id", "unit", "/unit/tickets/{ticket}", (f"main button{named('回复办理结果')}",)),
    ),
    "review": (
        View("/approvals", "leader", "/approvals", ("main li button",), SOME_MASKED),
        View("/review", "reviewer", "/review?tab=replies", ("main li button",), 60),
        View("/review", "reviewer", "/review?tab=unsatisfied&open={unsatisfied}-0", texts=60),
        View("/review", "reviewer", "/review?tab=approvals", texts=10),
        View("/review", "reviewer", "/review?tab=commitments", texts=60),
        View("/knowledge", "agent", texts=8),
        View("/knowledge/work", "unit"),
        View("/knowledge/waiting", "reviewer", texts=8),
        View("/knowledge/questions", "unit", texts=SOME_MASKED),
        View("/knowledge/upkeep", "reviewer"),
        View("/knowledge/files", "reviewer"),
        View("/knowledge/new", "unit"),
        View(ITEM, "agent", "/knowledge/items/{item}", texts=60),
        View(ITEM, "reviewer", "/knowledge/items/{item}", texts=60),
        View(f"{ITEM}/edit", "unit", "/knowledge/items/{item}/edit", texts=60),
        View(f"{ITEM}/review", "reviewer", "/knowledge/items/{submitted}/review", texts=60),
    ),
    "watch": (
        View("/wallboard", "supervisor", texts=12),
        View("/wallboard/big", "supervisor"),
        View("/handset", "agent"),
        View("/overdue", "supervisor", "/overdue?part=near", texts=8),
        View("/overdue", "supervisor", "/overdue?part=overdue", texts=8),
        View("/overdue", "supervisor", "/overdue?part=supervisions", texts=3),
        View("/overdue", "supervisor", "/overdue?part=supervisions", ("main button.is-link",), 60),
        View("/overdue", "supervisor", "/overdue?part=cards", texts=60),
        View("/overdue", "supervisor", "/overdue?part=counts"),
        View("/overdue", "supervisor", "/overdue?part=returns"),
        View("/overdue", "supervisor", "/overdue?part=findings"),
        View("/overdue", "supervisor", "/overdue?part=logins"),
        View("/overdue", "supervisor", "/overdue?part=cases", ("main button.is-link",), 60),
        View("/overdue", "supervisor", "/overdue?part=duty", texts=20),
        View("/reports", "supervisor", "/reports?part=figures"),
        View("/reports", "supervisor", "/reports?part=ranking", texts=3),
        View("/reports", "supervisor", "/reports?part=topics", texts=50),
        View("/reports", "supervisor", "/reports?part=made"),
        View("/reports", "supervisor", "/reports?part=cases", texts=60),
        View("/reports", "supervisor", "/reports?part=inputs&term={year}", texts=60),
        View("/reports/figures/:metric([a-z0-9_]+)", "supervisor", "/reports/figures/on_time_close", texts=3),
        View("/reports/runs/:id(\\d+)", "supervisor", "/reports/runs/{run}", texts=60),
    ),
    "office": (
        View("/audit", "auditor"),
        View("/custody", "auditor", texts=5),
        View("/custody/holds", "auditor", texts=40),
        View("/custody/certificates", "auditor"),
        View("/custody/releases", "reviewer"),
        View("/archive", "auditor"),
        View("/archive/weeks", "auditor"),
        View("/policy", "agent"),
        View("/policy", "agent", "/policy?", (f":is([role=tab]){named('对照')}",)),
        View("/policy", "agent", "/policy?", (f":is([role=tab]){named('时限计算')}",)),
        View("/admin", "admin", texts=12),
        View("/admin/users", "admin", texts=12),
        View("/admin/users/:id", "admin", "/admin/users/{user}"),
        View("/admin/users/:id", "admin", "/admin/users/new"),
        View("/admin/units", "admin", texts=5),
        View("/admin/units", "admin", "/admin/units?unit=water", texts=8),
        View("/admin/filings", "admin", texts=3),
        View("/admin/catalogue", "admin", texts=8),
        View("/admin/calendars", "admin", texts=5),
        *(View(f"/admin/{page}", "admin") for page in ("menus", "sms", "models", "system")),
        View("/sign-in", ""),
        View("/password", "agent"),
        View("/:rest(.*)*", "agent", "/nothing-here"),
    ),
}  # fmt: skip
"""Areas of screens, each a test of its own."""
