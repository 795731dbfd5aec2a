"""PURE: where it is: the gazetteer's names in the citizen's words, with house, building and the like after them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ticketing.prefill.data import Hit, Place, PrefillData
from ticketing.prefill.numerals import find_numbers
from ticketing.prefill.talk import Conversation, Field, Suggestion, Topic, confirmed_strength

_DEPTH = {"county": 0, "town": 1, "village": 2, "road": 2, "spot": 2, "estate": 3}
_STRENGTH = {"county": 0.45, "town": 0.7, "village": 0.85, "road": 0.8, "spot": 0.7, "estate": 0.88}
_NUMBER = r"[0-9零〇一二三四五六七八九十百两]+"
_DETAIL = re.compile(
    rf"(?:(?:{_NUMBER}(?:号楼|栋|幢|单元|号院|号|楼|层|室|巷|弄|组|队|屯|期|房))+(?:{_NUMBER}(?![0-9零〇一二三四五六七八九十百年月天日点]))?"
    r"|[\u4e00-\u9fff]{1,3}屯)?"
    r"(?:和[\u4e00-\u9fff]{1,4}[路街道])?(?:的)?"
    r"(?:交叉口|十字路口|附近|旁边|对面|门口|楼下|后面|前面|路口|桥头|红绿灯|公交站|里面|周边)?"
)
_BETWEEN = re.compile(r"(?:的|在|那边|这边|上的|里的){0,2}")
_NOT_THERE = re.compile(r"(?:不在|不是|不属于|除了)[^\n]{0,2}$")
_AT = re.compile(r"(?:住在|家住|在|位于|地址是|位置是|地点是|我是|就是)[^\n]{0,3}$")


@dataclass(frozen=True, slots=True)
class Mention:
    """One place as it was said: gazetteer hits that follow each other, and the detail after the last."""

    start: int
    end: int
    places: tuple[Place, ...]
    detail: str
    by_sound: bool

    @property
    def place(self) -> Place:
        """The most exact place said."""
        return max(self.places, key=lambda place: _DEPTH[place.kind])


@dataclass(frozen=True, slots=True)
class _Found:
    hit: Hit[Place]
    by_sound: bool


def suggest_places(talk: Conversation, data: PrefillData) -> Iterator[Suggestion]:
    """The best place said, completed by the town said elsewhere; else what follows 「住在」 like an address."""
    mentions = [m for m in find_mentions(talk.text, data) if _counts(talk, m)]
    if not mentions:
        yield from _unlisted(talk)
        return
    best = max(mentions, key=lambda mention: (_weight(talk, mention), -mention.start))
    town = _town_of(best) or next(
        (place for m in mentions for place in m.places if place.kind in ("town", "village") and m is not best), None
    )
    spans = [(best.start, best.end)]
    if town is not None and town not in best.places and _town_of(best) is None:
        spans += [(m.start, m.end) for m in mentions if town in m.places][:1]
    abroad = _other_town(talk, best)
    if abroad is not None:
        said = talk.text[abroad : best.start]
        said += "".join(place.name for place in best.places) + best.detail
        yield talk.suggest(Field.PLACE, said, said, ((abroad, best.end),), 0.5, "place.unlisted")
        return
    path = _path(best, town)
    value = "/".join(path) + (f" {best.detail}" if best.detail else "")
    strength = min(0.95, _weight(talk, best))
    if best.place.name in talk.confirmed:
        strength = confirmed_strength(strength)
    rule = "place.sound" if best.by_sound else "place.gazetteer"
    yield talk.suggest(Field.PLACE, value, "".join(path) + best.detail, sorted(spans), strength, rule)


def find_mentions(text: str, data: PrefillData) -> tuple[Mention, ...]:
    """Every place said in `text`, in order."""
    mentions: list[Mention] = []
    for found in _found(text, data):
        hit = found.hit
        before = mentions[-1] if mentions else None
        if before and before.end <= hit.start and not _numbered(before.detail) and _joins(text, before, hit):
            places = (*before.places, hit.value)
            start, by_sound = before.start, before.by_sound or found.by_sound
            mentions.pop()
        else:
            places, start, by_sound = (hit.value,), hit.start, found.by_sound
        detail = _detail_after(text, hit.end)
        mentions.append(Mention(start, hit.end + len(detail), places, _digits(detail).lstrip("的"), by_sound))
    return tuple(mentions)


def _detail_after(text: str, at: int) -> str:
    """House, building, 附近 and the like after a name; a lone 的 is none."""
    hit = _DETAIL.match(text, at)
    return hit[0] if hit and hit[0] != "的" else ""


def _joins(text: str, before: Mention, hit: Hit[Place]) -> bool:
    """Nothing but 的, 在 stands between the two, and the second is the more exact place."""
    gap = text[before.end : hit.start]
    return bool(_BETWEEN.fullmatch(gap)) and _DEPTH[hit.value.kind] >= _DEPTH[before.place.kind]


def _numbered(detail: str) -> bool:
    """A detail with a number ends a place; 门口 or 附近 may still be followed by a closer name."""
    return any(char.isdecimal() for char in detail)


def _found(text: str, data: PrefillData) -> Iterator[_Found]:
    """Names by their characters, then by their sound in what is left, in the order of the text."""
    exact = list(data.place_words.find(text))
    taken = {at for hit in exact for at in range(hit.start, hit.end)}
    heard = [hit for hit in sound_hits(text, data) if not taken & set(range(hit.start, hit.end))]
    both = [_Found(hit, False) for hit in exact] + [_Found(hit, True) for hit in heard]
    yield from sorted(both, key=lambda found: found.hit.start)


def sound_hits(text: str, data: PrefillData) -> Iterator[Hit[Place]]:
    """Names whose toneless syllables the text can be read as, with their last character (镇, 路, 村) as written.

    The same last character keeps chance likenesses out; a recogniser rarely misses it, as it is a word of its own.
    """
    for place in data.places:
        for name, syllables in place.syllables:
            at = text.find(name[-1])
            while at >= 0:
                start = at - len(name) + 1
                if start >= 0 and _sounds_like(text[start:at], syllables, data):
                    yield Hit(start, at + 1, place)
                at = text.find(name[-1], at + 1)


def _sounds_like(said: str, syllables: tuple[str, ...], data: PrefillData) -> bool:
    """Each character can be read as its syllable; the last syllable belongs to the character matched as written."""
    return all(s in data.sounds.get(c, ()) for c, s in zip(said, syllables[:-1], strict=True))


def _digits(detail: str) -> str:
    """`三十六号附近` as `36号附近`, as it is written on a ticket. 「一二零三室」 is read digit by digit."""
    out, last = [], 0
    for number in find_numbers(detail):
        out += [detail[last : number.start], str(number.value)]
        last = number.end
    text = "".join(out) + detail[last:]
    return text.translate(str.maketrans("零〇一二三四五六七八九", "00123456789"))


def _counts(talk: Conversation, mention: Mention) -> bool:
    """Not dictated, and not the place where it is not (「户口不在三门镇」)."""
    before = talk.text[max(0, mention.start - 5) : mention.start]
    return not talk.is_dictated(mention.start) and not _NOT_THERE.search(before)


def _weight(talk: Conversation, mention: Mention) -> float:
    """How likely this mention is the place of the matter: the more exact the better, told as an answer better still."""
    weight = _STRENGTH[mention.place.kind]
    weight += 0.05 if _numbered(mention.detail) else 0.0
    weight += 0.03 * (len(mention.places) - 1)
    if Topic.PLACE in talk.topics_at(mention.start):
        weight += 0.05
    if _AT.search(talk.text[max(0, mention.start - 6) : mention.start]):
        weight += 0.02
    return weight * (0.75 if mention.by_sound else 1.0)


_TOWN_WORD = re.compile(
    r"(?!我们|你们|全|本|这|那|哪|整)[\u4e00-\u9fff]{2,}(?:镇|乡|县|市|街道|(?<![小社景园校市城地])区)"
)


def _other_town(talk: Conversation, mention: Mention) -> int | None:
    """Where a town or county that is not ours begins, said right before: its 人民路 is not ours either."""
    at = mention.start - 1
    if at < 0 or _town_of(mention) or mention.place.kind == "county" or talk.heard.owner[at] < 0:
        return None
    word = talk.heard.words[talk.heard.owner[at]].text
    return mention.start - len(word) if _TOWN_WORD.fullmatch(word) else None


def _town_of(mention: Mention) -> Place | None:
    """The town or village said in this mention."""
    return next((p for p in reversed(mention.places) if p.kind in ("village", "town")), None)


def _path(mention: Mention, town: Place | None) -> tuple[str, ...]:
    """From the county down; a road or an estate stands below the town that was said."""
    root = mention.place.path[:1]
    path = town.path if town is not None and town.path[:1] == root else root
    for place in sorted(mention.places, key=lambda p: _DEPTH[p.kind]):
        if place.kind in ("road", "estate", "spot"):
            base = place.path[:-1] if len(place.path) > 2 and len(path) == 1 else path
            path = (*base, place.name)
        elif len(place.path) > len(path):
            path = place.path
    return path


_ADDRESS = re.compile(
    r"(?:住在|家住|家在|地址是|位置是|位置在|就在|位于)(?P<address>[^\n]{2,14}?(?:小区|花园|家园|新村|广场|公园|市场|大道|路|街|巷|村|屯|苑|城|楼))"
)


def _unlisted(talk: Conversation) -> Iterator[Suggestion]:
    """An address the gazetteer does not know, as it was said."""
    for hit in _ADDRESS.finditer(talk.text):
        if not talk.is_dictated(hit.start()):
            end = hit.end() + len(_detail_after(talk.text, hit.end()))
            said = _digits(talk.text[hit.start("address") : end])
            yield talk.suggest(Field.PLACE, said, said, ((hit.start("address"), end),), 0.5, "place.unlisted")
            return
