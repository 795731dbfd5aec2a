"""The hub's guard of recordings: while the ticket of its call is not archived, a recording does not expire."""

from recordings.retention.triggers import trigger_ddl

FUNCTIONS: dict[str, str] = {
    "recording_ticket_guard": """
CREATE OR REPLACE FUNCTION recording_ticket_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    open_one text;
BEGIN
    IF NEW.custody = 'recycled' AND (OLD.custody <> 'recycled' OR
        NEW.deletion_began_at IS NOT NULL AND OLD.deletion_began_at IS NULL) THEN
        SELECT t.id INTO open_one FROM recording r JOIN LATERAL (
            SELECT id, state FROM ticket WHERE call_id = r.call_id
            UNION ALL
            SELECT k.id, k.state FROM ticket_call c JOIN ticket k ON k.id = c.ticket_id WHERE c.call_id = r.call_id
        ) t ON true WHERE r.id = NEW.recording_id AND t.state <> 'archived' LIMIT 1;
        IF FOUND THEN
            PERFORM recording_refuse(NEW.recording_id, format('recording %s is kept: ticket %s is not archived',
                                                              NEW.recording_id, open_one));
        END IF;
    END IF;
    RETURN NEW;
END $$
""",
}
TRIGGERS: dict[str, tuple[str, str, str]] = {
    "recording_object_ticket_guard": ("recording_object", "BEFORE UPDATE", "recording_ticket_guard"),
}
DDL: tuple[str, ...] = (
    *FUNCTIONS.values(),
    *(line for name, (table, when, function) in TRIGGERS.items() for line in trigger_ddl(name, table, when, function)),
)
"""After the tables of tickets and recordings, and after recordings.retention.triggers."""
