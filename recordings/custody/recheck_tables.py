"""The table of kept recordings that are damaged or missing somewhere and could not be mended yet."""

from sqlalchemy import Column, DateTime, ForeignKey, Table, Text, func

from recordings.custody.recheck import Place, Trouble
from recordings.custody.tables import recording_object
from recordings.tables import metadata, one_of

recording_trouble = Table(
    "recording_trouble",
    metadata,
    Column("recording_id", ForeignKey(recording_object.c.recording_id), primary_key=True),
    Column("place", Text, primary_key=True),
    Column("trouble", Text, nullable=False),
    Column("why", Text, nullable=False, comment="why the other place could not help"),
    Column("found_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    one_of("place", Place),
    one_of("trouble", Trouble),
)
"""A row goes when its recording is sound again; the audit keeps what was."""
