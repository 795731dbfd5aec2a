"""The table of kept recordings: one object each, in one store and its copy."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
)

from recordings.custody.custody import Cipher, Codec, Custody
from recordings.tables import metadata, one_of, recording


def _at(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True))


recording_object = Table(
    "recording_object",
    metadata,
    Column("recording_id", ForeignKey(recording.c.id), primary_key=True),
    Column("name", Uuid, nullable=False, unique=True),
    Column("path", Text, nullable=False, unique=True, comment="in the store and in its copy"),
    Column("custody", Text, nullable=False),
    Column("codec", Text),
    Column("cipher", Text),
    Column("key_id", Text, comment="master key that wraps this file's key now"),
    Column("wrapped_key", LargeBinary),
    Column("sealed_bytes", BigInteger),
    Column("sealed_sha256", Text),
    Column("plain_bytes", BigInteger),
    Column("frames", BigInteger),
    Column("sample_rate", Integer),
    Column("channels", Integer),
    Column("samples_sha256", Text),
    Column("peaks", LargeBinary, comment="loudest sample of every 100 ms, 0 to 255"),
    Column("prepared_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _at("stored_at"),
    _at("copied_at"),
    _at("spool_removed_at"),
    _at("checked_at"),
    _at("copy_checked_at"),
    _at("recycled_at"),
    _at("deletion_began_at"),
    _at("deleted_at"),
    one_of("custody", Custody),
    one_of("codec", Codec),
    one_of("cipher", Cipher),
    CheckConstraint(
        "custody = 'prepared' OR (codec IS NOT NULL AND cipher IS NOT NULL AND key_id IS NOT NULL"
        " AND (wrapped_key IS NOT NULL OR custody = 'deleted') AND sealed_bytes > 0"
        " AND sealed_sha256 ~ '^[0-9a-f]{64}$'"
        " AND stored_at IS NOT NULL)",
        name="stored_is_whole",
    ),
    CheckConstraint("(custody = 'deleted') = (deleted_at IS NOT NULL)", name="deleted_has_time"),
    CheckConstraint("(custody IN ('recycled', 'deleted')) = (recycled_at IS NOT NULL)", name="recycled_has_time"),
    CheckConstraint("custody <> 'deleted' OR wrapped_key IS NULL", name="deleted_has_no_key"),
    CheckConstraint("path !~ '(^/|\\.\\.)'", name="path_inside_store"),
)
_C = recording_object.c
Index("recording_object_uncopied", _C.stored_at, postgresql_where=_C.copied_at.is_(None))
Index("recording_object_in_spool", _C.stored_at, postgresql_where=_C.spool_removed_at.is_(None))
_SINCE = func.coalesce(_C.checked_at, _C.stored_at), func.coalesce(_C.copy_checked_at, _C.copied_at)
Index("recording_object_checked", _SINCE[0], postgresql_where=_C.custody.in_(("stored", "recycled")))
Index("recording_object_copy_checked", _SINCE[1], postgresql_where=_C.custody.in_(("stored", "recycled")))
Index("recording_object_key", _C.key_id)
Index("recording_object_recycled", _C.recycled_at, postgresql_where=_C.custody == "recycled")
