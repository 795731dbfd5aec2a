-- The first shape of the database: tables, indexes, triggers, the job queue. Frozen: a change is a new revision.
-- Statements are parted by a line that holds only --;

CREATE TABLE archived_package (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    source TEXT NOT NULL,
    iso_year INTEGER NOT NULL,
    iso_week INTEGER NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    key TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    imported_at TIMESTAMP WITH TIME ZONE,
    imported_by TEXT,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    number TEXT,
    archived_at TIMESTAMP WITH TIME ZONE NOT NULL,
    files INTEGER NOT NULL,
    last_hash TEXT NOT NULL,
    secret BOOLEAN NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT source_known CHECK (source IN ('here', 'imported')),
    CONSTRAINT imported_when CHECK ((source = 'imported') = (imported_at IS NOT NULL)),
    CONSTRAINT path_inside_folder CHECK (path !~ '(^/|\.\.)'),
    CONSTRAINT sha256_shape CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT week_known CHECK (iso_week BETWEEN 1 AND 53),
    UNIQUE (path),
    UNIQUE (sha256)
)
--;
COMMENT ON COLUMN archived_package.path IS 'in the archive''s folder'
--;
COMMENT ON COLUMN archived_package.key IS 'fingerprint of the key that signed it'
--;
COMMENT ON COLUMN archived_package.document IS 'what it is about; nothing of the citizen'
--;
CREATE INDEX archived_package_by_number ON archived_package (number)
--;
CREATE INDEX archived_package_by_ticket ON archived_package (ticket_id, round)
--;
CREATE INDEX archived_package_by_week ON archived_package (iso_year, iso_week, id)
--;
CREATE INDEX archived_package_made ON archived_package (made_at) WHERE source = 'here'
--;
CREATE UNIQUE INDEX archived_package_once ON archived_package (ticket_id, round) WHERE source = 'here'
--;
CREATE TABLE archived_week (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    source TEXT NOT NULL,
    iso_year INTEGER NOT NULL,
    iso_week INTEGER NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    key TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    imported_at TIMESTAMP WITH TIME ZONE,
    imported_by TEXT,
    part INTEGER NOT NULL CHECK (part >= 0),
    packages INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT source_known CHECK (source IN ('here', 'imported')),
    CONSTRAINT imported_when CHECK ((source = 'imported') = (imported_at IS NOT NULL)),
    CONSTRAINT path_inside_folder CHECK (path !~ '(^/|\.\.)'),
    CONSTRAINT sha256_shape CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT week_known CHECK (iso_week BETWEEN 1 AND 53),
    UNIQUE (path),
    UNIQUE (sha256)
)
--;
COMMENT ON COLUMN archived_week.path IS 'in the archive''s folder'
--;
COMMENT ON COLUMN archived_week.key IS 'fingerprint of the key that signed it'
--;
COMMENT ON COLUMN archived_week.last IS 'the last number given out in the week'
--;
CREATE INDEX archived_week_by_week ON archived_week (iso_year, iso_week, id)
--;
CREATE UNIQUE INDEX archived_week_once ON archived_week (iso_year, iso_week, part) WHERE source = 'here'
--;
CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    ok BOOLEAN NOT NULL,
    detail JSONB DEFAULT '{}'::jsonb NOT NULL,
    PRIMARY KEY (id)
)
--;
CREATE INDEX audit_action ON audit (action, at)
--;
CREATE INDEX audit_actor ON audit (actor, at)
--;
CREATE INDEX audit_at ON audit (at)
--;
CREATE INDEX audit_reads ON audit (at, actor) WHERE action IN ('identity.reveal', 'ticket.reveal', 'recording.play', 'recording.export')
--;
CREATE INDEX audit_sign_in ON audit (at, actor) WHERE action = 'session.login'
--;
CREATE INDEX audit_subject ON audit (subject, at)
--;
CREATE TABLE big_screen (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    key_hash BYTEA NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_by TEXT,
    PRIMARY KEY (id),
    UNIQUE (key_hash)
)
--;
CREATE TABLE calendar_file (
    name TEXT NOT NULL CONSTRAINT name_shape CHECK (name ~ '^[a-z][a-z0-9-]{1,31}$'),
    content TEXT NOT NULL,
    imported_at TIMESTAMP WITH TIME ZONE NOT NULL,
    imported_by TEXT NOT NULL,
    PRIMARY KEY (name)
)
--;
CREATE TABLE call_command (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    key TEXT NOT NULL,
    node TEXT NOT NULL,
    call_id TEXT,
    kind TEXT NOT NULL,
    args JSONB NOT NULL,
    actor TEXT NOT NULL,
    state TEXT DEFAULT 'asked' NOT NULL,
    result JSONB,
    asked_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    done_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('asked', 'running', 'done', 'failed', 'unknown')),
    UNIQUE (key)
)
--;
CREATE INDEX call_command_open ON call_command (id) WHERE state IN ('asked', 'running')
--;
CREATE TABLE cel (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    eventtype TEXT,
    eventtime TIMESTAMP WITH TIME ZONE,
    cid_name TEXT,
    cid_num TEXT,
    cid_ani TEXT,
    cid_rdnis TEXT,
    cid_dnid TEXT,
    exten TEXT,
    context TEXT,
    channame TEXT,
    appname TEXT,
    amaflags INTEGER,
    accountcode TEXT,
    peeraccount TEXT,
    uniqueid TEXT,
    linkedid TEXT,
    userfield TEXT,
    peer TEXT,
    userdeftype TEXT,
    extra TEXT,
    PRIMARY KEY (id)
)
--;
CREATE INDEX cel_linkedid ON cel (linkedid, id)
--;
CREATE INDEX cel_time ON cel (eventtime)
--;
CREATE TABLE handling_unit (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    number TEXT NOT NULL,
    emergency BOOLEAN DEFAULT false NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    PRIMARY KEY (id)
)
--;
CREATE TABLE identity (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    number_index BYTEA NOT NULL,
    number_sealed BYTEA NOT NULL,
    masked TEXT NOT NULL,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (number_index)
)
--;
CREATE TABLE listener_gap (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    node TEXT NOT NULL,
    from_at TIMESTAMP WITH TIME ZONE NOT NULL,
    until_at TIMESTAMP WITH TIME ZONE,
    cause TEXT NOT NULL,
    PRIMARY KEY (id)
)
--;
CREATE TABLE mark (
    name TEXT NOT NULL,
    value FLOAT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (name)
)
--;
CREATE TABLE playback (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    subject TEXT NOT NULL,
    call_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    began_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    parts INTEGER DEFAULT 0 NOT NULL,
    rate INTEGER NOT NULL,
    heard INT8MULTIRANGE DEFAULT '{}' NOT NULL,
    seconds_heard DOUBLE PRECISION DEFAULT 0 NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT playback_sane CHECK (rate > 0 AND parts >= 0 AND seconds_heard >= 0)
)
--;
COMMENT ON COLUMN playback.subject IS 'recording:ID, call:ID (both sides) or export:ID'
--;
COMMENT ON COLUMN playback.heard IS 'frames that were sent'
--;
CREATE INDEX ix_playback_call_id ON playback (call_id)
--;
CREATE INDEX playback_actor ON playback (actor, began_at)
--;
CREATE INDEX playback_idle ON playback (last_at) WHERE ended_at IS NULL
--;
CREATE UNIQUE INDEX playback_open ON playback (actor, subject) WHERE ended_at IS NULL
--;
CREATE TABLE recording_export (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    recording_id BIGINT NOT NULL,
    call_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    muted INT8MULTIRANGE NOT NULL,
    watermark TEXT NOT NULL,
    second_person TEXT NOT NULL,
    approved_by TEXT,
    approved_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT watermark_known CHECK (watermark IN ('inaudible', 'audible')),
    CONSTRAINT export_second_person CHECK (approved_by <> actor),
    CONSTRAINT export_approved_whole CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CONSTRAINT export_ends CHECK (ends_at > made_at)
)
--;
COMMENT ON COLUMN recording_export.muted IS 'frames that are silent: long numbers were said there'
--;
COMMENT ON COLUMN recording_export.second_person IS 'why another must approve; empty: nobody has to'
--;
CREATE INDEX ix_recording_export_recording_id ON recording_export (recording_id)
--;
CREATE INDEX recording_export_actor ON recording_export (actor, made_at)
--;
CREATE INDEX recording_export_waiting ON recording_export (id) WHERE second_person <> '' AND approved_by IS NULL
--;
CREATE TABLE restore_drill (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    base TEXT NOT NULL,
    ok BOOLEAN NOT NULL,
    newest_live_at TIMESTAMP WITH TIME ZONE,
    newest_restored_at TIMESTAMP WITH TIME ZONE,
    rpo_s FLOAT,
    answered_s FLOAT,
    rto_s FLOAT,
    segments INTEGER DEFAULT 0 NOT NULL,
    recordings INTEGER DEFAULT 0 NOT NULL,
    findings JSONB NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT ok_without_findings CHECK (ok = (jsonb_array_length(findings) = 0))
)
--;
COMMENT ON COLUMN restore_drill.at IS 'when it began'
--;
COMMENT ON COLUMN restore_drill.base IS 'stamp of the base backup; empty: there was none'
--;
COMMENT ON COLUMN restore_drill.newest_live_at IS 'newest moment known of the live database'
--;
COMMENT ON COLUMN restore_drill.newest_restored_at IS 'newest commit in the restored one'
--;
COMMENT ON COLUMN restore_drill.rpo_s IS 'seconds between the two: what would have been lost'
--;
COMMENT ON COLUMN restore_drill.answered_s IS 'until the restored database answered'
--;
COMMENT ON COLUMN restore_drill.rto_s IS 'until everything was checked'
--;
COMMENT ON COLUMN restore_drill.segments IS 'of the log, replayed'
--;
COMMENT ON COLUMN restore_drill.recordings IS 'opened from the store''s copy'
--;
COMMENT ON COLUMN restore_drill.findings IS 'sentences'
--;
CREATE TABLE upstream_message (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    ticket_id TEXT NOT NULL,
    external_id TEXT,
    round INTEGER NOT NULL,
    data JSONB NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT DEFAULT 'waiting' NOT NULL,
    tries INTEGER DEFAULT 0 NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    answer TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('waiting', 'sent', 'refused')),
    CONSTRAINT settled_when CHECK ((state = 'waiting') = (settled_at IS NULL)),
    UNIQUE (key)
)
--;
CREATE INDEX upstream_message_by_ticket ON upstream_message (ticket_id, id)
--;
CREATE INDEX upstream_message_waiting ON upstream_message (ticket_id, id) WHERE state = 'waiting'
--;
CREATE TABLE upstream_nonce (
    nonce TEXT NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (nonce)
)
--;
CREATE INDEX upstream_nonce_seen ON upstream_nonce (seen_at)
--;
CREATE TABLE user_account (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    login TEXT NOT NULL,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    roles TEXT[] NOT NULL,
    titles TEXT[] DEFAULT '{}' NOT NULL,
    unit TEXT,
    extension TEXT,
    disabled BOOLEAN DEFAULT false NOT NULL,
    must_change_password BOOLEAN DEFAULT false NOT NULL,
    failed_logins INTEGER DEFAULT 0 NOT NULL,
    locked_until TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (login),
    UNIQUE (extension)
)
--;
CREATE TABLE agent (
    id TEXT NOT NULL,
    user_id BIGINT,
    name TEXT NOT NULL,
    queues TEXT[] NOT NULL,
    desired TEXT DEFAULT 'logged_out' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    since TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    wrap_up_until TIMESTAMP WITH TIME ZONE,
    call_id TEXT,
    observed TEXT DEFAULT 'unknown' NOT NULL,
    observed_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT desired_known CHECK (desired IN ('logged_out', 'ready', 'paused', 'wrap_up')),
    UNIQUE (user_id),
    FOREIGN KEY(user_id) REFERENCES user_account (id)
)
--;
CREATE TABLE archived_recording (
    package_id BIGINT NOT NULL,
    name UUID NOT NULL,
    sealed_bytes BIGINT NOT NULL,
    sealed_sha256 TEXT NOT NULL,
    PRIMARY KEY (package_id, name),
    FOREIGN KEY(package_id) REFERENCES archived_package (id)
)
--;
CREATE INDEX archived_recording_by_name ON archived_recording (name)
--;
CREATE TABLE archived_week_entry (
    week_id BIGINT NOT NULL,
    package_id BIGINT NOT NULL,
    PRIMARY KEY (week_id, package_id),
    FOREIGN KEY(week_id) REFERENCES archived_week (id),
    FOREIGN KEY(package_id) REFERENCES archived_package (id)
)
--;
CREATE INDEX archived_week_entry_of ON archived_week_entry (package_id)
--;
CREATE TABLE audit_link (
    seq BIGINT NOT NULL CONSTRAINT audit_link_from_one CHECK (seq > 0),
    audit_id BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    digest TEXT NOT NULL,
    linked_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (seq),
    CONSTRAINT audit_link_digest_known CHECK (digest IN ('sha256', 'sm3')),
    CONSTRAINT audit_link_hash_whole CHECK (octet_length(hash) = 32),
    UNIQUE (audit_id),
    FOREIGN KEY(audit_id) REFERENCES audit (id)
)
--;
CREATE TABLE call (
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    direction TEXT DEFAULT 'in' NOT NULL,
    caller BIGINT,
    state TEXT NOT NULL,
    queue TEXT,
    request_type TEXT,
    agent_id TEXT,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answered_at TIMESTAMP WITH TIME ZONE,
    queued_at TIMESTAMP WITH TIME ZONE,
    agent_ringing_at TIMESTAMP WITH TIME ZONE,
    agent_answered_at TIMESTAMP WITH TIME ZONE,
    wrap_up_ended_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    exit_reason TEXT,
    story JSONB DEFAULT '{}'::jsonb NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT direction_known CHECK (direction IN ('in', 'callback', 'outbound')),
    FOREIGN KEY(caller) REFERENCES identity (id)
)
--;
CREATE INDEX call_agent ON call (agent_id, started_at, id)
--;
CREATE INDEX call_caller ON call (caller, started_at)
--;
CREATE INDEX call_missed ON call (started_at, id) WHERE direction = 'in' AND agent_answered_at IS NULL AND ended_at IS NOT NULL
--;
CREATE INDEX call_open ON call (id) WHERE ended_at IS NULL
--;
CREATE INDEX call_queue ON call (queue, started_at, id)
--;
CREATE INDEX call_started ON call (started_at, id)
--;
CREATE TABLE ticket_call (
    call_id TEXT NOT NULL,
    key TEXT NOT NULL,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    caller BIGINT NOT NULL,
    purpose TEXT NOT NULL,
    over_reason TEXT DEFAULT '' NOT NULL,
    actor TEXT NOT NULL,
    agent TEXT,
    unit TEXT,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT DEFAULT 'calling' NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    noted_at TIMESTAMP WITH TIME ZONE,
    noted_by TEXT,
    PRIMARY KEY (call_id),
    CONSTRAINT state_known CHECK (state IN ('calling', 'reached', 'unreached', 'failed', 'unknown')),
    CONSTRAINT one_telephone CHECK ((agent IS NULL) <> (unit IS NULL)),
    CONSTRAINT noted_by_somebody CHECK ((noted_at IS NULL) = (noted_by IS NULL)),
    UNIQUE (key),
    FOREIGN KEY(caller) REFERENCES identity (id)
)
--;
CREATE INDEX ticket_call_of_ticket ON ticket_call (ticket_id, asked_at)
--;
CREATE UNIQUE INDEX ticket_call_one_at_a_time ON ticket_call (caller) WHERE state = 'calling'
--;
CREATE TABLE user_session (
    token_hash BYTEA NOT NULL,
    user_id BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (token_hash),
    FOREIGN KEY(user_id) REFERENCES user_account (id)
)
--;
CREATE INDEX ix_user_session_user_id ON user_session (user_id)
--;
CREATE TABLE web_request (
    token_hash BYTEA NOT NULL,
    identity_id BIGINT NOT NULL,
    fields JSONB NOT NULL,
    code_hash BYTEA NOT NULL,
    from_hash BYTEA NOT NULL,
    tries INTEGER DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ticket_id TEXT,
    PRIMARY KEY (token_hash),
    FOREIGN KEY(identity_id) REFERENCES identity (id)
)
--;
COMMENT ON TABLE web_request IS 'requests from the public page; unconfirmed ones go after a day'
--;
COMMENT ON COLUMN web_request.token_hash IS 'SHA-256 of the token in the person''s form'
--;
COMMENT ON COLUMN web_request.fields IS 'what was written, checked; emptied when the ticket is made'
--;
COMMENT ON COLUMN web_request.code_hash IS 'HMAC of token and code'
--;
COMMENT ON COLUMN web_request.from_hash IS 'HMAC of the address it came from'
--;
COMMENT ON COLUMN web_request.ticket_id IS 'the ticket it became'
--;
CREATE INDEX web_request_age ON web_request (created_at)
--;
CREATE INDEX web_request_from ON web_request (from_hash, created_at)
--;
CREATE INDEX web_request_person ON web_request (identity_id, created_at)
--;
CREATE TABLE agent_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    agent_id TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    call_id TEXT,
    actor TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(agent_id) REFERENCES agent (id)
)
--;
CREATE INDEX agent_event_agent ON agent_event (agent_id, id)
--;
CREATE TABLE call_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    call_id TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    noted_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    kind TEXT NOT NULL,
    data JSONB DEFAULT '{}'::jsonb NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(call_id) REFERENCES call (id)
)
--;
CREATE INDEX call_event_call ON call_event (call_id, id)
--;
CREATE TABLE leg (
    channel_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    party TEXT NOT NULL,
    name TEXT NOT NULL,
    who TEXT DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answered_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    cause INTEGER,
    recorded BOOLEAN DEFAULT true NOT NULL,
    accounted BOOLEAN DEFAULT false NOT NULL,
    PRIMARY KEY (channel_id),
    CONSTRAINT party_known CHECK (party IN ('citizen', 'agent', 'unit', 'supervisor', 'tap')),
    FOREIGN KEY(call_id) REFERENCES call (id)
)
--;
COMMENT ON COLUMN leg.recorded IS 'false: there was no room for it'
--;
COMMENT ON COLUMN leg.accounted IS 'its seconds are in leg_account'
--;
CREATE INDEX ix_leg_call_id ON leg (call_id)
--;
CREATE INDEX leg_unaccounted ON leg (ended_at, channel_id) WHERE NOT accounted AND answered_at IS NOT NULL AND ended_at IS NOT NULL AND party IN ('citizen', 'agent', 'unit')
--;
CREATE INDEX leg_withheld ON leg (call_id) WHERE NOT recorded
--;
CREATE TABLE missed_call (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    call_id TEXT NOT NULL,
    caller BIGINT,
    queue TEXT DEFAULT '' NOT NULL,
    reason TEXT NOT NULL,
    asked BOOLEAN DEFAULT false NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    owner TEXT,
    state TEXT DEFAULT 'open' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    calling_as TEXT,
    resolved_by TEXT,
    resolved_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('open', 'calling', 'recovered', 'superseded', 'unreachable', 'no_number')),
    UNIQUE (call_id),
    FOREIGN KEY(call_id) REFERENCES call (id),
    FOREIGN KEY(caller) REFERENCES identity (id),
    UNIQUE (calling_as)
)
--;
CREATE INDEX missed_call_at ON missed_call (at, id)
--;
CREATE INDEX missed_call_due ON missed_call (due_at, id) WHERE state IN ('open', 'calling')
--;
CREATE UNIQUE INDEX missed_call_one_attempt ON missed_call (caller) WHERE state = 'calling'
--;
CREATE TABLE talk (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    call_id TEXT NOT NULL,
    bridge_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    party TEXT NOT NULL,
    from_at TIMESTAMP WITH TIME ZONE NOT NULL,
    until_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT talk_once UNIQUE (bridge_id, channel_id, from_at),
    CONSTRAINT kind_known CHECK (kind IN ('bridge', 'conference', 'hold', 'spy', 'phone_hold')),
    FOREIGN KEY(call_id) REFERENCES call (id)
)
--;
CREATE INDEX ix_talk_call_id ON talk (call_id)
--;
CREATE TABLE sms_inbound (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    gateway_key TEXT NOT NULL,
    identity_id BIGINT NOT NULL,
    to_number TEXT NOT NULL,
    body TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT DEFAULT 'new' NOT NULL,
    survey_id BIGINT,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('new', 'counted', 'stored', 'person', 'stop', 'unmatched')),
    UNIQUE (gateway_key)
)
--;
CREATE INDEX sms_inbound_identity ON sms_inbound (identity_id, received_at)
--;
CREATE INDEX sms_inbound_person ON sms_inbound (received_at) WHERE state IN ('new', 'person')
--;
CREATE TABLE sms_message (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    key TEXT NOT NULL,
    identity_id BIGINT NOT NULL,
    purpose TEXT NOT NULL,
    ticket_id TEXT,
    body TEXT NOT NULL,
    state TEXT DEFAULT 'queued' NOT NULL,
    submit_attempts SMALLINT DEFAULT '0' NOT NULL,
    turned_away INTEGER DEFAULT '0' NOT NULL,
    reason TEXT,
    gateway_id TEXT,
    expires_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    submitting_at TIMESTAMP WITH TIME ZONE,
    submitted_at TIMESTAMP WITH TIME ZONE,
    final_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT purpose_known CHECK (purpose IN ('survey', 'info', 'ack', 'duty')),
    CONSTRAINT state_known CHECK (state IN ('queued', 'submitting', 'submitted', 'delivered', 'undelivered', 'rejected', 'unknown', 'suppressed')),
    CONSTRAINT submitted_at_most_once CHECK (submit_attempts BETWEEN 0 AND 1),
    CONSTRAINT submitting_is_an_attempt CHECK (state <> 'submitting' OR submit_attempts = 1),
    UNIQUE (key)
)
--;
CREATE INDEX sms_message_identity ON sms_message (identity_id, created_at)
--;
CREATE INDEX sms_message_submitting ON sms_message (submitting_at) WHERE state = 'submitting'
--;
CREATE INDEX sms_message_ticket ON sms_message (ticket_id) WHERE ticket_id IS NOT NULL
--;
CREATE TABLE sms_stop (
    identity_id BIGINT NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (identity_id)
)
--;
CREATE TABLE sms_receipt (
    message_key TEXT NOT NULL,
    dlr_type SMALLINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    answer TEXT,
    PRIMARY KEY (message_key, dlr_type),
    FOREIGN KEY(message_key) REFERENCES sms_message (key)
)
--;
CREATE TABLE clock_witness (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    noted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    second_at TIMESTAMP WITH TIME ZONE NOT NULL,
    source TEXT NOT NULL,
    agreed BOOLEAN DEFAULT false NOT NULL,
    PRIMARY KEY (id)
)
--;
COMMENT ON COLUMN clock_witness.agreed IS 'set by the trigger'
--;
CREATE TABLE leg_account (
    channel_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    party TEXT NOT NULL,
    day DATE NOT NULL,
    answered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answered_s DOUBLE PRECISION NOT NULL,
    audio_s DOUBLE PRECISION NOT NULL,
    gap_s DOUBLE PRECISION NOT NULL,
    place TEXT NOT NULL,
    looked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (channel_id),
    CONSTRAINT party_known CHECK (party IN ('citizen', 'agent', 'unit', 'supervisor', 'tap')),
    CONSTRAINT place_known CHECK (place IN ('kept', 'spool', 'nowhere')),
    CONSTRAINT seconds_not_negative CHECK (answered_s >= 0 AND audio_s >= 0 AND gap_s >= 0)
)
--;
COMMENT ON COLUMN leg_account.day IS 'Chinese day of the answer'
--;
CREATE INDEX leg_account_day ON leg_account (day)
--;
CREATE INDEX leg_account_open ON leg_account (channel_id) WHERE place = 'spool'
--;
CREATE TABLE live_word (
    call_id TEXT NOT NULL,
    stream_started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seq INTEGER NOT NULL,
    party TEXT NOT NULL,
    text TEXT NOT NULL,
    start_s DOUBLE PRECISION NOT NULL,
    end_s DOUBLE PRECISION NOT NULL,
    conf DOUBLE PRECISION NOT NULL,
    words JSONB NOT NULL,
    final BOOLEAN NOT NULL,
    PRIMARY KEY (call_id, stream_started_at, seq),
    CONSTRAINT party_known CHECK (party IN ('citizen', 'agent', 'unit', 'supervisor', 'tap'))
)
--;
COMMENT ON COLUMN live_word.seq IS 'number of the utterance in the stream'
--;
COMMENT ON COLUMN live_word.start_s IS 'from stream_started_at'
--;
COMMENT ON COLUMN live_word.words IS '[{word, start_s, end_s, conf}]'
--;
CREATE TABLE recording (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    call_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    party TEXT NOT NULL,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    duration_s DOUBLE PRECISION,
    size_bytes BIGINT,
    sha256 TEXT,
    sample_rate INTEGER,
    problem TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    delete_not_before DATE NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (channel_id, kind),
    CONSTRAINT kind_known CHECK (kind IN ('leg', 'mix')),
    CONSTRAINT party_known CHECK (party IN ('citizen', 'agent', 'unit', 'supervisor', 'tap')),
    CONSTRAINT state_known CHECK (state IN ('expected', 'complete', 'verified', 'repaired', 'missing', 'suspect')),
    CONSTRAINT problem_known CHECK (problem IN ('missing', 'empty', 'unreadable', 'short', 'long', 'silent', 'orphan', 'foreign')),
    CONSTRAINT path_inside_spool CHECK (path !~ '(^/|\.\.)'),
    CONSTRAINT sha256_shape CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT sizes_not_negative CHECK (duration_s >= 0 AND size_bytes >= 0),
    UNIQUE (path)
)
--;
COMMENT ON COLUMN recording.path IS 'relative to the spool'
--;
CREATE INDEX ix_recording_call_id ON recording (call_id)
--;
CREATE INDEX recording_created ON recording USING brin (created_at)
--;
CREATE INDEX recording_delete_not_before ON recording (delete_not_before)
--;
CREATE INDEX recording_unsettled ON recording (created_at) WHERE state IN ('expected', 'complete')
--;
CREATE TABLE recording_day (
    day DATE NOT NULL,
    legs INTEGER NOT NULL,
    answered_s DOUBLE PRECISION NOT NULL,
    audio_s DOUBLE PRECISION NOT NULL,
    gap_s DOUBLE PRECISION NOT NULL,
    unaccounted_s DOUBLE PRECISION NOT NULL,
    gaps_by_cause JSONB NOT NULL,
    by_state JSONB NOT NULL,
    kept INTEGER NOT NULL,
    copied INTEGER NOT NULL,
    uncopied INTEGER NOT NULL,
    unstored INTEGER NOT NULL,
    oldest_unstored_s DOUBLE PRECISION NOT NULL,
    stored_bytes BIGINT NOT NULL,
    computed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    final BOOLEAN DEFAULT false NOT NULL,
    PRIMARY KEY (day)
)
--;
COMMENT ON COLUMN recording_day.unaccounted_s IS 'must be 0'
--;
CREATE TABLE recording_finding (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    is_file BOOLEAN NOT NULL,
    call_id TEXT,
    party TEXT,
    path TEXT DEFAULT '' NOT NULL,
    answered_s DOUBLE PRECISION,
    audio_s DOUBLE PRECISION,
    first_seen TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen TIMESTAMP WITH TIME ZONE NOT NULL,
    resolved_at TIMESTAMP WITH TIME ZONE,
    resolved_by TEXT,
    note TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('missing', 'empty', 'unreadable', 'short', 'long', 'silent', 'orphan', 'foreign')),
    CONSTRAINT resolved_by_somebody CHECK (resolved_at IS NULL OR resolved_by IS NOT NULL)
)
--;
COMMENT ON COLUMN recording_finding.subject IS 'channel id of the leg, or name of the file in the spool'
--;
COMMENT ON COLUMN recording_finding.resolved_by IS 'who closed it; empty: it went away by itself'
--;
CREATE INDEX recording_finding_call ON recording_finding (call_id)
--;
CREATE UNIQUE INDEX recording_finding_open ON recording_finding (is_file, subject) WHERE resolved_at IS NULL
--;
CREATE TABLE recording_gap (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    call_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    party TEXT NOT NULL,
    from_at TIMESTAMP WITH TIME ZONE NOT NULL,
    until_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seconds DOUBLE PRECISION GENERATED ALWAYS AS (extract(epoch FROM until_at - from_at)::double precision),
    cause TEXT NOT NULL,
    noted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (call_id, channel_id, cause, from_at),
    CONSTRAINT party_known CHECK (party IN ('citizen', 'agent', 'unit', 'supervisor', 'tap')),
    CONSTRAINT cause_known CHECK (cause IN ('asterisk_killed', 'file_missing', 'file_empty', 'file_unreadable', 'cut_short', 'not_recorded')),
    CONSTRAINT gap_has_length CHECK (until_at > from_at)
)
--;
CREATE INDEX ix_recording_gap_call_id ON recording_gap (call_id)
--;
CREATE TABLE recording_pause (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    node TEXT NOT NULL,
    from_at TIMESTAMP WITH TIME ZONE NOT NULL,
    until_at TIMESTAMP WITH TIME ZONE,
    used_share DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT pause_in_order CHECK (until_at >= from_at)
)
--;
COMMENT ON COLUMN recording_pause.used_share IS 'of the spool''s file system when it began'
--;
CREATE UNIQUE INDEX recording_pause_open ON recording_pause (node) WHERE until_at IS NULL
--;
CREATE TABLE retention_basis (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    call_id TEXT NOT NULL,
    called_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    years INTEGER NOT NULL,
    policy_id TEXT NOT NULL,
    policy_version INTEGER NOT NULL,
    article TEXT NOT NULL,
    not_before DATE NOT NULL,
    noted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (call_id, closed_at, policy_id, policy_version, years),
    CONSTRAINT years_at_least_floor CHECK (years >= 3)
)
--;
CREATE TABLE storage_place (
    node TEXT NOT NULL,
    place TEXT NOT NULL,
    total_bytes BIGINT,
    free_bytes BIGINT,
    used_share DOUBLE PRECISION,
    days_left DOUBLE PRECISION,
    level TEXT NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    looked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    error TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (node, place),
    CONSTRAINT level_known CHECK (level IN ('ok', 'warn', 'full', 'unknown'))
)
--;
COMMENT ON COLUMN storage_place.place IS 'spool, store, copy'
--;
COMMENT ON COLUMN storage_place.days_left IS 'until recording stops there; null: nothing grows, or nobody knows'
--;
CREATE TABLE transcript (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    call_id TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    unread JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (call_id, model),
    CONSTRAINT state_known CHECK (state IN ('complete', 'partial', 'failed'))
)
--;
COMMENT ON COLUMN transcript.state IS 'partial: some legs could not be read'
--;
COMMENT ON COLUMN transcript.unread IS '[{party, channel_id, why}]'
--;
CREATE TABLE deletion_certificate (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    recording_id BIGINT NOT NULL,
    call_id TEXT NOT NULL,
    name UUID NOT NULL,
    sealed_sha256 TEXT NOT NULL,
    sealed_bytes BIGINT NOT NULL,
    samples_sha256 TEXT,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    counted_from TIMESTAMP WITH TIME ZONE NOT NULL,
    years INTEGER NOT NULL,
    policy_id TEXT NOT NULL,
    policy_version INTEGER NOT NULL,
    article TEXT NOT NULL,
    delete_not_before DATE NOT NULL,
    recycled_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    second_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_by TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT sha256_shape CHECK (sha256 ~ '^[0-9a-f]{64}$' AND sealed_sha256 ~ '^[0-9a-f]{64}$'),
    UNIQUE (recording_id),
    FOREIGN KEY(recording_id) REFERENCES recording (id),
    UNIQUE (name),
    UNIQUE (sha256)
)
--;
CREATE INDEX ix_deletion_certificate_call_id ON deletion_certificate (call_id)
--;
CREATE TABLE legal_hold (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    call_id TEXT,
    recording_id BIGINT,
    reason TEXT NOT NULL,
    placed_by TEXT NOT NULL,
    placed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    until_day DATE,
    released_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT one_subject CHECK ((call_id IS NULL) <> (recording_id IS NULL)),
    CONSTRAINT reason_given CHECK (length(reason) >= 10),
    FOREIGN KEY(recording_id) REFERENCES recording (id)
)
--;
COMMENT ON COLUMN legal_hold.until_day IS 'its last Chinese day; null: no cap'
--;
CREATE INDEX ix_legal_hold_call_id ON legal_hold (call_id)
--;
CREATE INDEX ix_legal_hold_recording_id ON legal_hold (recording_id)
--;
CREATE TABLE recording_object (
    recording_id BIGINT NOT NULL,
    name UUID NOT NULL,
    path TEXT NOT NULL,
    custody TEXT NOT NULL,
    codec TEXT,
    cipher TEXT,
    key_id TEXT,
    wrapped_key BYTEA,
    sealed_bytes BIGINT,
    sealed_sha256 TEXT,
    plain_bytes BIGINT,
    frames BIGINT,
    sample_rate INTEGER,
    channels INTEGER,
    samples_sha256 TEXT,
    peaks BYTEA,
    prepared_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    stored_at TIMESTAMP WITH TIME ZONE,
    copied_at TIMESTAMP WITH TIME ZONE,
    spool_removed_at TIMESTAMP WITH TIME ZONE,
    checked_at TIMESTAMP WITH TIME ZONE,
    copy_checked_at TIMESTAMP WITH TIME ZONE,
    recycled_at TIMESTAMP WITH TIME ZONE,
    deletion_began_at TIMESTAMP WITH TIME ZONE,
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (recording_id),
    CONSTRAINT custody_known CHECK (custody IN ('prepared', 'stored', 'recycled', 'deleted')),
    CONSTRAINT codec_known CHECK (codec IN ('flac', 'opus', 'raw')),
    CONSTRAINT cipher_known CHECK (cipher IN ('aes-256-gcm', 'sm4-gcm')),
    CONSTRAINT stored_is_whole CHECK (custody = 'prepared' OR (codec IS NOT NULL AND cipher IS NOT NULL AND key_id IS NOT NULL AND (wrapped_key IS NOT NULL OR custody = 'deleted') AND sealed_bytes > 0 AND sealed_sha256 ~ '^[0-9a-f]{64}$' AND stored_at IS NOT NULL)),
    CONSTRAINT deleted_has_time CHECK ((custody = 'deleted') = (deleted_at IS NOT NULL)),
    CONSTRAINT recycled_has_time CHECK ((custody IN ('recycled', 'deleted')) = (recycled_at IS NOT NULL)),
    CONSTRAINT deleted_has_no_key CHECK (custody <> 'deleted' OR wrapped_key IS NULL),
    CONSTRAINT path_inside_store CHECK (path !~ '(^/|\.\.)'),
    FOREIGN KEY(recording_id) REFERENCES recording (id),
    UNIQUE (name),
    UNIQUE (path)
)
--;
COMMENT ON COLUMN recording_object.path IS 'in the store and in its copy'
--;
COMMENT ON COLUMN recording_object.key_id IS 'master key that wraps this file''s key now'
--;
COMMENT ON COLUMN recording_object.peaks IS 'loudest sample of every 100 ms, 0 to 255'
--;
CREATE INDEX recording_object_checked ON recording_object (coalesce(checked_at, stored_at)) WHERE custody IN ('stored', 'recycled')
--;
CREATE INDEX recording_object_copy_checked ON recording_object (coalesce(copy_checked_at, copied_at)) WHERE custody IN ('stored', 'recycled')
--;
CREATE INDEX recording_object_in_spool ON recording_object (stored_at) WHERE spool_removed_at IS NULL
--;
CREATE INDEX recording_object_key ON recording_object (key_id)
--;
CREATE INDEX recording_object_recycled ON recording_object (recycled_at) WHERE custody = 'recycled'
--;
CREATE INDEX recording_object_uncopied ON recording_object (stored_at) WHERE copied_at IS NULL
--;
CREATE TABLE transcript_line (
    transcript_id BIGINT NOT NULL,
    seq INTEGER NOT NULL,
    party TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    start_s DOUBLE PRECISION NOT NULL,
    end_s DOUBLE PRECISION NOT NULL,
    text TEXT NOT NULL,
    words JSONB NOT NULL,
    confidence DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (transcript_id, seq),
    CONSTRAINT party_known CHECK (party IN ('citizen', 'agent', 'unit', 'supervisor', 'tap')),
    FOREIGN KEY(transcript_id) REFERENCES transcript (id) ON DELETE CASCADE
)
--;
COMMENT ON COLUMN transcript_line.start_s IS 'on the call''s clock'
--;
COMMENT ON COLUMN transcript_line.words IS '[{word, start_s, end_s, conf}]'
--;
CREATE TABLE hold_release (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    hold_id BIGINT NOT NULL,
    until_day DATE,
    reason TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    decided_by TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    granted BOOLEAN,
    PRIMARY KEY (id),
    CONSTRAINT two_persons CHECK (lower(decided_by) <> lower(asked_by)),
    CONSTRAINT decided_is_whole CHECK ((decided_by IS NULL) = (decided_at IS NULL) AND (decided_by IS NULL) = (granted IS NULL)),
    CONSTRAINT reason_given CHECK (length(reason) >= 10),
    FOREIGN KEY(hold_id) REFERENCES legal_hold (id)
)
--;
COMMENT ON COLUMN hold_release.until_day IS 'the earlier last day that is asked for; null: release at once'
--;
CREATE UNIQUE INDEX hold_release_one_open ON hold_release (hold_id) WHERE decided_at IS NULL
--;
CREATE INDEX ix_hold_release_hold_id ON hold_release (hold_id)
--;
CREATE TABLE recording_trouble (
    recording_id BIGINT NOT NULL,
    place TEXT NOT NULL,
    trouble TEXT NOT NULL,
    why TEXT NOT NULL,
    found_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (recording_id, place),
    CONSTRAINT place_known CHECK (place IN ('store', 'copy')),
    CONSTRAINT trouble_known CHECK (trouble IN ('absent', 'damaged')),
    FOREIGN KEY(recording_id) REFERENCES recording_object (recording_id)
)
--;
COMMENT ON COLUMN recording_trouble.why IS 'why the other place could not help'
--;
CREATE TABLE accountability_case (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    version INTEGER DEFAULT 1 NOT NULL,
    policy_id TEXT NOT NULL,
    policy_version INTEGER NOT NULL,
    reason TEXT NOT NULL,
    severity TEXT NOT NULL,
    unit TEXT,
    person TEXT DEFAULT '' NOT NULL,
    facts TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    opened_by TEXT NOT NULL,
    outcome TEXT DEFAULT '' NOT NULL,
    outcome_note TEXT DEFAULT '' NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    ended_by TEXT,
    PRIMARY KEY (id)
)
--;
CREATE INDEX accountability_case_by_unit ON accountability_case (unit, id)
--;
CREATE INDEX accountability_case_open ON accountability_case (id) WHERE ended_at IS NULL
--;
CREATE INDEX accountability_case_opened ON accountability_case (opened_at, id)
--;
CREATE TABLE appraisal_input (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    term TEXT NOT NULL,
    unit TEXT DEFAULT '' NOT NULL,
    item TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL CONSTRAINT value_sane CHECK (value BETWEEN 0 AND 1000),
    note TEXT NOT NULL,
    by TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id)
)
--;
CREATE INDEX appraisal_input_by_term ON appraisal_input (term, item, unit, id)
--;
CREATE TABLE archive_week (
    iso_year INTEGER NOT NULL,
    iso_week INTEGER NOT NULL CHECK (iso_week BETWEEN 1 AND 53),
    begins_on DATE NOT NULL,
    last INTEGER NOT NULL CHECK (last >= 1),
    PRIMARY KEY (iso_year, iso_week)
)
--;
CREATE TABLE attachment_object (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name UUID NOT NULL,
    path TEXT NOT NULL,
    place TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    plain_bytes BIGINT NOT NULL,
    cipher TEXT,
    key_id TEXT,
    wrapped_key BYTEA,
    sealed_bytes BIGINT,
    sealed_sha256 TEXT,
    prepared_at TIMESTAMP WITH TIME ZONE NOT NULL,
    stored_at TIMESTAMP WITH TIME ZONE,
    copied_at TIMESTAMP WITH TIME ZONE,
    gone_at TIMESTAMP WITH TIME ZONE,
    checked_at TIMESTAMP WITH TIME ZONE,
    trouble TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT place_known CHECK (place IN ('prepared', 'stored', 'leaving', 'gone')),
    CONSTRAINT file_described CHECK (sha256 ~ '^[0-9a-f]{64}$' AND plain_bytes > 0),
    CONSTRAINT stored_is_described CHECK (place <> 'stored' OR (cipher IS NOT NULL AND wrapped_key IS NOT NULL AND sealed_bytes > 0 AND sealed_sha256 ~ '^[0-9a-f]{64}$' AND stored_at IS NOT NULL)),
    UNIQUE (name),
    UNIQUE (path)
)
--;
COMMENT ON COLUMN attachment_object.path IS 'in the store and in its copy'
--;
COMMENT ON COLUMN attachment_object.sha256 IS 'of the file as it came'
--;
COMMENT ON COLUMN attachment_object.trouble IS 'why no place could mend it'
--;
CREATE INDEX attachment_object_due ON attachment_object (coalesce(checked_at, stored_at)) WHERE place = 'stored'
--;
CREATE INDEX attachment_object_in_trouble ON attachment_object (id) WHERE trouble <> ''
--;
CREATE UNIQUE INDEX attachment_object_once ON attachment_object (sha256) WHERE place = 'stored'
--;
CREATE INDEX attachment_object_uncopied ON attachment_object (id) WHERE place = 'stored' AND copied_at IS NULL
--;
CREATE INDEX attachment_object_unsettled ON attachment_object (id) WHERE place IN ('prepared', 'leaving')
--;
CREATE TABLE dispatch_experience (
    subject TEXT NOT NULL,
    unit TEXT NOT NULL,
    accepted INTEGER DEFAULT 0 NOT NULL,
    returned INTEGER DEFAULT 0 NOT NULL,
    refused_returns INTEGER DEFAULT 0 NOT NULL,
    ruled INTEGER DEFAULT 0 NOT NULL,
    PRIMARY KEY (subject, unit),
    CONSTRAINT dispatch_experience_by_unit UNIQUE (unit, subject)
)
--;
CREATE TABLE duty_shift (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT NOT NULL,
    unit TEXT,
    name TEXT NOT NULL,
    phone TEXT DEFAULT '' NOT NULL,
    from_at TIMESTAMP WITH TIME ZONE NOT NULL,
    until_at TIMESTAMP WITH TIME ZONE NOT NULL,
    noted_by TEXT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('unit', 'hotline', 'leader')),
    CONSTRAINT shift_ends_later CHECK (until_at > from_at),
    CONSTRAINT shift_has_unit CHECK (kind <> 'unit' OR unit IS NOT NULL)
)
--;
CREATE INDEX duty_shift_by_unit ON duty_shift (unit, until_at)
--;
CREATE INDEX duty_shift_until ON duty_shift (until_at, id)
--;
CREATE TABLE knowledge_item (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    unit TEXT NOT NULL,
    accountable TEXT DEFAULT '' NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    live INTEGER,
    revision INTEGER DEFAULT 1 NOT NULL,
    title TEXT NOT NULL,
    valid_from DATE NOT NULL,
    valid_until DATE,
    verified_on DATE,
    review_due_on DATE,
    review_noticed_at TIMESTAMP WITH TIME ZONE,
    refused_at TIMESTAMP WITH TIME ZONE,
    refused_noticed_at TIMESTAMP WITH TIME ZONE,
    search TSVECTOR,
    uploaded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('draft', 'in_review', 'published', 'expired', 'withdrawn')),
    CONSTRAINT live_is_a_version CHECK (live <= version),
    CONSTRAINT published_is_live CHECK (state <> 'published' OR live = version),
    CONSTRAINT valid_in_order CHECK (valid_until >= valid_from)
)
--;
CREATE INDEX knowledge_item_by_state ON knowledge_item (state, id)
--;
CREATE INDEX knowledge_item_by_unit ON knowledge_item (unit, id)
--;
CREATE INDEX knowledge_item_expiring ON knowledge_item (valid_until) WHERE state = 'published' AND valid_until IS NOT NULL
--;
CREATE INDEX knowledge_item_refused ON knowledge_item (refused_at) WHERE refused_at IS NOT NULL AND refused_noticed_at IS NULL
--;
CREATE INDEX knowledge_item_review ON knowledge_item (review_due_on) WHERE live IS NOT NULL AND review_noticed_at IS NULL
--;
CREATE INDEX knowledge_item_search ON knowledge_item USING gin (search) WITH (fastupdate = off) WHERE live IS NOT NULL
--;
CREATE TABLE leader_session (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    held_on DATE NOT NULL,
    leader TEXT NOT NULL,
    title TEXT DEFAULT '' NOT NULL,
    unit TEXT,
    note TEXT DEFAULT '' NOT NULL,
    noted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    noted_by TEXT NOT NULL,
    PRIMARY KEY (id)
)
--;
CREATE INDEX leader_session_by_day ON leader_session (held_on, id)
--;
CREATE TABLE report_run (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    definition TEXT NOT NULL,
    term TEXT NOT NULL,
    revision INTEGER NOT NULL CONSTRAINT revision_from_one CHECK (revision >= 1),
    state TEXT DEFAULT 'asked' NOT NULL,
    remarks TEXT DEFAULT '' NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    publish_by TIMESTAMP WITH TIME ZONE,
    policy TEXT,
    metrics TEXT,
    made_at TIMESTAMP WITH TIME ZONE,
    figures JSONB,
    digest TEXT,
    published_at TIMESTAMP WITH TIME ZONE,
    published_by TEXT,
    PRIMARY KEY (id),
    CONSTRAINT report_run_once UNIQUE (definition, term, revision),
    CONSTRAINT state_known CHECK (state IN ('asked', 'made', 'published')),
    CONSTRAINT made_has_figures CHECK ((state = 'asked') = (figures IS NULL))
)
--;
CREATE TABLE report_topic (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    subject TEXT NOT NULL,
    place TEXT DEFAULT '' NOT NULL,
    title TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    opened_by TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    closed_by TEXT,
    PRIMARY KEY (id)
)
--;
CREATE UNIQUE INDEX report_topic_one_open ON report_topic (subject, place) WHERE closed_at IS NULL
--;
CREATE TABLE ticket (
    id TEXT NOT NULL CONSTRAINT id_shape CHECK (id ~ '^[0-9]{14}$'),
    open_key TEXT,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    round INTEGER NOT NULL,
    policy_id TEXT NOT NULL,
    policy_version INTEGER NOT NULL,
    request_type TEXT DEFAULT '' NOT NULL,
    source TEXT DEFAULT '' NOT NULL,
    subject TEXT DEFAULT '' NOT NULL,
    title TEXT DEFAULT '' NOT NULL,
    content TEXT DEFAULT '' NOT NULL,
    place TEXT DEFAULT '' NOT NULL,
    occurred TEXT DEFAULT '' NOT NULL,
    named_unit TEXT DEFAULT '' NOT NULL,
    contact_name TEXT DEFAULT '' NOT NULL,
    requester_kind TEXT DEFAULT '' NOT NULL,
    accused TEXT DEFAULT '' NOT NULL,
    grade TEXT DEFAULT '' NOT NULL,
    urgent BOOLEAN DEFAULT false NOT NULL,
    confidential BOOLEAN DEFAULT false NOT NULL,
    requester BIGINT,
    call_id TEXT,
    typed TEXT[] DEFAULT '{}' NOT NULL,
    flags TEXT[] DEFAULT '{}' NOT NULL,
    supervising TEXT[] DEFAULT '{}' NOT NULL,
    supervisions INTEGER DEFAULT 0 NOT NULL,
    card TEXT DEFAULT '' NOT NULL,
    request_no INTEGER DEFAULT 1 NOT NULL,
    matter BIGINT,
    master TEXT,
    authority TEXT,
    lead_unit TEXT,
    assist_units TEXT[] DEFAULT '{}' NOT NULL,
    approval TEXT DEFAULT '' NOT NULL,
    leader_instruction TEXT DEFAULT '' NOT NULL,
    cleared TEXT[] DEFAULT '{}' NOT NULL,
    supplements INTEGER DEFAULT 0 NOT NULL,
    dispute_open BOOLEAN DEFAULT false NOT NULL,
    ruled BOOLEAN DEFAULT false NOT NULL,
    return_open BOOLEAN DEFAULT false NOT NULL,
    rejections INTEGER DEFAULT 0 NOT NULL,
    returns INTEGER DEFAULT 0 NOT NULL,
    extension_asked INTEGER DEFAULT 0 NOT NULL,
    extensions INTEGER DEFAULT 0 NOT NULL,
    extended INTEGER DEFAULT 0 NOT NULL,
    extensions_granted INTEGER DEFAULT 0 NOT NULL,
    result TEXT DEFAULT '' NOT NULL,
    rating TEXT,
    rating_source TEXT,
    cause_code TEXT DEFAULT '' NOT NULL,
    explained BOOLEAN DEFAULT false NOT NULL,
    contacted_at TIMESTAMP WITH TIME ZONE,
    contact_tries INTEGER DEFAULT 0 NOT NULL,
    followed_up_at TIMESTAMP WITH TIME ZONE,
    outcome TEXT DEFAULT '' NOT NULL,
    service_rating TEXT DEFAULT '' NOT NULL,
    call_rating TEXT DEFAULT '' NOT NULL,
    closing TEXT DEFAULT '' NOT NULL,
    rework_mode TEXT DEFAULT '' NOT NULL,
    repeat_rule TEXT DEFAULT '' NOT NULL,
    responsible TEXT DEFAULT '' NOT NULL,
    sensitivity TEXT DEFAULT '' NOT NULL,
    publication TEXT DEFAULT '' NOT NULL,
    exempt BOOLEAN DEFAULT false NOT NULL,
    last_hash TEXT DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    registered_at TIMESTAMP WITH TIME ZONE,
    dispatched_at TIMESTAMP WITH TIME ZONE,
    signed_at TIMESTAMP WITH TIME ZONE,
    replied_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    archived_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('draft', 'registered', 'awaiting_supplement', 'rejected', 'referred', 'answered', 'awaiting_approval', 'awaiting_dispatch', 'dispatched', 'signed', 'handling', 'awaiting_unit_signoff', 'replied', 'awaiting_feedback_approval', 'surveying', 'closed', 'archived', 'terminated', 'merged', 'withdrawn')),
    CONSTRAINT rating_source_known CHECK (rating_source IN ('citizen', 'default', 'manual')),
    CONSTRAINT rating_has_source CHECK ((rating IS NULL) = (rating_source IS NULL)),
    UNIQUE (open_key),
    FOREIGN KEY(master) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_by_assist ON ticket USING gin (assist_units)
