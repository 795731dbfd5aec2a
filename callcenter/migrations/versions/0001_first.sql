-- The first shape of the database: tables, indexes, triggers, the job queue. Frozen: a change is a new revision.
-- Statements are parted by a line that holds only --;

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
CREATE INDEX audit_subject ON audit (subject, id)
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
CREATE TABLE user_account (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    login TEXT NOT NULL,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    roles TEXT[] NOT NULL,
    unit TEXT,
    extension TEXT,
    disabled BOOLEAN DEFAULT false NOT NULL,
    must_change_password BOOLEAN DEFAULT false NOT NULL,
    failed_logins INTEGER DEFAULT 0 NOT NULL,
    locked_until TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
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
    CONSTRAINT direction_known CHECK (direction IN ('in', 'callback')),
    FOREIGN KEY(caller) REFERENCES identity (id)
)
--;
CREATE INDEX call_caller ON call (caller, started_at)
--;
CREATE INDEX call_open ON call (id) WHERE ended_at IS NULL
--;
CREATE INDEX call_started ON call (started_at, id)
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
    PRIMARY KEY (channel_id),
    CONSTRAINT party_known CHECK (party IN ('citizen', 'agent', 'unit', 'supervisor', 'tap')),
    FOREIGN KEY(call_id) REFERENCES call (id)
)
--;
CREATE INDEX ix_leg_call_id ON leg (call_id)
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
    CONSTRAINT kind_known CHECK (kind IN ('bridge', 'conference', 'hold', 'spy')),
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
    CONSTRAINT purpose_known CHECK (purpose IN ('survey', 'info', 'ack')),
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
CREATE INDEX recording_unsettled ON recording (created_at) WHERE state IN ('expected', 'complete')
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
    urgent BOOLEAN DEFAULT false NOT NULL,
    confidential BOOLEAN DEFAULT false NOT NULL,
    requester BIGINT,
    call_id TEXT,
    typed TEXT[] DEFAULT '{}' NOT NULL,
    lead_unit TEXT,
    assist_units TEXT[] DEFAULT '{}' NOT NULL,
    return_open BOOLEAN DEFAULT false NOT NULL,
    returns INTEGER DEFAULT 0 NOT NULL,
    extension_asked INTEGER DEFAULT 0 NOT NULL,
    extensions INTEGER DEFAULT 0 NOT NULL,
    extended INTEGER DEFAULT 0 NOT NULL,
    result TEXT DEFAULT '' NOT NULL,
    rating TEXT,
    rating_source TEXT,
    cause_code TEXT DEFAULT '' NOT NULL,
    explained BOOLEAN DEFAULT false NOT NULL,
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
    CONSTRAINT state_known CHECK (state IN ('draft', 'registered', 'rejected', 'referred', 'answered', 'awaiting_dispatch', 'dispatched', 'signed', 'handling', 'replied', 'surveying', 'closed', 'archived', 'withdrawn')),
    CONSTRAINT rating_source_known CHECK (rating_source IN ('citizen', 'default', 'manual')),
    CONSTRAINT rating_has_source CHECK ((rating IS NULL) = (rating_source IS NULL)),
    UNIQUE (open_key)
)
--;
CREATE INDEX ticket_by_assist ON ticket USING gin (assist_units)
--;
CREATE INDEX ticket_by_call ON ticket (call_id)
--;
CREATE INDEX ticket_by_lead ON ticket (lead_unit, id)
--;
CREATE INDEX ticket_by_requester ON ticket (requester, id)
--;
CREATE INDEX ticket_by_state ON ticket (state, id)
--;
CREATE INDEX ticket_by_type ON ticket (request_type, id)
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
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('review', 'manual_call', 'read_reply', 'explain_overdue')),
    CONSTRAINT state_known CHECK (state IN ('open', 'done', 'cancelled')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE UNIQUE INDEX manual_task_one_open ON manual_task (ticket_id, round, kind) WHERE state = 'open'
--;
CREATE INDEX manual_task_open ON manual_task (due_at) WHERE state = 'open'
--;
CREATE TABLE ticket_archive (
    ticket_id TEXT NOT NULL,
    archived_at TIMESTAMP WITH TIME ZONE NOT NULL,
    manifest JSONB NOT NULL,
    sha256 TEXT NOT NULL,
    events INTEGER NOT NULL,
    last_hash TEXT NOT NULL,
    recordings_keep_until DATE NOT NULL,
    PRIMARY KEY (ticket_id),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
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
    phone_notice JSONB,
    statutory JSONB,
    dispatched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    signed_at TIMESTAMP WITH TIME ZONE,
    replied_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT role_known CHECK (role IN ('lead', 'assist')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_assignment_by_ticket ON ticket_assignment (ticket_id, round)
--;
CREATE UNIQUE INDEX ticket_assignment_one_lead ON ticket_assignment (ticket_id) WHERE role = 'lead' AND ended_at IS NULL
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
    PRIMARY KEY (id),
    CONSTRAINT kind_known CHECK (kind IN ('dispatch', 'sign', 'handle', 'return', 'survey')),
    CONSTRAINT clock_known CHECK (clock IN ('wd', 'h', 'min', 'd')),
    CONSTRAINT due_after_start CHECK (due_at > from_at),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
--;
CREATE INDEX ticket_deadline_by_ticket ON ticket_deadline (ticket_id, round)
--;
CREATE INDEX ticket_deadline_open ON ticket_deadline (due_at) WHERE met_at IS NULL AND ended_at IS NULL AND noticed_at IS NULL
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
    CONSTRAINT kind_known CHECK (kind IN ('open', 'edit', 'register', 'answer', 'reject', 'refer', 'forward', 'withdraw', 'dispatch', 'add_assist', 'sign', 'start', 'ask_return', 'grant_return', 'refuse_return', 'ask_extension', 'grant_extension', 'refuse_extension', 'reply', 'reject_reply', 'begin_survey', 'survey_delivered', 'rate', 'note_cause', 'close', 'rework', 'archive')),
    CONSTRAINT to_state_known CHECK (to_state IN ('draft', 'registered', 'rejected', 'referred', 'answered', 'awaiting_dispatch', 'dispatched', 'signed', 'handling', 'replied', 'surveying', 'closed', 'archived', 'withdrawn')),
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
    PRIMARY KEY (id),
    CONSTRAINT ticket_reply_once UNIQUE (ticket_id, seq),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
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
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE,
    decided_by TEXT,
    refusal_code TEXT,
    decision_reason TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('requested', 'granted', 'refused')),
    FOREIGN KEY(ticket_id) REFERENCES ticket (id)
)
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
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$
--;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER agent_event_append_only BEFORE UPDATE OR DELETE ON agent_event FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER agent_event_no_truncate BEFORE TRUNCATE ON agent_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER call_event_append_only BEFORE UPDATE OR DELETE ON call_event FOR EACH ROW EXECUTE FUNCTION refuse_change()
--;
CREATE TRIGGER call_event_no_truncate BEFORE TRUNCATE ON call_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
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
CREATE OR REPLACE FUNCTION recording_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'recordings are kept until delete_not_before; TRUNCATE is refused'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF OLD.delete_not_before > (now() AT TIME ZONE 'Asia/Shanghai')::date THEN
            RAISE EXCEPTION 'recording % is kept until %', OLD.id, OLD.delete_not_before
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.delete_not_before < OLD.delete_not_before THEN
        RAISE EXCEPTION 'recording % is kept until %; the date is never brought forward',
            OLD.id, OLD.delete_not_before USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.call_id, NEW.channel_id, NEW.kind, NEW.party, NEW.created_at)
        IS DISTINCT FROM (OLD.call_id, OLD.channel_id, OLD.kind, OLD.party, OLD.created_at) THEN
        RAISE EXCEPTION 'whose recording % is does not change', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
--;
CREATE OR REPLACE TRIGGER recording_row_guard BEFORE UPDATE OR DELETE ON recording FOR EACH ROW EXECUTE FUNCTION recording_guard()
--;
CREATE OR REPLACE TRIGGER recording_truncate_guard BEFORE TRUNCATE ON recording FOR EACH STATEMENT EXECUTE FUNCTION recording_guard()
--;
CREATE OR REPLACE FUNCTION recording_gap_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'recording_gap is append-only; % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$
--;
CREATE OR REPLACE TRIGGER recording_gap_row_guard BEFORE UPDATE OR DELETE ON recording_gap FOR EACH ROW EXECUTE FUNCTION recording_gap_guard()
--;
CREATE OR REPLACE TRIGGER recording_gap_truncate_guard BEFORE TRUNCATE ON recording_gap FOR EACH STATEMENT EXECUTE FUNCTION recording_gap_guard()
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
      IF OLD.state = 'archived' THEN
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
