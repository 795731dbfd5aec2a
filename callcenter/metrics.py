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
RECORDINGS = Counter("callcenter_recordings", "recordings looked at, by what was found", ["state"], registry=REGISTRY)
RECORDINGS_MISSING = Gauge(
    "callcenter_recordings_incomplete", "answered legs and files the last look could not account for", registry=REGISTRY
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


def render() -> bytes:
    """Every number in Prometheus text format; serve with CONTENT_TYPE."""
    return generate_latest(REGISTRY)
