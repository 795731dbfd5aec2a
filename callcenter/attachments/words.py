"""The words of files kept with tickets, and what is known of one. PURE."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callcenter.types import TicketId, UnitId

MOST_FILE_BYTES = 20 * 1024 * 1024
MOST_OF_TICKET = 20
"""Files of one round of a ticket."""
MOST_NOTE = 200


class Place(StrEnum):
    """Where a sealed object stands."""

    PREPARED = "prepared"
    """Its name is decided; whether anything lies there is not known."""
    STORED = "stored"
    LEAVING = "leaving"
    """Nobody needs it; it is being removed from the stores, and nobody may take it up again."""
    GONE = "gone"


class Purpose(StrEnum):
    """What a file was given for."""

    CITIZEN = "citizen"
    """From the citizen: hidden where the citizen is."""
    SCENE = "scene"
    REPLY = "reply"
    DOCUMENT = "document"
    REQUEST = "request"
    OTHER = "other"


PURPOSE_NAMES = {
    Purpose.CITIZEN: "诉求人提供的材料",
    Purpose.SCENE: "现场照片或录像",
    Purpose.REPLY: "办理材料",
    Purpose.DOCUMENT: "文书、书面意见",
    Purpose.REQUEST: "退单、延期等申请的证明材料",
    Purpose.OTHER: "其他",
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a ticket. added_unit None: the hotline's own people, or the citizen."""

    id: int
    ticket_id: TicketId
    round: int
    object_id: int
    purpose: Purpose
    name: str
    kind: str
    size_bytes: int
    sha256: str
    note: str
    added_at: datetime
    added_by: str
    added_unit: UnitId | None
    removed_at: datetime | None

    @property
    def ref(self) -> str:
        """How replies and requests name it: `file:12`."""
        return f"file:{self.id}"


@dataclass(frozen=True, slots=True)
class Given:
    """A file as it came, looked at: who is to keep it needs no more. data: the whole of it."""

    name: str
    kind: str
    sha256: str
    data: bytes
    purpose: Purpose
    note: str = ""
