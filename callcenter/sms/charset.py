"""PURE: what Kannel's callbacks say, byte for byte: text in the alphabet it names."""

from urllib.parse import unquote_to_bytes

# Kannel's names (%C): UTF-8 after mo-recode, WINDOWS-1252 where it found a Latin text, UTF-16BE left as it came.
_CODECS = {"utf-8": "utf-8", "utf-16be": "utf-16-be", "ucs-2": "utf-16-be", "windows-1252": "cp1252"}


class BadText(ValueError):
    """The text of a message is not in the alphabet that the gateway says it is in."""


def fields(raw_query: str) -> dict[str, bytes]:
    """A query string as bytes by name; of a name that stands twice the first counts. Never raises."""
    found: dict[str, bytes] = {}
    for part in raw_query.split("&"):
        name, _, value = part.partition("=")
        if name:
            found.setdefault(unquote_to_bytes(name).decode("ascii", "replace"), _plain(value))
    return found


def text_of(raw: bytes, charset: str) -> str:
    """The text of a message. An alphabet we do not know is read as UTF-8. Raises BadText."""
    try:
        return raw.decode(_CODECS.get(charset.strip().lower(), "utf-8"))
    except UnicodeDecodeError as error:
        raise BadText(f"not {charset or 'UTF-8'} at byte {error.start} of {len(raw)}") from None


def _plain(value: str) -> bytes:
    return unquote_to_bytes(value.replace("+", " "))
