"""What commands need to look at kept recordings and at the audit: opened, or one sentence that says what is missing."""

from typing import TYPE_CHECKING

from callcenter.cli import fail

if TYPE_CHECKING:
    from callcenter.custody.anchors import Places
    from callcenter.settings import Settings
    from recordings.custody.ground import Ground


def custody_or_fail(settings: "Settings") -> "Ground":
    """Stores and keys."""
    from callcenter.custody.opening import CustodyNotSet, ground_of
    from recordings.custody.keys import KeyFileWrong
    from recordings.custody.objects import StoreAway, StoreWrong

    try:
        return ground_of(settings)
    except (CustodyNotSet, KeyFileWrong, StoreWrong, StoreAway) as error:
        raise fail(f"{error}\n{type(error).__doc__}") from None


def anchors_or_fail(settings: "Settings", custody: "Ground") -> "Places":
    """Second places of the audit's chain, and whose signatures count."""
    from callcenter.custody.guarding import places_of
    from callcenter.signing import SigningKeyWrong

    try:
        return places_of(settings, custody)
    except SigningKeyWrong as error:
        raise fail(str(error)) from None
