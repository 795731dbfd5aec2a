"""What PostgreSQL refuses, for the application and for the owner of the tables. Every refusal is counted.

Who writes `recording_object` and what stays legal there:

- intake: INSERT as `prepared` (or `stored`); `prepared` rows freely, but never recording_id and prepared_at;
- once `stored` or `recycled`: only MAY_CHANGE (a key wrapped anew, copied, removed from the spool, looked at);
- retention: stored -> recycled -> (deletion_began_at) -> deleted, and recycled -> stored until the deletion began.

Nothing else, and nothing at all once `deleted`. A refused statement is rolled back with all it wrote, except
sequences, which are not transactional (PostgreSQL manual, 9.17): each refusal draws a number and leaves who, what and
when in three more; the hub's sweep turns new numbers into rows of the audit. Guards are ENABLE ALWAYS, so that
session_replication_role does not pass them, and SECURITY DEFINER, so that the least role can leave its trace.
"""

from recordings.retention.rules import CLOCKS_AGREE_WITHIN, RECYCLED_FOR, WITNESS_LASTS

MAY_CHANGE = ("key_id", "wrapped_key", "copied_at", "spool_removed_at", "checked_at", "copy_checked_at")
"""Columns of a kept recording that custody may write."""
STEPS = ("custody", "recycled_at", "deletion_began_at", "deleted_at")
"""Columns that only the trigger's own steps change."""

SEQUENCES = (
    "recording_refusals",
    "recording_refused_role",
    "recording_refused_recording",
    "recording_refused_epoch",
)
"""How many refusals there were; of the last one: oid of the role, recording (0: none), seconds since 1970."""

_DEFINER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"


def _list(columns: tuple[str, ...]) -> str:
    return "ARRAY[" + ", ".join(f"'{one}'" for one in columns) + "]"


def _seconds(text: float) -> str:
    return f"interval '{int(text)} seconds'"


_RECYCLED = _seconds(RECYCLED_FOR.total_seconds())
_LASTS = _seconds(WITNESS_LASTS.total_seconds())
_AGREE = _seconds(CLOCKS_AGREE_WITHIN.total_seconds())

_WORDS = {
    "@DEFINER@": _DEFINER,
    "@RECYCLED@": _RECYCLED,
    "@LASTS@": _LASTS,
    "@AGREE@": _AGREE,
    "@MAY_CHANGE@": _list(MAY_CHANGE),
    "@STEPS@": _list(STEPS),
}


def _sql(statement: str) -> str:
    for word, meaning in _WORDS.items():
        statement = statement.replace(word, meaning)
    return statement


