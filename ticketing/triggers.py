"""What the database itself refuses: SQL run after the tables of `ticketing.tables` are made.

Events and packages are append-only; a ticket changes only to its next version, never once archived, and at commit has
the event of that version; a rating once counted stays.
"""


def append_only(table: str) -> tuple[str, str]:
    """Statements that make PostgreSQL refuse UPDATE, DELETE and TRUNCATE of `table`."""
    refuse = f"EXECUTE FUNCTION ticketing_refuse('{table}')"
    return (
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {refuse}",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {refuse}",
    )


DDL: tuple[str, ...] = (
    """
    CREATE FUNCTION ticketing_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '% is append-only: % refused', TG_ARGV[0], TG_OP USING ERRCODE = 'restrict_violation';
    END $$
    """,
    *append_only("ticket_event"),
    *append_only("ticket_archive"),
    """
    CREATE FUNCTION ticket_keeps_its_rules() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'ticket %: tickets are never deleted', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      -- Archived: only marks that hide it, and a new round that a person ordered.
      IF OLD.state = 'archived' AND NOT (NEW.state = 'awaiting_dispatch' AND NEW.round = OLD.round + 1)
         AND to_jsonb(NEW) - ARRAY['version', 'updated_at', 'last_hash', 'confidential', 'sensitivity', 'flags',
           'publication'] IS DISTINCT FROM to_jsonb(OLD) - ARRAY['version', 'updated_at', 'last_hash', 'confidential',
           'sensitivity', 'flags', 'publication'] THEN
        RAISE EXCEPTION 'ticket %: archived, nothing may change', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      IF NEW.id <> OLD.id OR NEW.version <> OLD.version + 1 THEN
        RAISE EXCEPTION 'ticket %: every change is the next version', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER ticket_keeps_its_rules BEFORE UPDATE OR DELETE ON ticket
    FOR EACH ROW EXECUTE FUNCTION ticket_keeps_its_rules()
    """,
    "CREATE TRIGGER ticket_no_truncate BEFORE TRUNCATE ON ticket FOR EACH STATEMENT "
    "EXECUTE FUNCTION ticketing_refuse('ticket')",
    """
    CREATE FUNCTION ticket_has_its_event() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM 1 FROM ticket_event e
        WHERE e.ticket_id = NEW.id AND e.seq = NEW.version AND e.to_state = NEW.state AND e.hash = NEW.last_hash;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'ticket % version %: its event is missing', NEW.id, NEW.version
          USING ERRCODE = 'restrict_violation';
      END IF;
      RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER ticket_has_its_event AFTER INSERT OR UPDATE ON ticket
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ticket_has_its_event()
    """,
    """
    CREATE FUNCTION ticket_rating_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF OLD.rating IS NULL AND TG_OP = 'UPDATE' THEN
        RETURN NEW;
      END IF;
      IF OLD.rating IS NULL THEN
        RETURN OLD;
      END IF;
      IF TG_OP = 'UPDATE' AND (NEW.rating, NEW.rating_source, NEW.rated_at, NEW.comment, NEW.ticket_id, NEW.round)
         IS NOT DISTINCT FROM (OLD.rating, OLD.rating_source, OLD.rated_at, OLD.comment, OLD.ticket_id, OLD.round) THEN
        RETURN NEW;
      END IF;
      RAISE EXCEPTION 'survey %: a rating once counted stays', OLD.id USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE TRIGGER ticket_rating_stays BEFORE UPDATE OR DELETE ON ticket_survey
    FOR EACH ROW EXECUTE FUNCTION ticket_rating_stays()
    """,
    "CREATE TRIGGER ticket_survey_no_truncate BEFORE TRUNCATE ON ticket_survey FOR EACH STATEMENT "
    "EXECUTE FUNCTION ticketing_refuse('ticket_survey')",
)
