"""Where a recording is heard from: the store, its copy when the store's object is missing or damaged, or the spool."""

import logging
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import metrics
from callcenter.tables import call as call_table
from callcenter.tables import leg as leg_table
from callcenter.types import CallId, ChannelId, Party, RecordingId
from recordings import store
from recordings.custody import rows
from recordings.custody.custody import Codec, Kept
from recordings.custody.ground import Ground
from recordings.custody.objects import StoreAway
from recordings.listening.sounds import BROKEN, NoSound, Sound, StereoSound, Track, open_kept, open_spool
from recordings.recording import Kind, Recording, State

log = logging.getLogger(__name__)

PLAYABLE = frozenset({State.COMPLETE, State.VERIFIED, State.REPAIRED, State.SUSPECT})
LEFT, RIGHT = frozenset({Party.CITIZEN}), frozenset({Party.AGENT, Party.UNIT})
REMEMBERED = 1_000


class Distrust:
    """Recordings whose object in the store broke while it was read: the copy is asked first from then on.

    What did not even open, in either place, is kept until somebody takes it to have it looked at.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[RecordingId, None] = OrderedDict()
        self._unopened: deque[RecordingId] = deque(maxlen=REMEMBERED)

    def unopened(self, one: RecordingId) -> None:
        """Its object is missing or damaged where it was looked for. From any thread."""
        self._unopened.append(one)

    def taken(self) -> tuple[RecordingId, ...]:
        """What did not open since the last time."""
        found: dict[RecordingId, None] = {}
        while self._unopened:
            found[self._unopened.popleft()] = None
        return tuple(found)

    def add(self, recordings: Sequence[RecordingId]) -> None:
        """They broke."""
        for one in recordings:
            self._seen[one] = None
            self._seen.move_to_end(one)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def __contains__(self, one: RecordingId) -> bool:
        return one in self._seen


@dataclass(frozen=True, slots=True)
class Piece:
    """A recording and where it is. offset_s: its place on the call's clock (answer of the call = 0)."""

    recording: Recording
    kept: Kept | None
    offset_s: float

    @property
    def playable(self) -> bool:
        """Whether there should be something to hear."""
        if self.kept is not None and self.kept.readable:
            return self.kept.contents is not None and self.kept.contents.codec is not Codec.RAW
        return self.recording.state in PLAYABLE and (self.kept is None or self.kept.deleted_at is None)

    @property
    def tag(self) -> str:
        """Changes when what is heard does."""
        lossy = self.kept is not None and self.kept.readable and self.kept.contents is not None
        codec = self.kept.contents.codec if lossy and self.kept and self.kept.contents else Codec.FLAC
        return f"{self.recording.sha256 or 'unverified'}{'-opus' if codec is Codec.OPUS else ''}"


async def piece_of(tx: AsyncConnection, recording_id: RecordingId) -> Piece:
    """One recording. Raises NoRecording."""
    found = await store.recording_of(tx, recording_id)
    offsets = await _offsets(tx, found.call_id)
    return Piece(found, await rows.kept(tx, recording_id), offset_of(found, *offsets))


async def pieces_of(tx: AsyncConnection, call_id: CallId) -> tuple[Piece, ...]:
    """Every recording of a call, oldest first."""
    found = await store.recordings_of(tx, [call_id])
    kept = await rows.kept_of(tx, [one.id for one in found])
    offsets = await _offsets(tx, call_id)
    return tuple(Piece(one, kept.get(one.id), offset_of(one, *offsets)) for one in found)


async def _offsets(tx: AsyncConnection, call_id: CallId) -> tuple[datetime | None, Mapping[ChannelId, datetime]]:
    row = (await tx.execute(select(call_table).where(call_table.c.id == call_id))).one_or_none()
    legs = (await tx.execute(select(leg_table).where(leg_table.c.call_id == call_id))).all()
    answered = {ChannelId(one.channel_id): one.answered_at for one in legs if one.answered_at is not None}
    return (row.answered_at or row.started_at) if row else None, answered


def offset_of(one: Recording, began: datetime | None, answered: Mapping[ChannelId, datetime]) -> float:
    """Seconds from the answer of the call to that of the recording's leg, as transcripts count them. PURE."""
    at = answered.get(one.channel_id) or one.started_at
    return round((at - began).total_seconds(), 3) if at and began else 0.0


def open_piece(ground: Ground, piece: Piece, distrust: Distrust) -> Sound:
    """The recording's sound. Blocking. Raises NoSound, StoreAway."""
    if not piece.playable:
        raise NoSound
    if piece.kept is not None and piece.kept.readable:
        sound = _from_stores(ground, piece.kept, distrust)
        if sound is not None:
            return sound
    try:
        sound = open_spool(ground.spool, piece.recording.path)
    except NoSound:
        metrics.HEARD_FROM.labels("nowhere").inc()
        raise
    metrics.HEARD_FROM.labels("spool").inc()
    return sound


def _from_stores(ground: Ground, kept: Kept, distrust: Distrust) -> Sound | None:
    """None: in neither place, or in neither whole. Raises StoreAway when the last place that may have it is away."""
    places = [False, True] if ground.copy is not None else [False]
    if kept.recording_id in distrust:
        places.reverse()
    away: StoreAway | None = None
    for from_copy in places:
        try:
            sound = open_kept(ground, kept, from_copy=from_copy)
        except StoreAway as error:
            away = error
            log.warning("store is away", extra={"recording": kept.recording_id, "copy": from_copy, "error": str(error)})
        except BROKEN as error:
            said = {"recording": kept.recording_id, "copy": from_copy, "error": f"{type(error).__name__}: {error}"}
            log.warning("kept recording does not open", extra=said)
            distrust.unopened(kept.recording_id)
        else:
            metrics.HEARD_FROM.labels("copy" if from_copy else "store").inc()
            return sound
    if away is not None:
        raise away
    return None


def open_call(ground: Ground, pieces: Sequence[Piece], distrust: Distrust) -> StereoSound:
    """Every leg of a call at its place, by speaker; legs without audio are silent. Blocking.

    Raises NoSound when no leg has any, StoreAway when one cannot be read now.
    """
    begins = begins_s(pieces)
    tracks: list[Track] = []
    try:
        for piece in legs_of(pieces):
            try:
                sound = open_piece(ground, piece, distrust)
            except NoSound:
                continue
            at = round((piece.offset_s - begins) * sound.rate)
            tracks.append(Track(sound, at, piece.recording.party in LEFT))
        return StereoSound(tracks)
    except BaseException:
        for track in tracks:
            track.sound.close()
        raise


def legs_of(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """What one party said each, of the parties who are kept."""
    return tuple(one for one in pieces if one.recording.kind is Kind.LEG and one.recording.party in LEFT | RIGHT)


def begins_s(pieces: Sequence[Piece]) -> float:
    """Where the sound of the whole call begins on the call's clock: 0, or before it (a call-back's agent answers
    first)."""
    return min(0.0, *(one.offset_s for one in legs_of(pieces)), 0.0)