FUNCTIONS: dict[str, str] = {
    "recording_refuse": _sql("""
CREATE OR REPLACE FUNCTION recording_refuse(recording bigint, why text) RETURNS void @DEFINER@ AS $$
BEGIN
    PERFORM setval('recording_refused_role', (SELECT oid::bigint FROM pg_roles WHERE rolname = session_user));
    PERFORM setval('recording_refused_recording', coalesce(recording, 0));
    PERFORM setval('recording_refused_epoch', greatest(0, extract(epoch FROM clock_timestamp())::bigint));
    PERFORM nextval('recording_refusals');
    RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
END $$
"""),
    # The earlier of both clocks; null while the newest witness is old, from the future, or contradicts the database.
    "recording_allowed_now": _sql("""
CREATE OR REPLACE FUNCTION recording_allowed_now() RETURNS timestamptz @DEFINER@ AS $$
BEGIN
    RETURN (SELECT least(now(), w.second_at)
            FROM (SELECT * FROM clock_witness ORDER BY id DESC LIMIT 1) w
            WHERE w.agreed AND now() >= w.noted_at AND now() < w.noted_at + @LASTS@);
END $$
"""),
    "recording_may_expire": _sql("""
CREATE OR REPLACE FUNCTION recording_may_expire(which bigint) RETURNS timestamptz @DEFINER@ AS $$
DECLARE
    kept record;
    allowed timestamptz := recording_allowed_now();
    today date := (allowed AT TIME ZONE 'Asia/Shanghai')::date;
BEGIN
    SELECT call_id, delete_not_before INTO kept FROM recording WHERE id = which;
    IF (now() AT TIME ZONE 'Asia/Shanghai')::date < kept.delete_not_before THEN
        PERFORM recording_refuse(which, format('recording %s is kept until %s', which, kept.delete_not_before));
    END IF;
    IF allowed IS NULL THEN
        PERFORM recording_refuse(which, format('recording %s stays: no second clock confirms the date', which));
    END IF;
    IF today < kept.delete_not_before THEN
        PERFORM recording_refuse(which, format('recording %s is kept until %s, and the second clock says %s',
                                               which, kept.delete_not_before, today));
    END IF;
    IF EXISTS (SELECT FROM legal_hold h WHERE (h.recording_id = which OR h.call_id = kept.call_id)
               AND h.released_at IS NULL AND (h.until_day IS NULL OR h.until_day >= today)) THEN
        PERFORM recording_refuse(which, format('recording %s is held', which));
    END IF;
    RETURN allowed;
END $$
"""),
    "recording_guard": _sql("""
CREATE OR REPLACE FUNCTION recording_guard() RETURNS trigger @DEFINER@ AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM recording_refuse(0, 'rows of recordings are kept for ever; TRUNCATE is refused');
    END IF;
    IF TG_OP = 'DELETE' THEN
        PERFORM recording_refuse(OLD.id, format('recording %s is kept until %s, and its row for ever',
                                                OLD.id, OLD.delete_not_before));
    END IF;
    IF NEW.delete_not_before < OLD.delete_not_before THEN
        PERFORM recording_refuse(OLD.id, format('recording %s is kept until %s; the date is never brought forward',
                                                OLD.id, OLD.delete_not_before));
    END IF;
    IF (NEW.id, NEW.call_id, NEW.channel_id, NEW.kind, NEW.party, NEW.created_at)
        IS DISTINCT FROM (OLD.id, OLD.call_id, OLD.channel_id, OLD.kind, OLD.party, OLD.created_at) THEN
        PERFORM recording_refuse(OLD.id, format('whose recording %s is does not change', OLD.id));
    END IF;
    RETURN NEW;
END $$
"""),
    "recording_object_guard": _sql("""
CREATE OR REPLACE FUNCTION recording_object_guard() RETURNS trigger @DEFINER@ AS $$
DECLARE
    same text[] := @MAY_CHANGE@ || @STEPS@;
    began boolean;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM recording_refuse(0, 'rows of kept recordings stay for ever; TRUNCATE is refused');
    END IF;
    IF TG_OP = 'DELETE' THEN
        PERFORM recording_refuse(OLD.recording_id, format('the row of recording %s stays for ever', OLD.recording_id));
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.custody NOT IN ('prepared', 'stored')
            OR coalesce(NEW.recycled_at, NEW.deletion_began_at, NEW.deleted_at) IS NOT NULL THEN
            PERFORM recording_refuse(NEW.recording_id, 'a kept recording begins as prepared or stored');
        END IF;
        RETURN NEW;
    END IF;
    -- A name that a killed writer spoilt is given up for another; it becomes final when something is stored under it.
    IF (NEW.recording_id, NEW.prepared_at) IS DISTINCT FROM (OLD.recording_id, OLD.prepared_at)
        OR (NEW.custody, OLD.custody) IS DISTINCT FROM ('prepared', 'prepared')
            AND (NEW.name, NEW.path) IS DISTINCT FROM (OLD.name, OLD.path)
        OR OLD.custody = 'deleted' AND NEW IS DISTINCT FROM OLD
        OR OLD.custody <> 'prepared' AND to_jsonb(NEW) - same IS DISTINCT FROM to_jsonb(OLD) - same THEN
        PERFORM recording_refuse(OLD.recording_id, format('what recording %s is does not change', OLD.recording_id));
    END IF;
    began := NEW.deletion_began_at IS NOT NULL AND OLD.deletion_began_at IS NULL;
    CASE OLD.custody || ' ' || NEW.custody
    WHEN 'deleted deleted' THEN
        RETURN NEW;
    WHEN 'prepared prepared', 'prepared stored', 'stored stored' THEN
        IF coalesce(NEW.recycled_at, NEW.deletion_began_at, NEW.deleted_at) IS NOT NULL THEN
            PERFORM recording_refuse(OLD.recording_id, format('recording %s is not recycled', OLD.recording_id));
        END IF;
    WHEN 'stored recycled' THEN
        PERFORM recording_may_expire(OLD.recording_id);
        NEW.recycled_at := now();
        NEW.deletion_began_at := NULL;
    WHEN 'recycled stored' THEN
        IF OLD.deletion_began_at IS NOT NULL THEN
            PERFORM recording_refuse(OLD.recording_id, format('the deletion of recording %s began at %s',
                                                              OLD.recording_id, OLD.deletion_began_at));
        END IF;
        NEW.recycled_at := NULL;
        NEW.deletion_began_at := NULL;
    WHEN 'recycled recycled' THEN
        IF began THEN
            IF recording_may_expire(OLD.recording_id) < OLD.recycled_at + @RECYCLED@ THEN
                PERFORM recording_refuse(OLD.recording_id, format('recording %s was recycled at %s; it stays 30 days',
                                                                  OLD.recording_id, OLD.recycled_at));
            END IF;
            NEW.deletion_began_at := now();
        END IF;
        IF NEW.recycled_at <> OLD.recycled_at OR NEW.recycled_at IS NULL
            OR OLD.deletion_began_at IS NOT NULL AND NEW.deletion_began_at IS DISTINCT FROM OLD.deletion_began_at THEN
            PERFORM recording_refuse(OLD.recording_id, format('when recording %s was recycled does not change',
                                                              OLD.recording_id));
        END IF;
    WHEN 'recycled deleted' THEN
        IF OLD.deletion_began_at IS NULL OR NEW.wrapped_key IS NOT NULL
            OR (NEW.recycled_at, NEW.deletion_began_at) IS DISTINCT FROM (OLD.recycled_at, OLD.deletion_began_at)
            OR recording_allowed_now() IS NULL
            OR NOT EXISTS (SELECT FROM deletion_certificate c
                           WHERE c.recording_id = OLD.recording_id AND c.deleted_at = now()) THEN
            PERFORM recording_refuse(OLD.recording_id, format('recording %s is not deleted without its certificate, '
                'thirty days of recycle and both clocks', OLD.recording_id));
        END IF;
        NEW.deleted_at := now();
    ELSE
        PERFORM recording_refuse(OLD.recording_id, format('recording %s is %s and does not become %s',
                                                          OLD.recording_id, OLD.custody, NEW.custody));
    END CASE;
    RETURN NEW;
END $$
"""),
    "deletion_certificate_guard": _sql("""
CREATE OR REPLACE FUNCTION deletion_certificate_guard() RETURNS trigger @DEFINER@ AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM recording_object o WHERE o.recording_id = NEW.recording_id AND o.name = NEW.name
                   AND o.custody = 'recycled' AND o.deletion_began_at IS NOT NULL
                   AND o.sealed_sha256 = NEW.sealed_sha256 AND o.recycled_at = NEW.recycled_at) THEN
        PERFORM recording_refuse(NEW.recording_id, format('recording %s is not being deleted; no certificate',
                                                          NEW.recording_id));
    END IF;
    NEW.deleted_at := now();
    RETURN NEW;
END $$
"""),
    "deletion_certificate_used": _sql("""
CREATE OR REPLACE FUNCTION deletion_certificate_used() RETURNS trigger @DEFINER@ AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM recording_object o WHERE o.recording_id = NEW.recording_id
                   AND o.custody = 'deleted' AND o.deleted_at = NEW.deleted_at) THEN
        PERFORM recording_refuse(NEW.recording_id, format('recording %s was not deleted; no certificate',
                                                          NEW.recording_id));
    END IF;
    RETURN NULL;
END $$
"""),
    "legal_hold_guard": _sql("""
CREATE OR REPLACE FUNCTION legal_hold_guard() RETURNS trigger @DEFINER@ AS $$
DECLARE
    ours text[] := ARRAY['until_day', 'released_at'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.placed_at := now();
        NEW.released_at := NULL;
        RETURN NEW;
    END IF;
    IF to_jsonb(NEW) - ours IS DISTINCT FROM to_jsonb(OLD) - ours OR OLD.released_at IS NOT NULL
        OR NEW.released_at IS NULL AND NEW.until_day IS NULL
        OR NOT EXISTS (SELECT FROM hold_release r
                       WHERE r.hold_id = OLD.id AND r.granted AND r.decided_at = now()
                       AND r.until_day IS NOT DISTINCT FROM
                           CASE WHEN NEW.released_at IS NULL THEN NEW.until_day END) THEN
        PERFORM recording_refuse(OLD.recording_id, format('hold %s ends earlier only as a second person grants it',
                                                          OLD.id));
    END IF;
    IF NEW.released_at IS NOT NULL THEN
        NEW.released_at := now();
        NEW.until_day := OLD.until_day;
    END IF;
    RETURN NEW;
END $$
"""),
    "hold_release_guard": _sql("""
CREATE OR REPLACE FUNCTION hold_release_guard() RETURNS trigger @DEFINER@ AS $$
DECLARE
    ours text[] := ARRAY['decided_by', 'decided_at', 'granted'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF coalesce(NEW.decided_by, NEW.decided_at::text, NEW.granted::text) IS NOT NULL
            OR NOT EXISTS (SELECT FROM legal_hold h WHERE h.id = NEW.hold_id AND h.released_at IS NULL
                           AND (NEW.until_day IS NULL OR h.until_day IS NULL OR NEW.until_day < h.until_day)) THEN
            PERFORM recording_refuse(0, format('hold %s: a release begins undecided and ends it earlier',
                                               NEW.hold_id));
        END IF;
        NEW.asked_at := now();
        RETURN NEW;
    END IF;
    IF to_jsonb(NEW) - ours IS DISTINCT FROM to_jsonb(OLD) - ours OR OLD.decided_at IS NOT NULL
        OR NEW.granted IS NULL OR lower(btrim(coalesce(NEW.decided_by, ''))) IN ('', lower(btrim(OLD.asked_by))) THEN
        PERFORM recording_refuse(0, format('hold %s: who asked for its release does not decide on it', OLD.hold_id));
    END IF;
    NEW.decided_at := now();
    RETURN NEW;
END $$
"""),
    "clock_witness_guard": _sql("""
CREATE OR REPLACE FUNCTION clock_witness_guard() RETURNS trigger @DEFINER@ AS $$
BEGIN
    NEW.noted_at := now();
    NEW.agreed := NEW.second_at BETWEEN now() - @AGREE@ AND now() + @AGREE@;
    RETURN NEW;
END $$
"""),
    "recording_row_kept": _sql("""
CREATE OR REPLACE FUNCTION recording_row_kept() RETURNS trigger @DEFINER@ AS $$
BEGIN
    PERFORM recording_refuse(0, format('%s is append-only; %s is refused', TG_TABLE_NAME, TG_OP));
    RETURN NULL;
END $$
"""),
}
"""Name -> statement that makes it, in the order they are made."""

