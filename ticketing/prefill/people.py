"""PURE: who calls: telephone, name, id number, vehicle plate, from the citizen's words."""

import re
from collections.abc import Iterator

from callcenter.types import PhoneNumber
from ticketing.prefill.masks import mask_digits
from ticketing.prefill.numerals import DigitRun, digit, digit_runs, find_plates, id_number_ok, phone_in
from ticketing.prefill.talk import Conversation, Field, Suggestion, Topic, confirmed_strength

_PHONE_CUE = re.compile(r"电话|手机|号码|联系方式|联系我|打给我")
_OTHERS_PHONE = re.compile(
    r"(?:他|她|老板|老板娘|对方|公司|物业|房东|司机|商家|单位|店)(?:们|家)?的?[^\n]{0,4}(?:电话|手机|号码)[^\n]{0,3}$"
)


def suggest_people(talk: Conversation, caller: PhoneNumber | None) -> Iterator[Suggestion]:
    """Suggestions for telephone, id number, plate and name. `caller`: the number the call came from, if known."""
    yield from _phones(talk)
    yield from _same_number(talk, caller)
    yield from _id_numbers(talk)
    for plate in find_plates(talk.text):
        spans = ((plate.start, plate.end),)
        yield talk.suggest(Field.PLATE, plate.plate, plate.plate, spans, 0.8, "plate.spoken")
    yield from _names(talk)


def number_runs(talk: Conversation) -> tuple[DigitRun, ...]:
    """Digit runs of words that are digits through and through (一共 is none), and those of the bare text."""
    said = [all(digit(c) or c in "要腰妖XxＸｘ叉-嗯啊呃额哦" for c in word.text) for word in talk.heard.words]
    digits_only = "".join(
        char if index < 0 or said[index] else "□" for char, index in zip(talk.text, talk.heard.owner, strict=True)
    )
    return (*digit_runs(digits_only), *digit_runs(talk.text))


def _phones(talk: Conversation) -> Iterator[Suggestion]:
    """Mobile, fixed and service numbers; a local number of seven or eight digits only where one was asked for."""
    bare = digit_runs(talk.text)
    for run in number_runs(talk):
        number = phone_in(run.digits)
        before = talk.text[max(0, run.start - 14) : run.start]
        cued = bool(_PHONE_CUE.search(before.rpartition("\n")[2])) or Topic.PHONE in talk.topics_at(run.start)
        # A local number has no shape to know it by: it must be all that was said, not the rest of a longer one.
        whole = run in bare
        if number is None and cued and whole and len(run.digits) in (7, 8) and run.digits[0] in "2345678":
            number = run.digits
        if number is None:
            continue
        strength = 0.92 if cued else 0.7
        if _OTHERS_PHONE.search(before):
            strength = 0.3
        if any(number in back.digits for back in digit_runs(talk.confirmed)):
            strength = confirmed_strength(strength)
        spans = ((run.start, run.end),)
        shown = mask_digits(number)
        yield talk.suggest(Field.CONTACT_PHONE, number, shown, spans, strength, "phone.spoken")


_THIS_NUMBER = re.compile(r"(?:就是|就用|用|打)?(?:我)?(?:这个|现在这个|来电的?|打过来的)(?:号码|电话|手机号?)")


def _same_number(talk: Conversation, caller: PhoneNumber | None) -> Iterator[Suggestion]:
    """「就是这个号码」 or a yes to 「是用这个号码联系您吗」 means the number the call came from."""
    if caller is None:
        return
    start = 0
    for line in talk.text.split("\n"):
        hit = _THIS_NUMBER.search(line)
        affirmed = re.match(r"(?:嗯|啊)*(?:对|是的|可以|没错|就是)", line)
        asked = Topic.SAME_NUMBER in talk.topics_at(start)
        if line and ((hit and (asked or hit[0].startswith("就"))) or (asked and affirmed)):
            span = (start + hit.start(), start + hit.end()) if hit else (start, start + len(line))
            rule = "phone.same_number"
            yield talk.suggest(Field.CONTACT_PHONE, caller.digits, caller.masked, (span,), 0.85, rule)
        start += len(line) + 1