--;
CREATE INDEX ticket_by_authority ON ticket (authority, id) WHERE authority IS NOT NULL
--;
CREATE INDEX ticket_by_call ON ticket (call_id)
--;
CREATE INDEX ticket_by_closed ON ticket (closed_at) WHERE closed_at IS NOT NULL
--;
CREATE INDEX ticket_by_lead ON ticket (lead_unit, id)
--;
CREATE INDEX ticket_by_master ON ticket (master, id) WHERE master IS NOT NULL
--;
CREATE INDEX ticket_by_matter ON ticket (matter, id) WHERE matter IS NOT NULL
--;
CREATE INDEX ticket_by_rating ON ticket (rating, id) WHERE rating IS NOT NULL
--;
CREATE INDEX ticket_by_registered ON ticket (registered_at)
--;
CREATE INDEX ticket_by_requester ON ticket (requester, id)
--;
CREATE INDEX ticket_by_state ON ticket (state, id)
--;
CREATE INDEX ticket_by_subject ON ticket (subject, id) WHERE subject <> ''
--;
CREATE INDEX ticket_by_subject_place ON ticket (subject, place, id) WHERE place <> ''
--;
CREATE INDEX ticket_by_type ON ticket (request_type, id)
--;
CREATE INDEX ticket_by_update ON ticket (updated_at, id)
--;
CREATE INDEX ticket_public ON ticket (created_at) WHERE publication = 'public'
--;
CREATE TABLE ticket_counter (
    day DATE NOT NULL,
    last INTEGER NOT NULL CHECK (last BETWEEN 1 AND 999999),
    PRIMARY KEY (day)
)
--;
CREATE TABLE ticket_policy (
    policy_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    first_used_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (policy_id, version)
)
--;
CREATE TABLE unit (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent TEXT,
    functions TEXT[] DEFAULT '{}' NOT NULL,
    territory TEXT[] DEFAULT '{}' NOT NULL,
    industry TEXT[] DEFAULT '{}' NOT NULL,
    administrative BOOLEAN DEFAULT true NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    phone TEXT DEFAULT '' NOT NULL,
    hours JSONB,
    version INTEGER DEFAULT 1 NOT NULL,
    edited BOOLEAN DEFAULT false NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('department', 'township', 'enterprise', 'subordinate')),
    FOREIGN KEY(parent) REFERENCES unit (id)
)
--;
CREATE INDEX unit_by_parent ON unit (parent) WHERE parent IS NOT NULL
--;
CREATE TABLE accountability_evidence (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    case_id BIGINT NOT NULL,
    ticket_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    added_at TIMESTAMP WITH TIME ZONE NOT NULL,
    added_by TEXT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT accountability_evidence_once UNIQUE (case_id, ticket_id, seq),
    FOREIGN KEY(case_id) REFERENCES accountability_case (id),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX accountability_evidence_by_ticket ON accountability_evidence (ticket_id)
--;
CREATE TABLE accountability_step (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    case_id BIGINT NOT NULL,
    rung TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    by TEXT NOT NULL,
    note TEXT NOT NULL,
    recipients TEXT[] NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT accountability_step_once UNIQUE (case_id, rung),
    FOREIGN KEY(case_id) REFERENCES accountability_case (id)
)
--;
CREATE TABLE approval (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    gate TEXT NOT NULL,
    state TEXT DEFAULT 'open' NOT NULL,
    rule TEXT NOT NULL,
    basis TEXT DEFAULT '' NOT NULL,
    reading TEXT DEFAULT '' NOT NULL,
    document TEXT DEFAULT '' NOT NULL,
    why TEXT DEFAULT '' NOT NULL,
    seal BOOLEAN DEFAULT false NOT NULL,
    unit TEXT,
    asked_by TEXT NOT NULL,
    contents JSONB,
    judgements JSONB,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT gate_known CHECK (gate IN ('before_dispatch', 'signoff', 'before_feedback', 'report', 'scope', 'termination')),
    CONSTRAINT state_known CHECK (state IN ('open', 'granted', 'declined', 'withdrawn')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX approval_by_ticket ON approval (ticket_id, id)
--;
CREATE UNIQUE INDEX approval_one_open ON approval (ticket_id) WHERE state = 'open'
--;
CREATE TABLE assist_order (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    unit TEXT NOT NULL,
    request TEXT DEFAULT '' NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    signed_at TIMESTAMP WITH TIME ZONE,
    opinion_at TIMESTAMP WITH TIME ZONE,
    opinion TEXT DEFAULT '' NOT NULL,
    refused BOOLEAN DEFAULT false NOT NULL,
    silence_told_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX assist_order_by_ticket ON assist_order (ticket_id, round)
--;
CREATE UNIQUE INDEX assist_order_one ON assist_order (ticket_id, unit) WHERE ended_at IS NULL
--;
CREATE INDEX assist_order_waiting ON assist_order (due_at) WHERE opinion_at IS NULL AND ended_at IS NULL AND silence_told_at IS NULL
--;
CREATE TABLE attachment (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    object_id BIGINT NOT NULL,
    purpose TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    added_at TIMESTAMP WITH TIME ZONE NOT NULL,
    added_by TEXT NOT NULL,
    added_unit TEXT,
    removed_at TIMESTAMP WITH TIME ZONE,
    removed_by TEXT,
    PRIMARY KEY (id),
    CONSTRAINT purpose_known CHECK (purpose IN ('citizen', 'scene', 'reply', 'document', 'request', 'other')),
    CONSTRAINT kind_known CHECK (kind IN ('jpeg', 'png', 'webp', 'heic', 'pdf', 'docx', 'xlsx', 'mp4', 'm4a', 'wav', 'mp3', 'amr')),
    CONSTRAINT removed_by_somebody CHECK ((removed_at IS NULL) = (removed_by IS NULL)),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id),
    FOREIGN KEY(object_id) REFERENCES attachment_object (id)
)
--;
CREATE INDEX attachment_of_ticket ON attachment (ticket_id, id)
--;
CREATE UNIQUE INDEX attachment_once ON attachment (ticket_id, purpose, sha256) WHERE removed_at IS NULL
--;
CREATE INDEX ix_attachment_object_id ON attachment (object_id)
--;
CREATE TABLE coordination (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    agenda TEXT NOT NULL,
    place TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    called_by TEXT NOT NULL,
    called_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('meeting', 'site')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX coordination_by_ticket ON coordination (ticket_id, id)
--;
CREATE TABLE dispatch_catalogue (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT NOT NULL,
    subject TEXT DEFAULT '' NOT NULL,
    keywords TEXT[] DEFAULT '{}' NOT NULL,
    unit TEXT NOT NULL,
    basis TEXT NOT NULL,
    duty_of TEXT NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    edited BOOLEAN DEFAULT false NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT duty_of_known CHECK (duty_of IN ('department', 'township', 'shared')),
    UNIQUE (code),
    FOREIGN KEY(unit) REFERENCES unit (id)
)
--;
CREATE INDEX dispatch_catalogue_by_unit ON dispatch_catalogue (unit)
--;
CREATE TABLE duty_record (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    shift_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    noted_by TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('on', 'off', 'note')),
    FOREIGN KEY(shift_id) REFERENCES duty_shift (id)
)
--;
CREATE INDEX ix_duty_record_shift_id ON duty_record (shift_id)
--;
CREATE TABLE knowledge_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    item_id BIGINT NOT NULL,
    version INTEGER NOT NULL,
    act TEXT NOT NULL,
    actor TEXT NOT NULL,
    actor_unit TEXT,
    note TEXT DEFAULT '' NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT act_known CHECK (act IN ('write', 'revise', 'submit', 'approve', 'refuse', 'verify', 'expire', 'withdraw')),
    FOREIGN KEY(item_id) REFERENCES knowledge_item (id)
)
--;
CREATE INDEX knowledge_event_by_item ON knowledge_event (item_id, id)
--;
CREATE TABLE knowledge_question (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    unit TEXT NOT NULL,
    item_id BIGINT,
    item_version INTEGER,
    defect TEXT,
    ticket_id TEXT,
    asked TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    rule TEXT NOT NULL,
    clock TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 1),
    policy_version TEXT NOT NULL,
    calendar_version TEXT NOT NULL,
    provisional BOOLEAN NOT NULL,
    answer TEXT,
    answered_by TEXT,
    answered_at TIMESTAMP WITH TIME ZONE,
    answer_item BIGINT,
    noticed_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT defect_known CHECK (defect IN ('wrong', 'missing', 'expired', 'unclear', 'incomplete', 'duplicate', 'contradictory', 'old_new_conflict')),
    CONSTRAINT clock_known CHECK (clock IN ('wd', 'h', 'min', 'd', 'clock')),
    CONSTRAINT defect_of_an_item CHECK (defect IS NULL OR item_id IS NOT NULL),
    CONSTRAINT answered_when_answer CHECK ((answered_at IS NULL) = (answer IS NULL)),
    FOREIGN KEY(item_id) REFERENCES knowledge_item (id),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id),
    FOREIGN KEY(answer_item) REFERENCES knowledge_item (id)
)
--;
CREATE INDEX knowledge_question_asked ON knowledge_question (asked_at)
--;
CREATE INDEX knowledge_question_by_item ON knowledge_question (item_id, id) WHERE item_id IS NOT NULL
--;
CREATE INDEX knowledge_question_by_unit ON knowledge_question (unit, id)
--;
CREATE INDEX knowledge_question_open ON knowledge_question (due_at, id) WHERE answered_at IS NULL
--;
CREATE TABLE knowledge_use (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    item_id BIGINT NOT NULL,
    version INTEGER NOT NULL,
    how TEXT NOT NULL,
    actor TEXT NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT how_known CHECK (how IN ('answer', 'linked')),
    CONSTRAINT knowledge_use_once UNIQUE (ticket_id, item_id, version, how),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id),
    FOREIGN KEY(item_id) REFERENCES knowledge_item (id)
)
--;
CREATE INDEX knowledge_use_by_item ON knowledge_use (item_id, id)
--;
CREATE TABLE knowledge_version (
    item_id BIGINT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    template TEXT NOT NULL,
    title TEXT NOT NULL,
    keywords TEXT[] NOT NULL,
    contents JSONB NOT NULL,
    body TEXT NOT NULL,
    valid_from DATE NOT NULL,
    valid_until DATE,
    trigger TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    author TEXT NOT NULL,
    author_unit TEXT,
    uploaded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (item_id, version),
    CONSTRAINT template_known CHECK (template IN ('general', 'service_matter', 'policy_term', 'new_policy', 'rights_duties')),
    CONSTRAINT trigger_known CHECK (trigger IN ('function_change', 'policy_change', 'hot_event', 'question', 'correction', 'routine')),
    FOREIGN KEY(item_id) REFERENCES knowledge_item (id)
)
--;
CREATE TABLE leader_session_ticket (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    session_id BIGINT NOT NULL,
    ticket_id TEXT NOT NULL,
    how TEXT NOT NULL,
    unit TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    by TEXT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT leader_session_ticket_once UNIQUE (ticket_id),
    CONSTRAINT how_known CHECK (how IN ('assigned', 'taken')),
    FOREIGN KEY(session_id) REFERENCES leader_session (id),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX leader_session_ticket_by_session ON leader_session_ticket (session_id, id)
--;
CREATE TABLE manual_task (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    kind TEXT NOT NULL,
    state TEXT DEFAULT 'open' NOT NULL,
    unit TEXT,
    owner TEXT,
    why TEXT DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE,
    done_by TEXT,
    outcome TEXT DEFAULT '' NOT NULL,
    missed_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('review', 'manual_call', 'read_reply', 'explain_overdue', 'supplement', 'unit_follow_up', 'recheck', 'look_back')),
    CONSTRAINT state_known CHECK (state IN ('open', 'done', 'cancelled')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE UNIQUE INDEX manual_task_one_open ON manual_task (ticket_id, round, kind) WHERE state = 'open'
--;
CREATE INDEX manual_task_open ON manual_task (due_at) WHERE state = 'open'
--;
CREATE INDEX manual_task_unexplained ON manual_task (due_at) WHERE state = 'open' AND kind = 'explain_overdue' AND missed_at IS NULL
--;
CREATE TABLE matter (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    first_ticket TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    opened_by TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(first_ticket) REFERENCES ticket (id)
)
--;
CREATE TABLE report_case (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    term TEXT NOT NULL,
    ticket_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    comment TEXT NOT NULL,
    by TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('good', 'problem')),
    CONSTRAINT report_case_once UNIQUE (term, ticket_id),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE TABLE report_file (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    run_id BIGINT NOT NULL,
    variant TEXT NOT NULL,
    format TEXT NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT report_file_once UNIQUE (run_id, variant, format),
    CONSTRAINT variant_known CHECK (variant IN ('internal', 'public')),
    CONSTRAINT format_known CHECK (format IN ('docx', 'xlsx', 'pdf')),
    FOREIGN KEY(run_id) REFERENCES report_run (id)
)
--;
CREATE TABLE ticket_abuse (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    requester BIGINT,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    evidence JSONB NOT NULL,
    noted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    noted_by TEXT NOT NULL,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    confirmed_by TEXT,
    confirmed_note TEXT DEFAULT '' NOT NULL,
    handed_at TIMESTAMP WITH TIME ZONE,
    handed_by TEXT,
    authority TEXT DEFAULT '' NOT NULL,
    receipt TEXT DEFAULT '' NOT NULL,
    handed_note TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('noted', 'confirmed', 'handed_over')),
    CONSTRAINT second_person_confirms CHECK (confirmed_by IS NULL OR confirmed_by <> noted_by),
    CONSTRAINT confirmed_before_handing_over CHECK (handed_at IS NULL OR confirmed_at IS NOT NULL),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_abuse_by_requester ON ticket_abuse (requester, id) WHERE requester IS NOT NULL
--;
CREATE INDEX ticket_abuse_by_ticket ON ticket_abuse (ticket_id, id)
--;
CREATE TABLE ticket_archive (
    ticket_id TEXT NOT NULL,
    round INTEGER DEFAULT 1 NOT NULL,
    number TEXT,
    archived_at TIMESTAMP WITH TIME ZONE NOT NULL,
    manifest JSONB NOT NULL,
    sha256 TEXT NOT NULL,
    events INTEGER NOT NULL,
    last_hash TEXT NOT NULL,
    recordings_keep_until DATE NOT NULL,
    PRIMARY KEY (ticket_id, round),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id),
    UNIQUE (number)
)
--;
CREATE TABLE ticket_assignment (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    unit TEXT NOT NULL,
    role TEXT NOT NULL,
    instruction TEXT DEFAULT '' NOT NULL,
    basis TEXT DEFAULT '' NOT NULL,
    on_spot_by TEXT DEFAULT '' NOT NULL,
    phone_notice JSONB,
    statutory JSONB,
    dispatched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    signed_at TIMESTAMP WITH TIME ZONE,
    replied_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT role_known CHECK (role IN ('lead', 'assist', 'authority')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_assignment_by_ticket ON ticket_assignment (ticket_id, round)
--;
CREATE INDEX ticket_assignment_ended ON ticket_assignment (ended_at) WHERE role = 'lead'
--;
CREATE UNIQUE INDEX ticket_assignment_one_lead ON ticket_assignment (ticket_id) WHERE role = 'lead' AND ended_at IS NULL
--;
CREATE INDEX ticket_assignment_sent ON ticket_assignment (dispatched_at) WHERE role = 'lead'
--;
CREATE TABLE ticket_check (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    unit TEXT,
    kind TEXT NOT NULL,
    found TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('recheck', 'look_back')),
    CONSTRAINT found_known CHECK (found IN ('fine', 'not_done', 'untrue')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_check_by_ticket ON ticket_check (ticket_id, id)
--;
CREATE INDEX ticket_check_by_unit ON ticket_check (unit, at)
--;
CREATE TABLE ticket_commitment (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    unit TEXT,
    stage_result TEXT DEFAULT '' NOT NULL,
    plan TEXT DEFAULT '' NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT DEFAULT 'open' NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    result TEXT DEFAULT '' NOT NULL,
    told_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('open', 'kept', 'dropped')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_commitment_of_unit ON ticket_commitment (unit, due_at, id) WHERE state = 'open'
--;
CREATE UNIQUE INDEX ticket_commitment_one_open ON ticket_commitment (ticket_id) WHERE state = 'open'
--;
CREATE INDEX ticket_commitment_open ON ticket_commitment (due_at, id) WHERE state = 'open'
--;
CREATE TABLE ticket_contact (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    requester BIGINT,
    unit TEXT,
    actor TEXT NOT NULL,
    purpose TEXT NOT NULL,
    reached TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    method TEXT DEFAULT '' NOT NULL,
    told TEXT DEFAULT '' NOT NULL,
    over_reason TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT purpose_known CHECK (purpose IN ('first', 'facts', 'result', 'explain', 'follow_up')),
    CONSTRAINT reached_known CHECK (reached IN ('spoken', 'not_reached', 'refused')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_contact_by_requester ON ticket_contact (requester, at) WHERE requester IS NOT NULL
--;
CREATE INDEX ticket_contact_by_ticket ON ticket_contact (ticket_id, round)
--;
CREATE TABLE ticket_deadline (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    unit TEXT,
    rule TEXT NOT NULL,
    kind TEXT NOT NULL,
    from_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    clock TEXT NOT NULL,
    amount INTEGER NOT NULL,
    policy_version TEXT NOT NULL,
    calendar_version TEXT NOT NULL,
    provisional BOOLEAN DEFAULT false NOT NULL,
    met_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    noticed_at TIMESTAMP WITH TIME ZONE,
    rung TEXT DEFAULT '' NOT NULL,
    rung_at TIMESTAMP WITH TIME ZONE,
    reminded_at TIMESTAMP WITH TIME ZONE,
    looked_at_by TEXT,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('dispatch', 'sign', 'handle', 'contact', 'return', 'progress', 'assist', 'survey', 'commitment', 'supervision', 'supplement')),
    CONSTRAINT clock_known CHECK (clock IN ('wd', 'h', 'min', 'd', 'clock')),
    CONSTRAINT due_after_start CHECK (due_at > from_at),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
COMMENT ON COLUMN ticket_deadline.looked_at_by IS 'calendar version a kept deadline was last compared with'
--;
CREATE INDEX ticket_deadline_by_ticket ON ticket_deadline (ticket_id, round)
--;
CREATE INDEX ticket_deadline_handle ON ticket_deadline (due_at) WHERE kind = 'handle'
--;
CREATE INDEX ticket_deadline_open ON ticket_deadline (due_at) WHERE met_at IS NULL AND ended_at IS NULL AND noticed_at IS NULL
--;
CREATE INDEX ticket_deadline_rung ON ticket_deadline (rung_at, id) WHERE met_at IS NULL AND ended_at IS NULL AND rung_at IS NOT NULL
--;
CREATE INDEX ticket_deadline_running ON ticket_deadline (due_at, id) WHERE met_at IS NULL AND ended_at IS NULL
--;
CREATE INDEX ticket_deadline_running_of_unit ON ticket_deadline (unit, due_at, id) WHERE met_at IS NULL AND ended_at IS NULL
--;
CREATE TABLE ticket_dispute (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    reason TEXT NOT NULL,
    units TEXT[] DEFAULT '{}' NOT NULL,
    decider TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    opened_by TEXT NOT NULL,
    lead TEXT,
    assists TEXT[] DEFAULT '{}' NOT NULL,
    participants TEXT[] DEFAULT '{}' NOT NULL,
    minutes TEXT DEFAULT '' NOT NULL,
    ruling TEXT DEFAULT '' NOT NULL,
    ruled_at TIMESTAMP WITH TIME ZONE,
    ruled_by TEXT,
    PRIMARY KEY (id),
    CONSTRAINT ruling_names_lead CHECK ((ruled_at IS NULL) = (lead IS NULL)),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_dispute_by_ticket ON ticket_dispute (ticket_id, id)
--;
CREATE UNIQUE INDEX ticket_dispute_one_open ON ticket_dispute (ticket_id) WHERE ruled_at IS NULL
--;
CREATE TABLE ticket_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    round INTEGER NOT NULL,
    kind TEXT NOT NULL,
    from_state TEXT,
    to_state TEXT NOT NULL,
    actor TEXT NOT NULL,
    actor_unit TEXT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    data JSONB NOT NULL,
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT ticket_event_once UNIQUE (ticket_id, seq),
    CONSTRAINT kind_known CHECK (kind IN ('open', 'edit', 'register', 'answer', 'reject', 'refer', 'forward', 'withdraw', 'dispatch', 'add_assist', 'sign', 'start', 'ask_return', 'grant_return', 'refuse_return', 'ask_extension', 'grant_extension', 'refuse_extension', 'reply', 'reject_reply', 'begin_survey', 'survey_delivered', 'rate', 'note_cause', 'close', 'rework', 'archive', 'ask_supplement', 'supplement', 'ask_approval', 'sign_approval', 'decline_approval', 'complete_approval', 'ask_signoff', 'ask_termination', 'terminate', 'forward_down', 'hand_back', 'deem_signed', 'open_dispute', 'rule_dispute', 'sign_assist', 'give_opinion', 'report_progress', 'note_outage', 'note_contact', 'keep_commitment', 'urge', 'look_back', 'link', 'unlink', 'merge', 'unmerge', 'flag', 'supervise', 'answer_supervision', 'end_supervision', 'warn', 'note_abuse', 'recalculate', 'decide_publication')),
    CONSTRAINT to_state_known CHECK (to_state IN ('draft', 'registered', 'awaiting_supplement', 'rejected', 'referred', 'answered', 'awaiting_approval', 'awaiting_dispatch', 'dispatched', 'signed', 'handling', 'awaiting_unit_signoff', 'replied', 'awaiting_feedback_approval', 'surveying', 'closed', 'archived', 'terminated', 'merged', 'withdrawn')),
    CONSTRAINT seq_from_one CHECK (seq >= 1),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE TABLE ticket_extension (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    unit TEXT NOT NULL,
    state TEXT NOT NULL,
    amount INTEGER NOT NULL,
    reason TEXT NOT NULL,
    citizen_informed_at TIMESTAMP WITH TIME ZONE,
    signed_by TEXT DEFAULT '' NOT NULL,
    seal TEXT DEFAULT '' NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    granted INTEGER,
    decided_at TIMESTAMP WITH TIME ZONE,
    decided_by TEXT,
    decision_reason TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('requested', 'granted', 'refused', 'moot')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE UNIQUE INDEX ticket_extension_one_open ON ticket_extension (ticket_id) WHERE state = 'requested'
--;
CREATE TABLE ticket_release (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    purpose TEXT NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    asked_by TEXT NOT NULL,
    approved_at TIMESTAMP WITH TIME ZONE,
    approved_by TEXT,
    note TEXT DEFAULT '' NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('export', 'copy')),
    CONSTRAINT second_person_approves CHECK (approved_by IS NULL OR approved_by <> asked_by),
    CONSTRAINT approved_before_use CHECK (used_at IS NULL OR approved_at IS NOT NULL),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_release_by_ticket ON ticket_release (ticket_id, id)
--;
CREATE INDEX ticket_release_waiting ON ticket_release (id) WHERE approved_at IS NULL
--;
CREATE TABLE ticket_reply (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    unit TEXT NOT NULL,
    contents JSONB NOT NULL,
    replied_at TIMESTAMP WITH TIME ZONE NOT NULL,
    rejected_at TIMESTAMP WITH TIME ZONE,
    defect TEXT,
    untrue_at TIMESTAMP WITH TIME ZONE,
    untrue_why TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT ticket_reply_once UNIQUE (ticket_id, seq),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_reply_replied ON ticket_reply (replied_at)
--;
CREATE TABLE ticket_return (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    unit TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    legal_basis TEXT DEFAULT '' NOT NULL,
    proper_unit TEXT DEFAULT '' NOT NULL,
    suggestion TEXT DEFAULT '' NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE,
    decided_by TEXT,
    refusal_code TEXT,
    decision_reason TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('requested', 'granted', 'refused', 'handed_back', 'moot')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_return_asked ON ticket_return (asked_at)
--;
CREATE INDEX ticket_return_by_ticket ON ticket_return (ticket_id, round)
--;
CREATE INDEX ticket_return_by_unit ON ticket_return (unit, state)
--;
CREATE UNIQUE INDEX ticket_return_one_open ON ticket_return (ticket_id) WHERE state = 'requested'
--;
CREATE TABLE ticket_suggestion (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    display TEXT NOT NULL,
    quote TEXT DEFAULT '' NOT NULL,
    start_s FLOAT,
    end_s FLOAT,
    confidence FLOAT NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    rule TEXT NOT NULL,
    state TEXT DEFAULT 'proposed' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE,
    decided_by TEXT,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('proposed', 'taken', 'refused', 'superseded')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_suggestion_by_ticket ON ticket_suggestion (ticket_id, field)
--;
CREATE TABLE ticket_supervision (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT,
    subject TEXT DEFAULT '' NOT NULL,
    round INTEGER NOT NULL,
    trigger TEXT NOT NULL,
    label TEXT DEFAULT '' NOT NULL,
    basis TEXT DEFAULT '' NOT NULL,
    form TEXT NOT NULL,
    automatic BOOLEAN DEFAULT false NOT NULL,
    opened_by TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    unit TEXT,
    reason TEXT DEFAULT '' NOT NULL,
    delegated_to TEXT,
    joint TEXT[] DEFAULT '{}' NOT NULL,
    answer_due_at TIMESTAMP WITH TIME ZONE,
    answered_at TIMESTAMP WITH TIME ZONE,
    answered_by TEXT,
    answer TEXT DEFAULT '' NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    ended_by TEXT,
    result TEXT DEFAULT '' NOT NULL,
    solved BOOLEAN,
    PRIMARY KEY (id),
    CONSTRAINT form_known CHECK (form IN ('phone', 'sms', 'written', 'network', 'site', 'undercover', 'meeting', 'leader')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_supervision_automatic ON ticket_supervision (ticket_id, round, trigger) WHERE automatic AND ticket_id IS NOT NULL
--;
CREATE INDEX ticket_supervision_by_delegate ON ticket_supervision (delegated_to, id) WHERE delegated_to IS NOT NULL
--;
CREATE INDEX ticket_supervision_by_unit ON ticket_supervision (unit, id)
--;
CREATE UNIQUE INDEX ticket_supervision_one_open ON ticket_supervision (ticket_id, trigger) WHERE ended_at IS NULL AND ticket_id IS NOT NULL
--;
CREATE INDEX ticket_supervision_opened ON ticket_supervision (opened_at, id)
--;
CREATE INDEX ticket_supervision_running ON ticket_supervision (id) WHERE ended_at IS NULL
--;
CREATE UNIQUE INDEX ticket_supervision_subject ON ticket_supervision (subject, trigger) WHERE ticket_id IS NULL AND ended_at IS NULL
--;
CREATE TABLE ticket_survey (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    state TEXT NOT NULL,
    requester BIGINT,
    channel TEXT DEFAULT 'sms' NOT NULL,
    extension TEXT DEFAULT '' NOT NULL,
    holds_number BOOLEAN DEFAULT false NOT NULL,
    window_s INTEGER NOT NULL CHECK (window_s > 0),
    no_reply TEXT,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    submitting_at TIMESTAMP WITH TIME ZONE,
    delivered_at TIMESTAMP WITH TIME ZONE,
    expires_at TIMESTAMP WITH TIME ZONE,
    rating TEXT,
    rating_source TEXT,
    rated_at TIMESTAMP WITH TIME ZONE,
    comment TEXT,
    cause TEXT,
    reply_keys TEXT[] DEFAULT '{}' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT ticket_survey_once_a_round UNIQUE (ticket_id, round),
    CONSTRAINT state_known CHECK (state IN ('waiting', 'queued', 'submitting', 'submitted', 'unknown', 'rejected', 'delivered', 'undelivered', 'answered', 'expired_default', 'manual', 'done')),
    CONSTRAINT rating_source_known CHECK (rating_source IN ('citizen', 'default', 'manual')),
    CONSTRAINT cause_known CHECK (cause IN ('rejected', 'no_receipt', 'undelivered', 'silent', 'unclear', 'stopped', 'unsatisfied')),
    CONSTRAINT rated_when_rating CHECK ((rating IS NULL) = (rated_at IS NULL)),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_survey_by_requester ON ticket_survey (requester, opened_at)
--;
CREATE UNIQUE INDEX ticket_survey_one_holds ON ticket_survey (requester, extension) WHERE holds_number
--;
CREATE INDEX ticket_survey_running ON ticket_survey (expires_at) WHERE expires_at IS NOT NULL
--;
CREATE TABLE ticket_words (
    ticket_id TEXT NOT NULL,
    words INTEGER[] NOT NULL,
    PRIMARY KEY (ticket_id),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_words_by_word ON ticket_words USING gin (words) WITH (fastupdate = off)
--;
CREATE TABLE unit_card (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    unit TEXT NOT NULL,
    level TEXT NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    basis TEXT DEFAULT '' NOT NULL,
    automatic BOOLEAN DEFAULT false NOT NULL,
    issued_by TEXT NOT NULL,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT level_known CHECK (level IN ('sms', 'yellow', 'red')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX unit_card_by_unit ON unit_card (unit, issued_at, id)
--;
CREATE INDEX unit_card_issued ON unit_card (issued_at, id)
--;
CREATE TABLE unit_change (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    unit TEXT NOT NULL,
    post TEXT NOT NULL,
    what TEXT NOT NULL,
    changed_on DATE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    remind_at TIMESTAMP WITH TIME ZONE NOT NULL,
    reminded_at TIMESTAMP WITH TIME ZONE,
    overdue_told_at TIMESTAMP WITH TIME ZONE,
    filed_at TIMESTAMP WITH TIME ZONE,
    noted_by TEXT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT post_known CHECK (post IN ('principal', 'deputy', 'liaison', 'handler', 'duty')),
    FOREIGN KEY(unit) REFERENCES unit (id)
)
--;
CREATE INDEX unit_change_by_unit ON unit_change (unit, id)
--;
CREATE INDEX unit_change_open ON unit_change (remind_at) WHERE filed_at IS NULL
--;
CREATE TABLE unit_notice (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    unit TEXT NOT NULL,
    ticket_id TEXT,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    person TEXT DEFAULT '' NOT NULL,
    phone TEXT DEFAULT '' NOT NULL,
    body TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE,
    seen_by TEXT,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('off_hours', 'linkage', 'filing_due', 'filing_overdue', 'opinion_overdue')),
    FOREIGN KEY(unit) REFERENCES unit (id),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id),
    UNIQUE (key)
)
--;
CREATE INDEX unit_notice_by_ticket ON unit_notice (ticket_id) WHERE ticket_id IS NOT NULL
--;
CREATE INDEX unit_notice_unseen ON unit_notice (unit, id) WHERE seen_at IS NULL
--;
CREATE TABLE unit_person (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    unit TEXT NOT NULL,
    post TEXT NOT NULL,
    name TEXT NOT NULL,
    phone TEXT DEFAULT '' NOT NULL,
    login TEXT DEFAULT '' NOT NULL,
    full_time BOOLEAN DEFAULT true NOT NULL,
    from_at TIMESTAMP WITH TIME ZONE NOT NULL,
    until_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT post_known CHECK (post IN ('principal', 'deputy', 'liaison', 'handler', 'duty')),
    FOREIGN KEY(unit) REFERENCES unit (id)
)
--;
CREATE INDEX unit_person_by_login ON unit_person (login) WHERE until_at IS NULL AND login <> ''
--;
CREATE INDEX unit_person_now ON unit_person (unit) WHERE until_at IS NULL
--;
CREATE TABLE unit_shift (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    unit TEXT,
    name TEXT NOT NULL,
    phone TEXT DEFAULT '' NOT NULL,
    from_at TIMESTAMP WITH TIME ZONE NOT NULL,
    until_at TIMESTAMP WITH TIME ZONE NOT NULL,
    leader_session BOOLEAN DEFAULT false NOT NULL,
    noted_by TEXT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT shift_ends_later CHECK (until_at > from_at),
    FOREIGN KEY(unit) REFERENCES unit (id)
)
--;
CREATE INDEX unit_shift_by_unit ON unit_shift (unit, until_at)
--;
CREATE INDEX unit_shift_until ON unit_shift (until_at)
--;
CREATE TABLE upstream_item (
    ticket_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    body JSONB NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (ticket_id, kind, key),
    CONSTRAINT kind_known CHECK (kind IN ('rating', 'receipt', 'urge', 'attachment', 'decision')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE TABLE upstream_ticket (
    system TEXT NOT NULL,
    external_id TEXT NOT NULL,
    ticket_id TEXT NOT NULL,
    source TEXT NOT NULL,
    digest TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    feedback_due_at TIMESTAMP WITH TIME ZONE,
    feedback TEXT DEFAULT 'owed' NOT NULL,
    feedback_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (system, external_id),
    CONSTRAINT feedback_known CHECK (feedback IN ('owed', 'given')),
    CONSTRAINT given_when CHECK ((feedback = 'given') = (feedback_at IS NOT NULL)),
    UNIQUE (ticket_id),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX upstream_ticket_owed ON upstream_ticket (feedback_due_at) WHERE feedback = 'owed'
--;
CREATE TABLE approval_step (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    approval_id BIGINT NOT NULL,
    step_order INTEGER NOT NULL,
    signer TEXT NOT NULL,
    kind TEXT NOT NULL,
    unit TEXT,
    state TEXT DEFAULT 'open' NOT NULL,
    active BOOLEAN DEFAULT false NOT NULL,
    signed_by TEXT,
    signed_at TIMESTAMP WITH TIME ZONE,
    opinion TEXT DEFAULT '' NOT NULL,
    instruction TEXT DEFAULT '' NOT NULL,
    seal TEXT DEFAULT '' NOT NULL,
    reference TEXT DEFAULT '' NOT NULL,
    attachments TEXT[] DEFAULT '{}' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('title', 'office', 'unit_head', 'supervisor', 'external')),
    CONSTRAINT state_known CHECK (state IN ('open', 'signed', 'declined')),
    FOREIGN KEY(approval_id) REFERENCES approval (id)
)
--;
CREATE INDEX approval_step_by_approval ON approval_step (approval_id, step_order)
--;
CREATE INDEX approval_step_waiting ON approval_step (kind, signer, id) WHERE active
--;
CREATE INDEX approval_step_waiting_unit ON approval_step (unit, id) WHERE active
--;
CREATE TABLE coordination_unit (
    coordination_id BIGINT NOT NULL,
    unit TEXT NOT NULL,
    attendees TEXT[] DEFAULT '{}' NOT NULL,
    materials TEXT[] DEFAULT '{}' NOT NULL,
    opinion TEXT DEFAULT '' NOT NULL,
    answered_by TEXT,
    answered_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (coordination_id, unit),
    CONSTRAINT answered_by_somebody CHECK ((answered_at IS NULL) = (answered_by IS NULL)),
    FOREIGN KEY(coordination_id) REFERENCES coordination (id)
)
--;
CREATE INDEX coordination_unit_open ON coordination_unit (unit, coordination_id) WHERE answered_at IS NULL
--;
CREATE TABLE matter_member (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    matter_id BIGINT NOT NULL,
    ticket_id TEXT NOT NULL,
    request_no INTEGER NOT NULL CHECK (request_no >= 1),
    requester BIGINT,
    rules TEXT[] DEFAULT '{}' NOT NULL,
    linked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    linked_by TEXT NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    ended_by TEXT,
    why TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(matter_id) REFERENCES matter (id),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX matter_member_of ON matter_member (matter_id, id)
--;
CREATE UNIQUE INDEX matter_member_one ON matter_member (ticket_id) WHERE ended_at IS NULL
--;
CREATE TABLE supervision_note (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    supervision_id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    by TEXT NOT NULL,
    unit TEXT,
    text TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(supervision_id) REFERENCES ticket_supervision (id)
)
--;
CREATE INDEX ix_supervision_note_supervision_id ON supervision_note (supervision_id)
--;
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$
--;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_append_only, ENABLE ALWAYS TRIGGER audit_no_truncate
--;
CREATE TRIGGER audit_link_append_only BEFORE UPDATE OR DELETE ON audit_link FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER audit_link_no_truncate BEFORE TRUNCATE ON audit_link FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;
ALTER TABLE audit_link ENABLE ALWAYS TRIGGER audit_link_append_only, ENABLE ALWAYS TRIGGER audit_link_no_truncate
--;
CREATE TRIGGER agent_event_append_only BEFORE UPDATE OR DELETE ON agent_event FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER agent_event_no_truncate BEFORE TRUNCATE ON agent_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;
ALTER TABLE agent_event ENABLE ALWAYS TRIGGER agent_event_append_only, ENABLE ALWAYS TRIGGER agent_event_no_truncate
--;
CREATE TRIGGER call_event_append_only BEFORE UPDATE OR DELETE ON call_event FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER call_event_no_truncate BEFORE TRUNCATE ON call_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;
ALTER TABLE call_event ENABLE ALWAYS TRIGGER call_event_append_only, ENABLE ALWAYS TRIGGER call_event_no_truncate
--;
CREATE TRIGGER archived_package_append_only BEFORE UPDATE OR DELETE ON archived_package FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER archived_package_no_truncate BEFORE TRUNCATE ON archived_package FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;
ALTER TABLE archived_package ENABLE ALWAYS TRIGGER archived_package_append_only, ENABLE ALWAYS TRIGGER archived_package_no_truncate
--;
CREATE TRIGGER archived_recording_append_only BEFORE UPDATE OR DELETE ON archived_recording FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER archived_recording_no_truncate BEFORE TRUNCATE ON archived_recording FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;
ALTER TABLE archived_recording ENABLE ALWAYS TRIGGER archived_recording_append_only, ENABLE ALWAYS TRIGGER archived_recording_no_truncate
--;
CREATE TRIGGER archived_week_append_only BEFORE UPDATE OR DELETE ON archived_week FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER archived_week_no_truncate BEFORE TRUNCATE ON archived_week FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;
ALTER TABLE archived_week ENABLE ALWAYS TRIGGER archived_week_append_only, ENABLE ALWAYS TRIGGER archived_week_no_truncate
--;
CREATE TRIGGER archived_week_entry_append_only BEFORE UPDATE OR DELETE ON archived_week_entry FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER archived_week_entry_no_truncate BEFORE TRUNCATE ON archived_week_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;
ALTER TABLE archived_week_entry ENABLE ALWAYS TRIGGER archived_week_entry_append_only, ENABLE ALWAYS TRIGGER archived_week_entry_no_truncate
--;
CREATE OR REPLACE FUNCTION listening_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION '% tells who heard what; % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_TABLE_NAME = 'playback' THEN
        IF OLD.ended_at IS NOT NULL OR NOT (NEW.heard @> OLD.heard) OR NEW.parts < OLD.parts
            OR (NEW.subject, NEW.call_id, NEW.actor, NEW.reason, NEW.began_at, NEW.rate)
                IS DISTINCT FROM (OLD.subject, OLD.call_id, OLD.actor, OLD.reason, OLD.began_at, OLD.rate) THEN
            RAISE EXCEPTION 'what playback % told does not change', OLD.id USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF OLD.approved_by IS NOT NULL
        OR (NEW.recording_id, NEW.call_id, NEW.actor, NEW.reason, NEW.made_at, NEW.ends_at, NEW.muted, NEW.watermark,
            NEW.second_person)
            IS DISTINCT FROM (OLD.recording_id, OLD.call_id, OLD.actor, OLD.reason, OLD.made_at, OLD.ends_at,
            OLD.muted, OLD.watermark, OLD.second_person) THEN
        RAISE EXCEPTION 'what export % is does not change', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
--;
CREATE TRIGGER playback_guard BEFORE UPDATE OR DELETE ON playback FOR EACH ROW EXECUTE FUNCTION listening_guard()
--;
CREATE TRIGGER playback_no_truncate BEFORE TRUNCATE ON playback FOR EACH STATEMENT EXECUTE FUNCTION listening_guard()
--;
ALTER TABLE playback ENABLE ALWAYS TRIGGER playback_guard, ENABLE ALWAYS TRIGGER playback_no_truncate
--;
CREATE TRIGGER recording_export_guard BEFORE UPDATE OR DELETE ON recording_export FOR EACH ROW EXECUTE FUNCTION listening_guard()
--;
CREATE TRIGGER recording_export_no_truncate BEFORE TRUNCATE ON recording_export FOR EACH STATEMENT EXECUTE FUNCTION listening_guard()
--;
ALTER TABLE recording_export ENABLE ALWAYS TRIGGER recording_export_guard, ENABLE ALWAYS TRIGGER recording_export_no_truncate
--;
CREATE TRIGGER restore_drill_append_only BEFORE UPDATE OR DELETE ON restore_drill FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER restore_drill_no_truncate BEFORE TRUNCATE ON restore_drill FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;
ALTER TABLE restore_drill ENABLE ALWAYS TRIGGER restore_drill_append_only, ENABLE ALWAYS TRIGGER restore_drill_no_truncate
--;
CREATE FUNCTION sms_message_never_again() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.state NOT IN ('queued', 'submitting') AND NEW.state IN ('queued', 'submitting') THEN
            RAISE EXCEPTION 'message % is %: it is never sent again', OLD.key, OLD.state
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$
--;
CREATE TRIGGER sms_message_never_again BEFORE UPDATE OF state ON sms_message
        FOR EACH ROW EXECUTE FUNCTION sms_message_never_again()
--;
CREATE SEQUENCE IF NOT EXISTS recording_refusals MINVALUE 0
--;
CREATE SEQUENCE IF NOT EXISTS recording_refused_role MINVALUE 0
--;
CREATE SEQUENCE IF NOT EXISTS recording_refused_recording MINVALUE 0
--;
CREATE SEQUENCE IF NOT EXISTS recording_refused_epoch MINVALUE 0
--;
CREATE OR REPLACE FUNCTION recording_refuse(recording bigint, why text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM setval('recording_refused_role', (SELECT oid::bigint FROM pg_roles WHERE rolname = session_user));
    PERFORM setval('recording_refused_recording', coalesce(recording, 0));
    PERFORM setval('recording_refused_epoch', greatest(0, extract(epoch FROM clock_timestamp())::bigint));
    PERFORM nextval('recording_refusals');
    RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
END $$
--;
CREATE OR REPLACE FUNCTION recording_allowed_now() RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (SELECT least(now(), w.second_at)
            FROM (SELECT * FROM clock_witness ORDER BY id DESC LIMIT 1) w
            WHERE w.agreed AND now() >= w.noted_at AND now() < w.noted_at + interval '90000 seconds');
END $$
--;
CREATE OR REPLACE FUNCTION recording_may_expire(which bigint) RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
--;
CREATE OR REPLACE FUNCTION recording_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
--;
CREATE OR REPLACE FUNCTION recording_object_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    same text[] := ARRAY['key_id', 'wrapped_key', 'copied_at', 'spool_removed_at', 'checked_at', 'copy_checked_at'] || ARRAY['custody', 'recycled_at', 'deletion_began_at', 'deleted_at'];
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
            IF recording_may_expire(OLD.recording_id) < OLD.recycled_at + interval '2592000 seconds' THEN
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
--;
CREATE OR REPLACE FUNCTION deletion_certificate_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
--;
CREATE OR REPLACE FUNCTION deletion_certificate_used() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM recording_object o WHERE o.recording_id = NEW.recording_id
                   AND o.custody = 'deleted' AND o.deleted_at = NEW.deleted_at) THEN
        PERFORM recording_refuse(NEW.recording_id, format('recording %s was not deleted; no certificate',
                                                          NEW.recording_id));
    END IF;
    RETURN NULL;
END $$
--;
CREATE OR REPLACE FUNCTION legal_hold_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
--;
CREATE OR REPLACE FUNCTION hold_release_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
--;
CREATE OR REPLACE FUNCTION clock_witness_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.noted_at := now();
    NEW.agreed := NEW.second_at BETWEEN now() - interval '300 seconds' AND now() + interval '300 seconds';
    RETURN NEW;
END $$
--;
CREATE OR REPLACE FUNCTION recording_row_kept() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM recording_refuse(0, format('%s is append-only; %s is refused', TG_TABLE_NAME, TG_OP));
    RETURN NULL;
END $$
--;
REVOKE ALL ON FUNCTION recording_refuse(bigint, text) FROM PUBLIC
--;
REVOKE ALL ON FUNCTION recording_may_expire(bigint) FROM PUBLIC
--;
CREATE OR REPLACE TRIGGER recording_row_guard BEFORE UPDATE OR DELETE ON recording FOR EACH ROW EXECUTE FUNCTION recording_guard()
--;
ALTER TABLE recording ENABLE ALWAYS TRIGGER recording_row_guard
--;
CREATE OR REPLACE TRIGGER recording_truncate_guard BEFORE TRUNCATE ON recording FOR EACH STATEMENT EXECUTE FUNCTION recording_guard()
--;
ALTER TABLE recording ENABLE ALWAYS TRIGGER recording_truncate_guard
--;
CREATE OR REPLACE TRIGGER recording_object_row_guard BEFORE INSERT OR UPDATE OR DELETE ON recording_object FOR EACH ROW EXECUTE FUNCTION recording_object_guard()
--;
ALTER TABLE recording_object ENABLE ALWAYS TRIGGER recording_object_row_guard
--;
CREATE OR REPLACE TRIGGER recording_object_truncate_guard BEFORE TRUNCATE ON recording_object FOR EACH STATEMENT EXECUTE FUNCTION recording_object_guard()
--;
ALTER TABLE recording_object ENABLE ALWAYS TRIGGER recording_object_truncate_guard
--;
CREATE OR REPLACE TRIGGER recording_gap_row_guard BEFORE UPDATE OR DELETE ON recording_gap FOR EACH ROW EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE recording_gap ENABLE ALWAYS TRIGGER recording_gap_row_guard
--;
CREATE OR REPLACE TRIGGER recording_gap_truncate_guard BEFORE TRUNCATE ON recording_gap FOR EACH STATEMENT EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE recording_gap ENABLE ALWAYS TRIGGER recording_gap_truncate_guard
--;
CREATE OR REPLACE TRIGGER retention_basis_row_guard BEFORE UPDATE OR DELETE ON retention_basis FOR EACH ROW EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE retention_basis ENABLE ALWAYS TRIGGER retention_basis_row_guard
--;
CREATE OR REPLACE TRIGGER retention_basis_truncate_guard BEFORE TRUNCATE ON retention_basis FOR EACH STATEMENT EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE retention_basis ENABLE ALWAYS TRIGGER retention_basis_truncate_guard
--;
CREATE OR REPLACE TRIGGER legal_hold_row_guard BEFORE INSERT OR UPDATE ON legal_hold FOR EACH ROW EXECUTE FUNCTION legal_hold_guard()
--;
ALTER TABLE legal_hold ENABLE ALWAYS TRIGGER legal_hold_row_guard
--;
CREATE OR REPLACE TRIGGER legal_hold_kept BEFORE DELETE ON legal_hold FOR EACH ROW EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE legal_hold ENABLE ALWAYS TRIGGER legal_hold_kept
--;
CREATE OR REPLACE TRIGGER legal_hold_truncate_guard BEFORE TRUNCATE ON legal_hold FOR EACH STATEMENT EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE legal_hold ENABLE ALWAYS TRIGGER legal_hold_truncate_guard
--;
CREATE OR REPLACE TRIGGER hold_release_row_guard BEFORE INSERT OR UPDATE ON hold_release FOR EACH ROW EXECUTE FUNCTION hold_release_guard()
--;
ALTER TABLE hold_release ENABLE ALWAYS TRIGGER hold_release_row_guard
--;
CREATE OR REPLACE TRIGGER hold_release_kept BEFORE DELETE ON hold_release FOR EACH ROW EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE hold_release ENABLE ALWAYS TRIGGER hold_release_kept
--;
CREATE OR REPLACE TRIGGER hold_release_truncate_guard BEFORE TRUNCATE ON hold_release FOR EACH STATEMENT EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE hold_release ENABLE ALWAYS TRIGGER hold_release_truncate_guard
--;
CREATE OR REPLACE TRIGGER clock_witness_row_guard BEFORE INSERT ON clock_witness FOR EACH ROW EXECUTE FUNCTION clock_witness_guard()
--;
ALTER TABLE clock_witness ENABLE ALWAYS TRIGGER clock_witness_row_guard
--;
CREATE OR REPLACE TRIGGER clock_witness_kept BEFORE UPDATE OR DELETE ON clock_witness FOR EACH ROW EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE clock_witness ENABLE ALWAYS TRIGGER clock_witness_kept
--;
CREATE OR REPLACE TRIGGER clock_witness_truncate_guard BEFORE TRUNCATE ON clock_witness FOR EACH STATEMENT EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE clock_witness ENABLE ALWAYS TRIGGER clock_witness_truncate_guard
--;
CREATE OR REPLACE TRIGGER deletion_certificate_row_guard BEFORE INSERT ON deletion_certificate FOR EACH ROW EXECUTE FUNCTION deletion_certificate_guard()
--;
ALTER TABLE deletion_certificate ENABLE ALWAYS TRIGGER deletion_certificate_row_guard
--;
CREATE OR REPLACE TRIGGER deletion_certificate_kept BEFORE UPDATE OR DELETE ON deletion_certificate FOR EACH ROW EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE deletion_certificate ENABLE ALWAYS TRIGGER deletion_certificate_kept
--;
CREATE OR REPLACE TRIGGER deletion_certificate_truncate_guard BEFORE TRUNCATE ON deletion_certificate FOR EACH STATEMENT EXECUTE FUNCTION recording_row_kept()
--;
ALTER TABLE deletion_certificate ENABLE ALWAYS TRIGGER deletion_certificate_truncate_guard
--;
DROP TRIGGER IF EXISTS deletion_certificate_used ON deletion_certificate
--;
CREATE CONSTRAINT TRIGGER deletion_certificate_used AFTER INSERT ON deletion_certificate DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION deletion_certificate_used()
--;
ALTER TABLE deletion_certificate ENABLE ALWAYS TRIGGER deletion_certificate_used
--;
CREATE OR REPLACE FUNCTION recording_day_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NOT OLD.final THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the figures of % are final; % is refused', OLD.day, TG_OP USING ERRCODE = 'restrict_violation';
END $$
--;
CREATE OR REPLACE TRIGGER recording_day_row_guard BEFORE UPDATE OR DELETE ON recording_day FOR EACH ROW EXECUTE FUNCTION recording_day_guard()
--;
ALTER TABLE recording_day ENABLE ALWAYS TRIGGER recording_day_row_guard
--;
CREATE FUNCTION ticketing_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '% is append-only: % refused', TG_ARGV[0], TG_OP USING ERRCODE = 'restrict_violation';
    END $$
--;
CREATE TRIGGER ticket_event_append_only BEFORE UPDATE OR DELETE ON ticket_event FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('ticket_event')
--;
CREATE TRIGGER ticket_event_no_truncate BEFORE TRUNCATE ON ticket_event FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('ticket_event')
--;
CREATE TRIGGER ticket_archive_append_only BEFORE UPDATE OR DELETE ON ticket_archive FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('ticket_archive')
--;
CREATE TRIGGER ticket_archive_no_truncate BEFORE TRUNCATE ON ticket_archive FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('ticket_archive')
--;
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
--;
CREATE TRIGGER ticket_keeps_its_rules BEFORE UPDATE OR DELETE ON ticket
    FOR EACH ROW EXECUTE FUNCTION ticket_keeps_its_rules()
--;
CREATE TRIGGER ticket_no_truncate BEFORE TRUNCATE ON ticket FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('ticket')
--;
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
--;
CREATE CONSTRAINT TRIGGER ticket_has_its_event AFTER INSERT OR UPDATE ON ticket
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ticket_has_its_event()
--;
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
--;
CREATE TRIGGER ticket_rating_stays BEFORE UPDATE OR DELETE ON ticket_survey
    FOR EACH ROW EXECUTE FUNCTION ticket_rating_stays()
--;
CREATE TRIGGER ticket_survey_no_truncate BEFORE TRUNCATE ON ticket_survey FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('ticket_survey')
--;
CREATE TRIGGER supervision_note_append_only BEFORE UPDATE OR DELETE ON supervision_note FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('supervision_note')
--;
CREATE TRIGGER supervision_note_no_truncate BEFORE TRUNCATE ON supervision_note FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('supervision_note')
--;
CREATE TRIGGER unit_card_append_only BEFORE UPDATE OR DELETE ON unit_card FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('unit_card')
--;
CREATE TRIGGER unit_card_no_truncate BEFORE TRUNCATE ON unit_card FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('unit_card')
--;
CREATE TRIGGER accountability_evidence_append_only BEFORE UPDATE OR DELETE ON accountability_evidence FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('accountability_evidence')
--;
CREATE TRIGGER accountability_evidence_no_truncate BEFORE TRUNCATE ON accountability_evidence FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('accountability_evidence')
--;
CREATE TRIGGER accountability_step_append_only BEFORE UPDATE OR DELETE ON accountability_step FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('accountability_step')
--;
CREATE TRIGGER accountability_step_no_truncate BEFORE TRUNCATE ON accountability_step FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('accountability_step')
--;
CREATE TRIGGER duty_record_append_only BEFORE UPDATE OR DELETE ON duty_record FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('duty_record')
--;
CREATE TRIGGER duty_record_no_truncate BEFORE TRUNCATE ON duty_record FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('duty_record')
--;
CREATE TRIGGER leader_session_ticket_append_only BEFORE UPDATE OR DELETE ON leader_session_ticket FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('leader_session_ticket')
--;
CREATE TRIGGER leader_session_ticket_no_truncate BEFORE TRUNCATE ON leader_session_ticket FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('leader_session_ticket')
--;
CREATE FUNCTION knowledge_upload_time() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.uploaded_at := now();
      RETURN NEW;
    END $$
--;
CREATE FUNCTION knowledge_item_keeps_its_rules() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'knowledge %: items are never deleted', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      IF NEW.uploaded_at IS DISTINCT FROM OLD.uploaded_at OR NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'knowledge %: the upload time never changes', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      IF NEW.version < OLD.version THEN
        RAISE EXCEPTION 'knowledge %: versions only rise', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      RETURN NEW;
    END $$
--;
CREATE TRIGGER knowledge_item_uploaded BEFORE INSERT ON knowledge_item FOR EACH ROW EXECUTE FUNCTION knowledge_upload_time()
--;
CREATE TRIGGER knowledge_version_uploaded BEFORE INSERT ON knowledge_version FOR EACH ROW EXECUTE FUNCTION knowledge_upload_time()
--;
CREATE TRIGGER knowledge_item_keeps_its_rules BEFORE UPDATE OR DELETE ON knowledge_item FOR EACH ROW EXECUTE FUNCTION knowledge_item_keeps_its_rules()
--;
CREATE TRIGGER knowledge_item_no_truncate BEFORE TRUNCATE ON knowledge_item FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('knowledge_item')
--;
CREATE TRIGGER knowledge_version_append_only BEFORE UPDATE OR DELETE ON knowledge_version FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('knowledge_version')
--;
CREATE TRIGGER knowledge_version_no_truncate BEFORE TRUNCATE ON knowledge_version FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('knowledge_version')
--;
CREATE TRIGGER knowledge_event_append_only BEFORE UPDATE OR DELETE ON knowledge_event FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('knowledge_event')
--;
CREATE TRIGGER knowledge_event_no_truncate BEFORE TRUNCATE ON knowledge_event FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('knowledge_event')
--;
CREATE TRIGGER knowledge_use_append_only BEFORE UPDATE OR DELETE ON knowledge_use FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('knowledge_use')
--;
CREATE TRIGGER knowledge_use_no_truncate BEFORE TRUNCATE ON knowledge_use FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('knowledge_use')
--;
CREATE TRIGGER appraisal_input_append_only BEFORE UPDATE OR DELETE ON appraisal_input FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('appraisal_input')
--;
CREATE TRIGGER appraisal_input_no_truncate BEFORE TRUNCATE ON appraisal_input FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('appraisal_input')
--;
CREATE TRIGGER report_file_append_only BEFORE UPDATE OR DELETE ON report_file FOR EACH ROW EXECUTE FUNCTION ticketing_refuse('report_file')
--;
CREATE TRIGGER report_file_no_truncate BEFORE TRUNCATE ON report_file FOR EACH STATEMENT EXECUTE FUNCTION ticketing_refuse('report_file')
--;
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
--;
CREATE TRIGGER report_keeps_its_figures BEFORE UPDATE OR DELETE ON report_run
    FOR EACH ROW EXECUTE FUNCTION report_keeps_its_figures()
--;
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
--;
CREATE OR REPLACE TRIGGER recording_object_ticket_guard BEFORE UPDATE ON recording_object FOR EACH ROW EXECUTE FUNCTION recording_ticket_guard()
--;
ALTER TABLE recording_object ENABLE ALWAYS TRIGGER recording_object_ticket_guard
--;
CREATE TYPE pgqueuer_status AS ENUM ('queued', 'picked', 'successful', 'exception', 'canceled', 'deleted', 'failed');
--;
CREATE TABLE pgqueuer (
    id bigserial NOT NULL PRIMARY KEY,
    priority integer NOT NULL,
    queue_manager_id uuid,
    created timestamp with time zone NOT NULL DEFAULT now(),
    updated timestamp with time zone NOT NULL DEFAULT now(),
    heartbeat timestamp with time zone NOT NULL DEFAULT now(),
    execute_after timestamp with time zone NOT NULL DEFAULT now(),
    status pgqueuer_status NOT NULL,
    entrypoint text NOT NULL,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer NOT NULL DEFAULT 0,
    slot bigint
);
--;
CREATE TABLE pgqueuer_log (
    id bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL DEFAULT now(),
    job_id bigint NOT NULL,
    status pgqueuer_status NOT NULL,
    priority integer NOT NULL,
    entrypoint text NOT NULL,
    traceback jsonb,
    aggregated boolean DEFAULT false
);
--;
CREATE TABLE pgqueuer_schedules (
    id bigserial NOT NULL PRIMARY KEY,
    expression text NOT NULL,
    entrypoint text NOT NULL,
    heartbeat timestamp with time zone NOT NULL DEFAULT now(),
    created timestamp with time zone NOT NULL DEFAULT now(),
    updated timestamp with time zone NOT NULL DEFAULT now(),
    next_run timestamp with time zone NOT NULL DEFAULT now(),
    last_run timestamp with time zone,
    status pgqueuer_status DEFAULT 'queued'::pgqueuer_status,
    UNIQUE (expression, entrypoint)
);
--;
CREATE TABLE pgqueuer_statistics (
    id bigserial NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL DEFAULT date_trunc('sec'::text, now()),
    count bigint NOT NULL,
    priority integer NOT NULL,
    status pgqueuer_status NOT NULL,
    entrypoint text NOT NULL
);
--;
CREATE INDEX pgqueuer_ep_ea_idx ON pgqueuer USING btree (entrypoint, execute_after) WHERE (status = 'queued'::pgqueuer_status);
--;
CREATE INDEX pgqueuer_ep_prio_id_idx ON pgqueuer USING btree (entrypoint, priority DESC, id) WHERE (status = 'queued'::pgqueuer_status);
--;
CREATE INDEX pgqueuer_log_created ON pgqueuer_log USING btree (created);
--;
CREATE INDEX pgqueuer_log_job_id_status ON pgqueuer_log USING btree (job_id, created DESC);
--;
CREATE INDEX pgqueuer_log_not_aggregated ON pgqueuer_log USING btree ((1)) WHERE (NOT aggregated);
--;
CREATE INDEX pgqueuer_log_status ON pgqueuer_log USING btree (status);
--;
CREATE INDEX pgqueuer_picked_heartbeat_idx ON pgqueuer USING btree (heartbeat) WHERE (status = 'picked'::pgqueuer_status);
--;
CREATE UNIQUE INDEX pgqueuer_picked_slot_idx ON pgqueuer USING btree (entrypoint, slot) WHERE ((status = 'picked'::pgqueuer_status) AND (slot IS NOT NULL));
--;
CREATE INDEX pgqueuer_priority_id_id1_idx ON pgqueuer USING btree (priority, id DESC) INCLUDE (id) WHERE (status = 'queued'::pgqueuer_status);
--;
CREATE INDEX pgqueuer_queue_manager_id_idx ON pgqueuer USING btree (queue_manager_id) WHERE (queue_manager_id IS NOT NULL);
--;
CREATE UNIQUE INDEX pgqueuer_statistics_unique_count ON pgqueuer_statistics USING btree (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);
--;
CREATE UNIQUE INDEX pgqueuer_unique_dedupe_key ON pgqueuer USING btree (dedupe_key) WHERE ((status = ANY (ARRAY['queued'::pgqueuer_status, 'picked'::pgqueuer_status])) AND (dedupe_key IS NOT NULL));
--;
CREATE INDEX pgqueuer_updated_id_id1_idx ON pgqueuer USING btree (updated, id DESC) INCLUDE (id) WHERE (status = 'picked'::pgqueuer_status);
--;
CREATE FUNCTION fn_pgqueuer_changed() RETURNS TRIGGER AS $$
DECLARE
    to_emit BOOLEAN := false;  -- Flag to decide whether to emit a notification
BEGIN
    -- Check operation type and set the emit flag accordingly
    IF TG_OP = 'UPDATE' AND OLD IS DISTINCT FROM NEW THEN
        to_emit := true;
    ELSIF TG_OP = 'DELETE' THEN
        to_emit := true;
    ELSIF TG_OP = 'INSERT' THEN
        to_emit := true;
    ELSIF TG_OP = 'TRUNCATE' THEN
        to_emit := true;
    END IF;
    -- Perform notification if the emit flag is set
    IF to_emit THEN
        PERFORM pg_notify(
            'ch_pgqueuer',
            json_build_object(
                'channel', 'ch_pgqueuer',
                'operation', lower(TG_OP),
                'sent_at', NOW(),
                'table', TG_TABLE_NAME,
                'type', 'table_changed_event'
            )::text
        );
    END IF;
    -- Return appropriate value based on the operation
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSE
        RETURN NULL; -- For TRUNCATE and other non-row-specific contexts
    END IF;
END;
$$ LANGUAGE plpgsql;
--;
CREATE TRIGGER tg_pgqueuer_changed
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON pgqueuer
EXECUTE FUNCTION fn_pgqueuer_changed();
--;
CREATE UNIQUE INDEX pgqueuer_key_once ON pgqueuer (dedupe_key) WHERE dedupe_key IS NOT NULL
