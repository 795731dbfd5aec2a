"""What proves that a recording was deleted by rule: which, when by two clocks, under which rule, what it was. PURE."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from callcenter.types import CallId, RecordingId
from recordings.retention.rules import Rule


@dataclass(frozen=True, slots=True)
class Certificate:
    """One row of `deletion_certificate` without its number. Times are aware UTC.

    sealed_sha256: of the object as it lay in the store. second_at: deleted_at as the second clock told it.
    """

    recording_id: RecordingId
    call_id: CallId
    name: UUID
    sealed_sha256: str
    sealed_bytes: int
    samples_sha256: str | None
    recorded_at: datetime
    counted_from: datetime
    rule: Rule
    delete_not_before: date
    recycled_at: datetime
    deleted_at: datetime
    second_at: datetime
    deleted_by: str

    @property
    def sha256(self) -> str:
        """Checksum of the whole certificate; the audit's chain holds it too."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def canonical(self) -> bytes:
        """`deletion1` and the fields as JSON: sorted names, no spaces, UTF-8, times in UTC with microseconds."""
        fields = {
            "article": self.rule.article,
            "call_id": self.call_id,
            "counted_from": _utc(self.counted_from),
            "delete_not_before": self.delete_not_before.isoformat(),
            "deleted_at": _utc(self.deleted_at),
            "deleted_by": self.deleted_by,
            "name": str(self.name),
            "policy_id": self.rule.policy_id,
            "policy_version": self.rule.policy_version,
            "recorded_at": _utc(self.recorded_at),
            "recording_id": self.recording_id,
            "recycled_at": _utc(self.recycled_at),
            "samples_sha256": self.samples_sha256,
            "sealed_bytes": self.sealed_bytes,
            "sealed_sha256": self.sealed_sha256,
            "second_at": _utc(self.second_at),
            "years": self.rule.years,
        }
        body = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return b"deletion1" + body.encode()


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
