"""Tables of appraisal and reports: what people put in, chosen cases, tracked topics, report runs and their files.

And the indexes by which figures are counted: each population by the moment that puts it into a term.
"""

from sqlalchemy import CheckConstraint, Column, Double, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from ticketing import tables
from ticketing.knowledge import tables as knowledge_tables
from ticketing.tables import _at, _id, _listed, _text, metadata
from ticketing.triggers import append_only

appraisal_input = Table(
    "appraisal_input",
    metadata,
    _id(),
    Column("term", Text, nullable=False),
    _text("unit"),
    Column("item", Text, nullable=False),
    Column("value", Double, CheckConstraint("value BETWEEN 0 AND 1000", name="value_sane"), nullable=False),
    Column("note", Text, nullable=False),
    Column("by", Text, nullable=False),
    _at("at", nullable=False),
    Index("appraisal_input_by_term", "term", "item", "unit", "id"),
)
"""Points people give for what is not in the tickets: 制度建设, 拨测 (SQ-030). unit ``: the platform's."""

report_case = Table(
    "report_case",
    metadata,
    _id(),
    Column("term", Text, nullable=False),
    Column("ticket_id", Text, ForeignKey("ticket.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("by", Text, nullable=False),
    _at("at", nullable=False),
    _listed("kind", "good", "problem"),
    UniqueConstraint("term", "ticket_id", name="report_case_once"),
)
"""Cases chosen for a term's report (LS-083: 优秀案例和问题案例)."""

report_topic = Table(
    "report_topic",
    metadata,
    _id(),
    Column("subject", Text, nullable=False),
    _text("place"),
    Column("title", Text, nullable=False),
    _text("note"),
    Column("opened_by", Text, nullable=False),
    _at("opened_at", nullable=False),
    _at("closed_at"),
    Column("closed_by", Text),
    Index("report_topic_one_open", "subject", "place", unique=True, postgresql_where=text("closed_at IS NULL")),
)
"""An event people follow (SQ-026): it groups the tickets of one subject and place."""

report_run = Table(
    "report_run",
    metadata,
    _id(),
    Column("definition", Text, nullable=False),
    Column("term", Text, nullable=False),
    Column("revision", Integer, CheckConstraint("revision >= 1", name="revision_from_one"), nullable=False),
    Column("state", Text, nullable=False, server_default=text("'asked'")),
    _text("remarks"),
    Column("asked_by", Text, nullable=False),
    _at("asked_at", nullable=False),
    _at("publish_by"),
    Column("policy", Text),
    Column("metrics", Text),
    _at("made_at"),
    Column("figures", JSONB(none_as_null=True)),
    Column("digest", Text),
    _at("published_at"),
    Column("published_by", Text),
    UniqueConstraint("definition", "term", "revision", name="report_run_once"),
    _listed("state", "asked", "made", "published"),
    CheckConstraint("(state = 'asked') = (figures IS NULL)", name="made_has_figures"),
)
"""One making of a report. Once made, its figures stay; a new making is a new revision."""

report_file = Table(
    "report_file",
    metadata,
    _id(),
    Column("run_id", ForeignKey("report_run.id"), nullable=False),
    Column("variant", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    UniqueConstraint("run_id", "variant", "format", name="report_file_once"),
    _listed("variant", "internal", "public"),
    _listed("format", "docx", "xlsx", "pdf"),
)

INDEXES = (
    Index("ticket_by_registered", tables.ticket.c.registered_at),
    Index("ticket_by_closed", tables.ticket.c.closed_at, postgresql_where=text("closed_at IS NOT NULL")),
    Index("ticket_assignment_ended", tables.ticket_assignment.c.ended_at, postgresql_where=text("role = 'lead'")),
    Index("ticket_assignment_sent", tables.ticket_assignment.c.dispatched_at, postgresql_where=text("role = 'lead'")),
    Index("ticket_deadline_handle", tables.ticket_deadline.c.due_at, postgresql_where=text("kind = 'handle'")),
    Index("ticket_return_by_ticket", tables.ticket_return.c.ticket_id, tables.ticket_return.c.round),
    Index("ticket_return_asked", tables.ticket_return.c.asked_at),
    Index("knowledge_question_asked", knowledge_tables.knowledge_question.c.asked_at),
    Index("ticket_reply_replied", tables.ticket_reply.c.replied_at),
)
"""They hang on the tables of `ticketing.tables`."""

DDL: tuple[str, ...] = (
    *append_only("appraisal_input"),
    *append_only("report_file"),
    """
    CREATE FUNCTION report_keeps_its_figures() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'report %: reports are never deleted', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      IF (NEW.definition, NEW.term, NEW.revision) IS DISTINCT FROM (OLD.definition, OLD.term, OLD.revision)
         OR (OLD.figures IS NOT NULL AND (NEW.figures, NEW.digest, NEW.policy, NEW.metrics, NEW.remarks)
             IS DISTINCT FROM (OLD.figures, OLD.digest, OLD.policy, OLD.metrics, OLD.remarks)) THEN
        RAISE EXCEPTION 'report %: figures once frozen stay; make a new revision', OLD.id
          USING ERRCODE = 'restrict_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER report_keeps_its_figures BEFORE UPDATE OR DELETE ON report_run
    FOR EACH ROW EXECUTE FUNCTION report_keeps_its_figures()
    """,
)
