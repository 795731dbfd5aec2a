"""Handling units (承办单位): what they are, who works for them, what they look after, who is on duty. PURE."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from callcenter.types import UnitId
from ticketing.clocks import Calendar, OfficeHours, Period, WorkdayClock, due_at


class UnitKind(StrEnum):
    """What a unit is (MC-060, LS-023)."""

    DEPARTMENT = "department"
    TOWNSHIP = "township"
    ENTERPRISE = "enterprise"
    """A company or institution that serves the public, under a department."""
    SUBORDINATE = "subordinate"
    """A part of a unit, which that unit gives its tickets to (LS-022)."""


KIND_NAMES: dict[UnitKind, str] = {
    UnitKind.DEPARTMENT: "部门",
    UnitKind.TOWNSHIP: "乡镇（街道）",
    UnitKind.ENTERPRISE: "企事业单位",
    UnitKind.SUBORDINATE: "下属单位",
}


class Post(StrEnum):
    """What a person is for a unit's hotline work."""

    PRINCIPAL = "principal"
    DEPUTY = "deputy"
    LIAISON = "liaison"
    HANDLER = "handler"
    DUTY = "duty"
    """Reached outside office hours (SQ-025)."""


POST_NAMES: dict[Post, str] = {
    Post.PRINCIPAL: "主要负责人（第一责任人）",
    Post.DEPUTY: "分管负责人（直接责任人）",
    Post.LIAISON: "联络员",
    Post.HANDLER: "具办人员",
    Post.DUTY: "非工作时间联系人",
}
FILED_POSTS = frozenset({Post.DEPUTY, Post.LIAISON, Post.HANDLER})
"""分管领导 and 专职人员: their change is filed (LS-016)."""


@dataclass(frozen=True, slots=True)
class Person:
    """login: their account, where they have one. full_time: 专职, else 兼职 (GZ-014)."""

    name: str
    post: Post
    phone: str = ""
    login: str = ""
    full_time: bool = True


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit. parent: the competent authority, or the unit it belongs to. hours None: around the clock.

    administrative: performs administrative functions, as some party organs do (LS-006). phone: for consultation.
    """

    id: UnitId
    name: str
    kind: UnitKind = UnitKind.DEPARTMENT
    parent: UnitId | None = None
    functions: tuple[str, ...] = ()
    territory: tuple[str, ...] = ()
    industry: tuple[str, ...] = ()
    administrative: bool = True
    active: bool = True
    phone: str = ""
    hours: OfficeHours | None = None
    people: tuple[Person, ...] = ()

    def of(self, post: Post) -> tuple[Person, ...]:
        """Those who hold this post."""
        return tuple(person for person in self.people if person.post is post)

    @property
    def handlers(self) -> tuple[Person, ...]:
        """Who works the tickets."""
        return self.of(Post.HANDLER)

    @property
    def principal(self) -> str:
        """The first responsible person (GZ-018, MC-003); empty when not registered."""
        return next((person.name for person in self.of(Post.PRINCIPAL)), "")

    @property
    def on_duty(self) -> Person | None:
        """Who is told of a ticket outside office hours (SQ-025)."""
        return next(iter(self.of(Post.DUTY)), None)

    def open_at(self, at: datetime, calendar: Calendar) -> bool:
        """Whether its telephone is answered at that moment (WX-006)."""
        return self.hours is None or self.hours.open_at(at, calendar)


def names_accused(accused: str, name: str) -> bool:
    """Whether `accused`, which may list several people or titles, names this person."""
    wanted = "".join(name.split())
    return len(wanted) >= 2 and wanted in "".join(accused.split())


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody of a unit changed on `changed_on`; filed_on None: the unit has not filed it yet."""

    unit: UnitId
    post: Post
    what: str
    changed_on: date
    due_at: datetime
    filed_at: datetime | None = None

    def late(self, now: datetime) -> bool:
        """Filed too late, or still not filed though due (LS-016)."""
        return (self.filed_at or now) > self.due_at


def filing_due(changed_at: datetime, limit: Period, calendar: Calendar, workdays: WorkdayClock) -> datetime:
    """Until when a change must be filed. Source: LS-016 (自调整完成之日起10日内)."""
    return due_at(changed_at, limit, calendar, workdays)
