"""Asterisk's channel event log as it writes it, line by line, for tests that play Asterisk."""

import csv
import json
from datetime import datetime
from pathlib import Path

from callcenter.types import CallId

CALL = CallId("a-1763800000.12")
TRUNK, PHONE = "PJSIP/trunk-00000001", "PJSIP/8001-00000002"


class Log:
    """The CEL file; columns as config/asterisk/cel_custom.conf."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(
        self,
        eventtype: str,
        channel: str,
        at: datetime,
        *,
        call: str = CALL,
        name: str = TRUNK,
        application: str = "",
        context: str = "",
        number: str = "",
        queue: str = "",
        **extra: str | int,
    ) -> None:
        """Append one row. extra: what Asterisk puts into the column of that name."""
        told = json.dumps(extra) if extra else ""
        row = [channel, call, eventtype, f"{at.timestamp():.6f}", name, application, context, "s", "", told, ""]
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow([*row, number, queue])

    def started(self, call: str, at: datetime, number: str = "13800138000") -> None:
        """A citizen's call reaches the hotline and is answered by Asterisk."""
        self.write("CHAN_START", call, at, call=call, context="from-trunk", number=number)
        self.write("ANSWER", call, at, call=call, application="Answer", context="from-trunk", number=number)

    def queued(self, call: str, at: datetime, queue: str = "hotline") -> None:
        """It waits in a queue."""
        self.write("APP_START", call, at, call=call, application="Queue", context="queue", queue=queue)

    def talking(self, call: str, agent: str, at: datetime, bridge: str = "b-1") -> None:
        """The telephone 8001 rings, answers, and shares a bridge with the citizen."""
        self.write("CHAN_START", agent, at, call=call, name=PHONE, context="from-agent", number="8001")
        self.write("ANSWER", agent, at, call=call, name=PHONE, application="AppQueue")
        where = {"bridge_id": bridge, "bridge_technology": "simple_bridge"}
        self.write("BRIDGE_ENTER", agent, at, call=call, name=PHONE, application="AppQueue", **where)
        self.write("BRIDGE_ENTER", call, at, call=call, application="Queue", **where)

    def gone(self, call: str, channel: str, at: datetime, bridge: str = "b-1") -> None:
        """A leg leaves its bridge and hangs up."""
        self.write("BRIDGE_EXIT", channel, at, call=call, bridge_id=bridge)
        self.write("HANGUP", channel, at, call=call, hangupcause=16)
        self.write("CHAN_END", channel, at, call=call)

    def over(self, call: str, at: datetime) -> None:
        """The last leg has gone."""
        self.write("LINKEDID_END", call, at, call=call)
