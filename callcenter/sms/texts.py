"""PURE: the texts we send. Only templates go out; what is put in is ours, the ticket's title made harmless first."""

import re
from dataclasses import dataclass

TITLE_LENGTH = 20
SAID_LENGTH = 200
"""What a person wrote to the citizen: what is missing, why it ended."""
LINK_LENGTH = 150
MOST_CHARACTERS = 500
"""A long text is cut into parts of 67 characters by the gateway and put together by the phone."""

# What a title may keep: letters, digits, Chinese, plain punctuation. Not 【】 (the signature of the sender),
# no quotes of ours, no line breaks, nothing a link or a mail address needs.
_KEPT = re.compile(r"[^0-9A-Za-z\u3400-\u4dbf\u4e00-\u9fff，。、；：！？（）()\-— ]")
_LONG_NUMBER = re.compile(r"[0-9]{5,}")


class TextTooLong(ValueError):
    """The text is over 500 characters; shorten the template in config/texts/zh-CN/sms.yaml."""


@dataclass(frozen=True, slots=True)
class SmsTexts:
    """Templates with the named fields of `str.format`; `config.sms_loader` has checked them."""

    signature: str
    """`【12345热线】`: carriers ask for it at the head of every message."""
    survey: str
    """fields: title, ticket"""
    survey_help: str
    """The one answer to a reply that could not be read as a rating. fields: ticket"""
    survey_thanks: str
    """fields: ticket, rating"""
    ticket_opened: str
    """fields: title, ticket, code"""
    supplement: str
    """What the citizen is asked to add. fields: title, ticket, missing"""
    terminated: str
    """Why a matter brought again and again is dealt with no more. fields: title, ticket, reason"""
    stopped: str
    web_code: str
    """The code that proves whose telephone a request on the public page names. fields: code"""
    survey_link: str
    """Put behind `survey` where the public pages have an address. fields: link"""


def survey_text(texts: SmsTexts, *, title: str, ticket: str, link: str = "") -> str:
    """The request to rate how a ticket was handled. link: of the rating page, where there is one."""
    body = texts.survey.format(title=harmless(title), ticket=ticket)
    return _signed(texts, body + (texts.survey_link.format(link=link) if link else ""))


def survey_help_text(texts: SmsTexts, *, ticket: str) -> str:
    """How to answer, for someone whose reply could not be counted."""
    return _signed(texts, texts.survey_help.format(ticket=ticket))


def survey_thanks_text(texts: SmsTexts, *, ticket: str, rating: str) -> str:
    """Which rating was counted."""
    return _signed(texts, texts.survey_thanks.format(ticket=ticket, rating=rating))


def ticket_opened_text(texts: SmsTexts, *, title: str, ticket: str, code: str) -> str:
    """The ticket's number and the code that opens its progress, for asking after it."""
    return _signed(texts, texts.ticket_opened.format(title=harmless(title), ticket=ticket, code=code))


def supplement_text(texts: SmsTexts, *, title: str, ticket: str, missing: str) -> str:
    """What a request lacks."""
    lacks = harmless(missing, SAID_LENGTH)
    return _signed(texts, texts.supplement.format(title=harmless(title), ticket=ticket, missing=lacks))


def terminated_text(texts: SmsTexts, *, title: str, ticket: str, reason: str) -> str:
    """Why a request was ended."""
    why = harmless(reason, SAID_LENGTH)
    return _signed(texts, texts.terminated.format(title=harmless(title), ticket=ticket, reason=why))


def web_code_text(texts: SmsTexts, *, code: str) -> str:
    """The code for a request on the public page."""
    return _signed(texts, texts.web_code.format(code=code))


def stopped_text(texts: SmsTexts) -> str:
    """The last message to someone who wants no more."""
    return _signed(texts, texts.stopped)


def harmless(said: str, length: int = TITLE_LENGTH) -> str:
    """What people wrote, as it may stand in a message: one short line, no link, no long number, no signature."""
    kept = _KEPT.sub("", said.replace("\n", " "))
    kept = _LONG_NUMBER.sub("…", kept).strip()
    if not kept:
        return "您的诉求"
    return kept if len(kept) <= length else kept[: length - 1] + "…"


def _signed(texts: SmsTexts, body: str) -> str:
    whole = texts.signature + body
    if len(whole) > MOST_CHARACTERS:
        raise TextTooLong(f"{len(whole)} characters")
    return whole