def _id_numbers(talk: Conversation) -> Iterator[Suggestion]:
    """An id number whose date and check character are right. Its value is the masked form: it goes to the vault only
    by the agent's own hand."""
    for run in number_runs(talk):
        if id_number_ok(run.digits):
            shown = mask_digits(run.digits)
            yield talk.suggest(Field.ID_NUMBER, shown, shown, ((run.start, run.end),), 0.97, "id_number.checksum")


SURNAMES = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪"
    "田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温"
    "芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢路岳齐沿梅莫庄辛管祝左涂谷祁时舒耿牟卜路詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查"
    "屈鲍位覃霍翁隋植甘景薄单包司柏宁柯阮桂闵解强柴华车冉房边辜吉饶刁瞿戚丘古米池滕晋苑邬臧畅宫来嵺苟全褚廉简娄盖符奚木"
    "穆党燕郎邸冀谈姬屠连郜晏栾郁商蒙计喻揭窦迟宇敖糜鄢冷卓花仇艾蓝都巩稽井练仲乐虞卞封竺冼原官衣楚佟栗匡宗应台巫鞠僧桑"
    "荆谌银扬明沙薄伏岑习胥保和蔺粟石"
) | {"欧阳", "上官", "司马", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "司徒", "令狐", "夏侯"}
_TITLES = r"先生|女士|小姐|师傅|大姐|大哥|阿姨|老师|同志|大爷|大妈|老板"
_TITLE = re.compile(_TITLES)
_SELF = re.compile(rf"(?:免贵姓|我(?:本人)?姓|(?<![\u4e00-\u9fff])姓|我是(?=[\u4e00-\u9fff]{{1,2}}(?:{_TITLES})))")
_CALLED = re.compile(r"我(?:的名字)?叫|我的姓名是|名字是|名字叫")
_NEVER_GIVEN = frozenset("我你您他她它的是在吗呢这那号了")
_SELDOM_SECOND = frozenset("家住电话和跟今就也都要想手来没有不")


def _names(talk: Conversation) -> Iterator[Suggestion]:
    """「我姓王」「免贵姓王」「我是王女士」「我叫王建国」, and a bare surname in answer to 「您贵姓」."""
    for hit in _SELF.finditer(talk.text):
        if surname := _surname_at(talk.text, hit.end()):
            title = _TITLE.match(talk.text, hit.end() + len(surname))
            end = title.end() if title else hit.end() + len(surname)
            yield _name(talk, surname + (title[0] if title else ""), (hit.start(), end), 0.85, "name.surname")
    for hit in _CALLED.finditer(talk.text):
        if name := _full_name(talk, hit.end()):
            yield _name(talk, name, (hit.start(), hit.end() + len(name)), 0.9, "name.full")
    start = 0
    for line in talk.text.split("\n"):
        bare = re.fullmatch(rf"(?:嗯|哦|啊)*([\u4e00-\u9fff]{{1,2}}?)(?:{_TITLES})?", line)
        if bare and bare[1] in SURNAMES and Topic.NAME in talk.topics_at(start):
            yield _name(talk, line[bare.start(1) :], (start, start + len(line)), 0.7, "name.answer")
        start += len(line) + 1


def _name(talk: Conversation, name: str, span: tuple[int, int], strength: float, rule: str) -> Suggestion:
    if name[:1] and (f"姓{name[:1]}" in talk.confirmed or name in talk.confirmed):
        strength = confirmed_strength(strength)
    return talk.suggest(Field.CONTACT_NAME, name, name, (span,), strength, rule)


def _surname_at(text: str, at: int) -> str | None:
    """The surname that begins at `at`; a compound one first."""
    return next((text[at : at + n] for n in (2, 1) if text[at : at + n] in SURNAMES), None)


def _full_name(talk: Conversation, at: int) -> str | None:
    """A surname and one or two characters, ending where a word of the recogniser ends and nothing else begins."""
    surname = _surname_at(talk.text, at)
    if surname is None:
        return None
    line_end = talk.heard.line_span(at)[1]
    for length in (2, 1):
        end = at + len(surname) + length
        given = talk.text[at + len(surname) : end]
        names = not _NEVER_GIVEN & set(given) and given[1:] not in _SELDOM_SECOND
        if end <= line_end and names and _word_ends(talk, end):
            return talk.text[at:end]
    return None


def _word_ends(talk: Conversation, end: int) -> bool:
    """A word ends before character `end`."""
    owner = talk.heard.owner
    return end >= len(owner) or owner[end] != owner[end - 1]
