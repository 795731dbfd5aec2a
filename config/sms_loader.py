"""Reads config/texts/<language>/sms.yaml into the values of `callcenter.sms`."""

from dataclasses import dataclass
from datetime import time
from importlib.resources.abc import Traversable
from string import Formatter
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from callcenter.sms.hours import SendHours
from callcenter.sms.templates import FIELDS, TEMPLATES
from callcenter.sms.texts import MOST_CHARACTERS, SmsTexts
from config.problems import ConfigProblem, ConfigWrong, data_root, from_validation, read_yaml


@dataclass(frozen=True, slots=True)
class SmsConfig:
    """What may be sent, and when."""

    texts: SmsTexts
    hours: SendHours


def load_sms(language: str = "zh-CN", root: Traversable | None = None) -> SmsConfig:
    """The texts and hours, checked. Raises ConfigWrong with every problem. root: in place of config/."""
    name = f"texts/{language}/sms.yaml"
    values = read_yaml((root or data_root()).joinpath("texts", language, "sms.yaml"), name)
    try:
        model = _File.model_validate(values)
    except ValidationError as error:
        raise ConfigWrong(from_validation(name, error)) from None
    texts = SmsTexts(signature=model.signature, **model.texts.model_dump())
    problems = [ConfigProblem(name, key, why) for key, why in _too_long(texts)]
    if problems:
        raise ConfigWrong(problems)
    hours = SendHours(model.hours.opens, model.hours.closes, ZoneInfo(model.hours.zone))
    return SmsConfig(texts, hours)


def _too_long(texts: SmsTexts) -> list[tuple[str, str]]:
    """Templates that could come out over the limit with the longest values."""
    longest = {name: one.longest for name, one in FIELDS.items()}
    filled = ((key, texts.signature + getattr(texts, key).format(**longest)) for key in _FIELDS)
    why = f"can be over {MOST_CHARACTERS} characters; shorten it"
    return [(f"texts.{key}", why) for key, text in filled if len(text) > MOST_CHARACTERS]


# --- the shape of the file

_FIELDS = {one.key: one.fields for one in TEMPLATES.values()}


def _clock(value: object) -> time:
    try:
        return time.fromisoformat(value) if isinstance(value, str) else _no_clock()
    except ValueError:
        return _no_clock()


def _no_clock() -> time:
    raise ValueError('write a time of day in quotes, for example "08:00"')


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("write a time zone, for example Asia/Shanghai") from None
    return value


_Clock = Annotated[time, PlainValidator(_clock)]
_Text = Annotated[str, Field(min_length=4, max_length=MOST_CHARACTERS)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Hours(_Strict):
    zone: Annotated[str, AfterValidator(_zone)]
    opens: _Clock
    closes: _Clock

    @model_validator(mode="after")
    def _in_order(self) -> "_Hours":
        if self.opens >= self.closes:
            raise ValueError("opens must be before closes")
        return self


class _Texts(_Strict):
    survey: _Text
    survey_help: _Text
    survey_thanks: _Text
    ticket_opened: _Text
    supplement: _Text
    terminated: _Text
    stopped: _Text
    web_code: _Text
    survey_link: _Text

    @model_validator(mode="after")
    def _fields_known(self) -> "_Texts":
        wrong = [told for key in _FIELDS if (told := _field_problem(key, getattr(self, key)))]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


class _File(_Strict):
    hours: _Hours
    signature: Annotated[str, Field(pattern=r"^【[^【】]{2,20}】$")]
    texts: _Texts


def _field_problem(key: str, template: str) -> str:
    """What is wrong with a template's {fields}, or nothing."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        return f"{key}: a single brace; write fields as {{ticket}}"
    fields = {field for _, field, _, _ in parts if field is not None}
    if any(spec or conversion for _, _, spec, conversion in parts) or not fields <= _FIELDS[key]:
        allowed = ", ".join(f"{{{field}}}" for field in sorted(_FIELDS[key])) or "no field"
        return f"{key}: may hold {allowed} only"
    needed = next((one for one in ("ticket", "code", "link") if one in _FIELDS[key] and one not in fields), None)
    if needed is not None:
        return f"{key}: {{{needed}}} is missing"
    return ""
