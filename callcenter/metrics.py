"""Numbers this process shows at /metrics: one registry, one name for each.

The only door to prometheus_client. A part of the product adds its numbers here as further module constants and
counts with `metrics.NAME.inc()`; names start with `callcenter_`, units are part of the name, labels take a
handful of fixed words, never an id or a number of a person.
"""

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

REGISTRY = CollectorRegistry()
CONTENT_TYPE = CONTENT_TYPE_LATEST

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

# ---- AMI; label `link` is the AMI user: events or actions --------------------------------------------------------

AMI_LINK_UP = Gauge("callcenter_ami_link_up", "1 while the AMI link is up", ["link"], registry=REGISTRY)
AMI_MESSAGES = Counter("callcenter_ami_messages", "AMI messages received, wanted or not", ["link"], registry=REGISTRY)
AMI_EVENTS = Counter("callcenter_ami_events", "AMI events put on the queue", ["link"], registry=REGISTRY)
AMI_LAG_S = Histogram(
    "callcenter_ami_lag_seconds",
    "from Asterisk's time of an event to its arrival here; one observation per read",
    ["link"],
    buckets=(0.001, 0.005, 0.02, 0.1, 0.2, 0.5, 1, 2, 5, 30),
    registry=REGISTRY,
)
AMI_QUEUE_DEPTH = Gauge("callcenter_ami_queue_depth", "events received and not yet taken", ["link"], registry=REGISTRY)
AMI_DROPPED = Counter(
    "callcenter_ami_dropped_messages",
    "AMI messages not passed on: malformed (an attack looks like this), overflow, handler, late",
    ["link", "reason"],
    registry=REGISTRY,
)
AMI_GAPS = Counter("callcenter_ami_gaps", "times the AMI link was lost", ["link"], registry=REGISTRY)
AMI_GAP_S = Histogram(
    "callcenter_ami_gap_seconds",
    "how long events were not seen",
    ["link"],
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
    registry=REGISTRY,
)
AMI_STALLS = Counter(
    "callcenter_ami_stalls", "times this process itself stood still between two pings", ["link"], registry=REGISTRY
)
AMI_LOGINS_REFUSED = Counter("callcenter_ami_logins_refused", "logins Asterisk refused", ["link"], registry=REGISTRY)
AMI_REFUSED_FIELDS = Counter(
    "callcenter_ami_refused_fields", "actions not sent because a field was not allowed", ["link"], registry=REGISTRY
)
AMI_ACTION_S = Histogram(
    "callcenter_ami_action_seconds",
    "from sending an action to its reply; outcome: ok, refused, lost, timeout",
    ["action", "outcome"],
    buckets=(0.002, 0.005, 0.01, 0.03, 0.1, 0.3, 1, 3, 5),
    registry=REGISTRY,
)

STORY_FAILED = Counter(
    "callcenter_story_failed", "changes of calls that could not be written and were left out", registry=REGISTRY
)
CEL_BAD_LINES = Counter("callcenter_cel_bad_lines", "lines of the CEL file that were not rows", registry=REGISTRY)
COMMANDS = Counter(
    "callcenter_commands",
    "call commands carried out; state: done, failed, unknown",
    ["kind", "state"],
    registry=REGISTRY,
)
AGENT_REPAIRS = Counter(
    "callcenter_agent_repairs", "queue members brought back to what is wanted", ["action"], registry=REGISTRY
)
LISTENER_CALLS = Gauge("callcenter_calls_open", "calls this listener holds open", registry=REGISTRY)
HTTP_REQUESTS = Counter(
    "callcenter_http_requests", "API requests; status: its first digit", ["method", "status"], registry=REGISTRY
)
CSP_VIOLATIONS = Counter(
    "callcenter_csp_violations", "reports of browsers: a page broke its content security policy", registry=REGISTRY
)
RECORDINGS = Counter("callcenter_recordings", "recordings looked at, by what was found", ["state"], registry=REGISTRY)
RECORDING_FINDINGS = Gauge(
    "callcenter_recording_findings",
    "open findings about recordings and the spool, by kind: missing, short, silent, orphan, foreign...",
    ["kind"],
    registry=REGISTRY,
)
SPOOL_OLDEST_S = Gauge(
    "callcenter_recording_spool_oldest_seconds", "age of the oldest file of ours in the spool", registry=REGISTRY
)
RECORDING_DAY = Gauge(
    "callcenter_recording_day",
    "figures of a Chinese day (today, yesterday): coverage (0 to 1), answered_s, audio_s, gap_s, unaccounted_s (must be"
    " 0), kept, copied, uncopied, unstored, oldest_unstored_s, stored_bytes",
    ["day", "figure"],
    registry=REGISTRY,
)
STORAGE = Gauge(
    "callcenter_storage",
    "file system of a place (spool, store, copy): used_share (0 to 1), free_bytes, level (0 ok, 1 warn, 2 full, 3"
    " unreadable), days_left (-1: not known, or it does not grow)",
    ["place", "figure"],
    registry=REGISTRY,
)
RECORDING_PAUSED = Gauge(
    "callcenter_recording_paused",
    "1 while new calls are answered and not recorded: the disk is full",
    registry=REGISTRY,
)
JOBS = Counter("callcenter_jobs", "jobs and sweeps run", ["kind", "outcome"], registry=REGISTRY)
UPSTREAM = Counter(
    "callcenter_upstream_messages",
    "requests of the platform above and messages to it; direction: in, out",
    ["direction", "outcome"],
    registry=REGISTRY,
)
SMS_CALLBACKS = Counter("callcenter_sms_callbacks", "callbacks from the SMS gateway", ["outcome"], registry=REGISTRY)
FORGED_EVENTS = Counter(
    "callcenter_events_not_believed", "events whose contents cannot be true and were left out", registry=REGISTRY
)

