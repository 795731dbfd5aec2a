"""The side table that tickets are searched by; the tickets' own rows stay narrow and their updates cheap."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from ticketing.tables import metadata

ticket_words = Table(
    "ticket_words",
    metadata,
    Column("ticket_id", Text, ForeignKey("ticket.id"), primary_key=True),
    Column("words", ARRAY(Integer), nullable=False),
    # No pending list: an entry costs the same at every write, and no search has to read what was put off.
    Index("ticket_words_by_word", "words", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
)
"""words: what `ticketing.search.search.keys` makes of the ticket's text and units."""