TRIGGERS: dict[str, tuple[str, str, str]] = {
    "recording_row_guard": ("recording", "BEFORE UPDATE OR DELETE", "recording_guard"),
    "recording_truncate_guard": ("recording", "BEFORE TRUNCATE", "recording_guard"),
    "recording_object_row_guard": ("recording_object", "BEFORE INSERT OR UPDATE OR DELETE", "recording_object_guard"),
    "recording_object_truncate_guard": ("recording_object", "BEFORE TRUNCATE", "recording_object_guard"),
    "recording_gap_row_guard": ("recording_gap", "BEFORE UPDATE OR DELETE", "recording_row_kept"),
    "recording_gap_truncate_guard": ("recording_gap", "BEFORE TRUNCATE", "recording_row_kept"),
    "retention_basis_row_guard": ("retention_basis", "BEFORE UPDATE OR DELETE", "recording_row_kept"),
    "retention_basis_truncate_guard": ("retention_basis", "BEFORE TRUNCATE", "recording_row_kept"),
    "legal_hold_row_guard": ("legal_hold", "BEFORE INSERT OR UPDATE", "legal_hold_guard"),
    "legal_hold_kept": ("legal_hold", "BEFORE DELETE", "recording_row_kept"),
    "legal_hold_truncate_guard": ("legal_hold", "BEFORE TRUNCATE", "recording_row_kept"),
    "hold_release_row_guard": ("hold_release", "BEFORE INSERT OR UPDATE", "hold_release_guard"),
    "hold_release_kept": ("hold_release", "BEFORE DELETE", "recording_row_kept"),
    "hold_release_truncate_guard": ("hold_release", "BEFORE TRUNCATE", "recording_row_kept"),
    "clock_witness_row_guard": ("clock_witness", "BEFORE INSERT", "clock_witness_guard"),
    "clock_witness_kept": ("clock_witness", "BEFORE UPDATE OR DELETE", "recording_row_kept"),
    "clock_witness_truncate_guard": ("clock_witness", "BEFORE TRUNCATE", "recording_row_kept"),
    "deletion_certificate_row_guard": ("deletion_certificate", "BEFORE INSERT", "deletion_certificate_guard"),
    "deletion_certificate_kept": ("deletion_certificate", "BEFORE UPDATE OR DELETE", "recording_row_kept"),
    "deletion_certificate_truncate_guard": ("deletion_certificate", "BEFORE TRUNCATE", "recording_row_kept"),
    "deletion_certificate_used": ("deletion_certificate", "AFTER INSERT", "deletion_certificate_used"),
}
"""Name -> table, when, function. AFTER means: at the end of the transaction."""


def trigger_ddl(name: str, table: str, when: str, function: str) -> tuple[str, ...]:
    """Statements that make one guard; safe to run again."""
    level = "STATEMENT" if "TRUNCATE" in when else "ROW"
    made = f"{name} {when} ON {table}"
    always = f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"
    if when.startswith("BEFORE"):
        return (f"CREATE OR REPLACE TRIGGER {made} FOR EACH {level} EXECUTE FUNCTION {function}()", always)
    late = f"CREATE CONSTRAINT TRIGGER {made} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {function}()"
    return (f"DROP TRIGGER IF EXISTS {name} ON {table}", late, always)


DDL: tuple[str, ...] = (
    *(f"CREATE SEQUENCE IF NOT EXISTS {name} MINVALUE 0" for name in SEQUENCES),
    *FUNCTIONS.values(),
    # Only guards, which run as their owner, may draw these numbers.
    "REVOKE ALL ON FUNCTION recording_refuse(bigint, text) FROM PUBLIC",
    "REVOKE ALL ON FUNCTION recording_may_expire(bigint) FROM PUBLIC",
    *(line for name, (table, when, function) in TRIGGERS.items() for line in trigger_ddl(name, table, when, function)),
)
"""Executed after the tables exist; safe to execute again."""
