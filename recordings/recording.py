"""What a recording is, how it is judged against the call, and how long it is kept. PURE.

One file per leg (`kind=leg`, what that party said) and one of the citizen's channel with both sides
(`kind=mix`, for listening). Every answered second of a leg is either audio or a gap with a cause.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum

from callcenter.types import CALL_ID_PATTERN, CallId, ChannelId, Party, RecordingId

CHINA = timezone(timedelta(hours=8))
"""Dates of retention are Chinese dates; no summer time since 1991."""

STDIO_STEP_BYTES = 32_768
"""Asterisk writes its files in steps of this size, so a kill loses at most one step."""
STEP_S = STDIO_STEP_BYTES / 16_000
"""The same in seconds of 8 kHz, 16-bit audio (2.048 s)."""

TOLERANCE_S = 1.0
TOLERANCE_SHARE = 0.01
# The answer is signalled before the first packet is mixed and the last one is flushed after the BYE: tens of
# milliseconds. One second and one per cent leave room for lost packets and clock drift, and for nothing else.

SILENT_PEAK = 0.003
# -50 dBFS. The smallest A-law step is -72 dBFS, an idle line stays under -55; the softest speech seen was -30.


class Kind(StrEnum):
    """What a file holds: one party's voice, or both sides of the citizen's channel."""

    LEG = "leg"
    MIX = "mix"


class State(StrEnum):
    """Where a recording stands."""

    EXPECTED = "expected"
    """The leg was answered; its file is being written."""
    COMPLETE = "complete"
    """Asterisk says the file is finished; nobody has looked at it yet."""
    VERIFIED = "verified"
    """Decodable, long enough, not silent; length and checksum are stored."""
    REPAIRED = "repaired"
    """Asterisk died while it was written; playable again, what is lost is a gap row."""
    MISSING = "missing"
    """There is no audio; the whole leg is a gap row."""
    SUSPECT = "suspect"
    """There is a file, but `problem` says what is wrong with it; a person has to look."""


SETTLED = frozenset({State.VERIFIED, State.REPAIRED, State.MISSING, State.SUSPECT})


class Problem(StrEnum):
    """What is wrong with a recording or with the spool."""

    MISSING = "missing"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    SHORT = "short"
    LONG = "long"
    SILENT = "silent"
    ORPHAN = "orphan"
    """A file of ours that no event and no recovery has claimed."""
    FOREIGN = "foreign"
    """A file in the spool whose name is not one of ours."""


class Cause(StrEnum):
    """Why answered seconds have no audio."""

    ASTERISK_KILLED = "asterisk_killed"
    FILE_MISSING = "file_missing"
    FILE_EMPTY = "file_empty"
    FILE_UNREADABLE = "file_unreadable"
    CUT_SHORT = "cut_short"
    NOT_RECORDED = "not_recorded"
    """Recording was off on purpose or for want of space (未录音)."""


class ForeignFile(ValueError):
    """The file name is not `<call id>_<leg>_<channel>.sln` nor `<call id>_mix_<channel>.wav`; it is not ours."""


class BadRecordingDone(ValueError):
    """A RecordingDone event names a file that does not belong to its own call, leg or channel; it is ignored."""


_NAME = re.compile(
    rf"(?P<call>{CALL_ID_PATTERN.pattern})_"
    r"(?:(?P<party>citizen|agent|unit|supervisor)_(?P<leg>[A-Za-z0-9][A-Za-z0-9.-]{0,63})\.sln"
    r"|mix_(?P<mix>[A-Za-z0-9][A-Za-z0-9.-]{0,63})\.wav)"
)


@dataclass(frozen=True, slots=True)
class SpoolName:
    """What a file name in the spool says about itself. `name` is relative to the spool, which is flat."""

    name: str
    call_id: CallId
    channel_id: ChannelId
    party: Party
    kind: Kind


@dataclass(frozen=True, slots=True)
class RecordingDone:
    """The dialplan's UserEvent(RecordingDone): paths as Asterisk wrote them, `mix` may be empty."""

    call_id: CallId
    channel_id: ChannelId
    party: Party
    file: str
    mix: str = ""