RECORDING_KEYS_WRONG = Gauge(
    "callcenter_recording_keys_wrong",
    "master keys that are missing or do not open what was sealed under them; above 0: bring the right key back",
    registry=REGISTRY,
)
AUDIT_LINKS = Gauge("callcenter_audit_links", "rows of the audit that are in its chain", registry=REGISTRY)
AUDIT_ANCHORED = Gauge(
    "callcenter_audit_anchored",
    "links the newest anchor speaks for; behind callcenter_audit_links: see to it",
    registry=REGISTRY,
)
AUDIT_ANCHORS = Counter(
    "callcenter_audit_anchors",
    "anchors of the audit; place: file, object; outcome: written, failed, ahead (the chain was cut)",
    ["place", "outcome"],
    registry=REGISTRY,
)
RECORDING_CHECKS = Counter(
    "callcenter_recording_checks",
    "kept recordings read again; place: store, copy; outcome: sound, mended, lost, away",
    ["place", "outcome"],
    registry=REGISTRY,
)
RECORDINGS_IN_TROUBLE = Gauge(
    "callcenter_recordings_in_trouble", "kept recordings damaged or missing and not mended", registry=REGISTRY
)
RECORDING_OLDEST_CHECK_S = Gauge(
    "callcenter_recording_oldest_check_seconds",
    "since the recording was read that was not read for longest; 90 days at most",
    ["place"],
    registry=REGISTRY,
)
STORE_LOST = Gauge(
    "callcenter_store_lost", "1: a whole store of recordings is gone or not mounted", ["place"], registry=REGISTRY
)
MANY_READS = Counter(
    "callcenter_many_reads", "alarms: one person saw or heard more than the work asks for", registry=REGISTRY
)
RECORDINGS_EXPIRED = Counter(
    "callcenter_recordings_expired",
    "recordings whose time is over; step: recycled, deleted",
    ["step"],
    registry=REGISTRY,
)
RECORDINGS_WAIT_FOR_TICKET = Gauge(
    "callcenter_recordings_wait_for_ticket",
    "recordings whose time is over and whose ticket is not archived",
    registry=REGISTRY,
)
RECORDING_CLOCKS_AGREE = Gauge(
    "callcenter_recording_clocks_agree",
    "1 while PostgreSQL and the second clock agree; 0: nothing is deleted",
    registry=REGISTRY,
)
RECORDING_REFUSALS = Counter(
    "callcenter_recording_deletions_refused", "statements that would have lost a recording too early", registry=REGISTRY
)
RECORDING_GUARDS_OFF = Gauge(
    "callcenter_recording_guards_off", "triggers that should keep recordings and do not", registry=REGISTRY
)
ARCHIVE_PACKAGES = Counter(
    "callcenter_archive_packages",
    "packages of the archive; outcome: made, week (an index), imported, failed, refused",
    ["outcome"],
    registry=REGISTRY,
)

BACKUP_AGE_S = Gauge(
    "callcenter_backup_age_seconds",
    "since the newest base, since the log was complete (wal), since the last good restore drill; +Inf: never",
    ["what"],
    registry=REGISTRY,
)

PLAYBACKS = Counter(
    "callcenter_playbacks", "playbacks begun; what: recording, call, export", ["what"], registry=REGISTRY
)
HEARD_S = Counter("callcenter_heard_seconds", "seconds of recordings people heard", registry=REGISTRY)
HEARD_FROM = Counter(
    "callcenter_recordings_opened",
    "recordings opened to be heard; place: spool, store, copy (the store's was missing or damaged), nowhere",
    ["place"],
    registry=REGISTRY,
)
HEARING_BROKE = Counter(
    "callcenter_playbacks_broken",
    "sounds that broke off while they played: see the audit, recording.damaged",
    registry=REGISTRY,
)
EXPORTS = Counter(
    "callcenter_recording_exports",
    "copies of recordings asked for; outcome: made, waits, refused",
    ["outcome"],
    registry=REGISTRY,
)
RECORDING_INTAKE = Counter(
    "callcenter_recording_intake",
    "steps that bring recordings into the store; outcome: done, adopted, failed (tried again), away, held",
    ["step", "outcome"],
    registry=REGISTRY,
)
RECORDING_KEPT_S = Counter(
    "callcenter_recording_kept_seconds", "audio brought into the store", ["codec"], registry=REGISTRY
)
RECORDINGS_TO_KEEP = Gauge(
    "callcenter_recordings_to_keep", "verified recordings that only the spool has, at the last look", registry=REGISTRY
)


def render() -> bytes:
    """Every number in Prometheus text format; serve with CONTENT_TYPE."""
    return generate_latest(REGISTRY)