@dataclass(frozen=True, slots=True)
class AnsweredLeg:
    """One leg of a call, from its answer to its end; both aware UTC, `ended_at` not before `answered_at`."""

    call_id: CallId
    channel_id: ChannelId
    party: Party
    answered_at: datetime
    ended_at: datetime

    @property
    def seconds(self) -> float:
        """How long the leg was answered, never negative (a clock may have stepped back)."""
        return max(0.0, (self.ended_at - self.answered_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Sound:
    """What a readable file holds. `peak` is 0 to 1; `repaired` says that its header had to be completed."""

    duration_s: float
    sample_rate: int
    peak: float
    size_bytes: int
    sha256: str
    repaired: bool = False

    @property
    def silent(self) -> bool:
        """Nothing louder than an idle line anywhere in the file."""
        return self.peak < SILENT_PEAK


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file without usable audio: MISSING, EMPTY or UNREADABLE; checksum only where there is a file."""

    problem: Problem
    size_bytes: int = 0
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Answered time of a leg that has no audio, and why. Aware UTC."""

    call_id: CallId
    channel_id: ChannelId
    party: Party
    from_at: datetime
    until_at: datetime
    cause: Cause

    @property
    def seconds(self) -> float:
        """Length of the gap in seconds."""
        return (self.until_at - self.from_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of judging one file."""

    state: State
    problem: Problem | None = None
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """One row of the table `recording`. `path` is relative to the spool."""

    id: RecordingId
    call_id: CallId
    channel_id: ChannelId
    party: Party
    kind: Kind
    path: str
    state: State
    started_at: datetime | None
    ended_at: datetime | None
    duration_s: float | None
    size_bytes: int | None
    sha256: str | None
    sample_rate: int | None
    problem: Problem | None
    delete_not_before: date


@dataclass(frozen=True, slots=True)
class Missing:
    """Something the monitor cannot account for; `leg` is None for files that belong to no answered leg."""

    problem: Problem
    path: str
    leg: AnsweredLeg | None
    audio_s: float
    unaccounted_s: float

    @property
    def gap(self) -> Gap | None:
        """The gap row that would account for it; None where seconds are not what is missing."""
        if self.leg is None or self.unaccounted_s <= 0:
            return None
        lost = timedelta(seconds=self.unaccounted_s)
        return _gap(self.leg, self.leg.ended_at - lost, _CAUSES[self.problem])

    def __str__(self) -> str:
        where = self.path or (self.leg.channel_id if self.leg else "")
        if self.leg is None:
            return f"{where}: {self.problem} file in the spool"
        return (
            f"call {self.leg.call_id}, {self.leg.party}, {where}: {self.problem}; "
            f"{self.audio_s:.1f} s of audio for {self.leg.seconds:.1f} answered s"
        )


_CAUSES = {
    Problem.MISSING: Cause.FILE_MISSING,
    Problem.EMPTY: Cause.FILE_EMPTY,
    Problem.UNREADABLE: Cause.FILE_UNREADABLE,
    Problem.SHORT: Cause.CUT_SHORT,
}


def parse_name(path: str) -> SpoolName:
    """What the last part of `path` says. Raises ForeignFile when the name is not one of ours."""
    name = path.rpartition("/")[2]
    found = _NAME.fullmatch(name)
    if not found:
        raise ForeignFile(f"not a recording of ours: {name[:120]!r}")
    call = CallId(found["call"])
    if found["mix"]:
        return SpoolName(name, call, ChannelId(found["mix"]), Party.CITIZEN, Kind.MIX)
    return SpoolName(name, call, ChannelId(found["leg"]), Party(found["party"]), Kind.LEG)


def name_of(call_id: CallId, party: Party, channel_id: ChannelId, kind: Kind = Kind.LEG) -> SpoolName:
    """The name the dialplan gives to a file. Raises ForeignFile when the parts do not make a name of ours."""
    end = f"{party}_{channel_id}.sln" if kind is Kind.LEG else f"mix_{channel_id}.wav"
    return parse_name(f"{call_id}_{end}")


def files_of(done: RecordingDone) -> tuple[SpoolName, ...]:
    """The files a RecordingDone announces, as names relative to the spool; the directory it gives is not trusted.

    Raises BadRecordingDone when a name is foreign or belongs to another call, channel or party: an event is a
    hint, and a wrong one must not tie a file to the wrong call.
    """
    try:
        leg = parse_name(done.file)
        mix = parse_name(done.mix) if done.mix else None
    except ForeignFile as error:
        raise BadRecordingDone(str(error)) from error
    said = (done.call_id, done.channel_id)
    if (leg.call_id, leg.channel_id) != said or leg.kind is not Kind.LEG or leg.party is not done.party:
        raise BadRecordingDone(f"{leg.name} is not the file of {done.party} {done.channel_id} in {done.call_id}")
    if mix is None:
        return (leg,)
    if (mix.call_id, mix.channel_id) != said or mix.kind is not Kind.MIX:
        raise BadRecordingDone(f"{mix.name} is not the mix of {done.channel_id} in {done.call_id}")
    return (leg, mix)


def tolerance_s(answered_s: float) -> float:
    """How much a sound recording may differ from the answered seconds of its leg."""
    return TOLERANCE_S + TOLERANCE_SHARE * answered_s


def judge(found: Sound | Unusable, leg: AnsweredLeg | None, *, killed: bool = False) -> Verdict:
    """What to think of a file.

    leg: the answered seconds it has to cover, None when nobody knows them (then only the file is judged).
    killed: Asterisk died while it was written; then nothing is within tolerance, every lost moment is a gap.
    """
    if isinstance(found, Unusable):
        return _judge_unusable(found, leg, killed)
    lost_s = (leg.seconds if leg else found.duration_s) - found.duration_s
    allowed_s = tolerance_s(leg.seconds) if leg else 0.0
    if leg and killed and lost_s > 0:
        silent = Problem.SILENT if found.silent else None
        return Verdict(State.REPAIRED, silent, _tail(leg, lost_s, Cause.ASTERISK_KILLED))
    if leg and lost_s > allowed_s:
        return Verdict(State.SUSPECT, Problem.SHORT, _tail(leg, lost_s, Cause.CUT_SHORT))
    if -lost_s > allowed_s:
        return Verdict(State.SUSPECT, Problem.LONG)
    if found.silent:
        return Verdict(State.SUSPECT, Problem.SILENT)
    return Verdict(State.REPAIRED if killed or found.repaired else State.VERIFIED)


def _judge_unusable(found: Unusable, leg: AnsweredLeg | None, killed: bool) -> Verdict:
    cause = Cause.ASTERISK_KILLED if killed else _CAUSES[found.problem]
    gap = _gap(leg, leg.answered_at, cause) if leg and leg.seconds > 0 else None
    state = State.SUSPECT if found.problem is Problem.UNREADABLE else State.MISSING
    return Verdict(state, found.problem, gap)


def _tail(leg: AnsweredLeg, lost_s: float, cause: Cause) -> Gap:
    return _gap(leg, leg.ended_at - timedelta(seconds=lost_s), cause)


def _gap(leg: AnsweredLeg, from_at: datetime, cause: Cause) -> Gap:
    return Gap(leg.call_id, leg.channel_id, leg.party, from_at, leg.ended_at, cause)


def ends_in_a_step(size_bytes: int) -> bool:
    """Whether a file without header looks as if its writer was killed: it ends where a stdio buffer did.

    A file that was closed ends anywhere; by chance one in about a hundred ends here too, so this only decides
    where nothing better is known.
    """
    return size_bytes % STDIO_STEP_BYTES == 0


def last_heard_leg(name: SpoolName, last_write_at: datetime, duration_s: float) -> AnsweredLeg:
    """The leg of a file whose call nobody remembers: audio up to the last write, then one lost step."""
    started_at = last_write_at - timedelta(seconds=duration_s)
    ended_at = last_write_at + timedelta(seconds=STEP_S)
    return AnsweredLeg(name.call_id, name.channel_id, name.party, started_at, ended_at)


def unaccounted_s(leg: AnsweredLeg, audio_s: float, gaps: Iterable[Gap]) -> float:
    """Answered seconds of the leg that are neither audio nor an explained gap; 0 within the tolerance."""
    explained_s = 0.0
    reached = leg.answered_at
    # Two rows may explain the same seconds (a kill, noted twice); they count once.
    for gap in sorted(gaps, key=lambda gap: gap.from_at):
        start, end = max(gap.from_at, reached), min(gap.until_at, leg.ended_at)
        if end > start:
            explained_s += (end - start).total_seconds()
            reached = end
    left_s = leg.seconds - audio_s - explained_s
    return left_s if left_s > tolerance_s(leg.seconds) else 0.0
