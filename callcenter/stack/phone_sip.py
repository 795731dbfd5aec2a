"""SIP and SDP as text: parse, render, answer a digest challenge. PURE.

Source: RFC 3261 (SIP), RFC 8866 (SDP), RFC 7616 (digest). Only what a telephone over UDP needs.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

Headers = tuple[tuple[str, str], ...]

_COMPACT: Mapping[str, str] = MappingProxyType(
    {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "c": "content-type", "l": "content-length"}
)
_METHOD = re.compile(r"[A-Z]{3,12}")
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_PARAM = re.compile(r'([a-z]+)\s*=\s*(?:"([^"]*)"|([^,\s"]+))', re.IGNORECASE)


class BadSip(ValueError):
    """The datagram is not a SIP message that a telephone understands; it is dropped."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request; header names in lower case, in order, repeated ones kept."""

    method: str
    uri: str
    headers: Headers
    body: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """A response, status 100..699."""

    status: int
    reason: str
    headers: Headers
    body: str = ""


Message = Request | Response


def parse(datagram: bytes) -> Message:
    """The message in one UDP datagram. Raises BadSip."""
    head, separator, body = datagram.partition(b"\r\n\r\n")
    if not separator:
        raise BadSip("no empty line after the headers")
    lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace")).split("\r\n")
    headers = tuple(_header(line) for line in lines[1:])
    length = next((value for name, value in headers if name == "content-length"), str(len(body)))
    if not re.fullmatch(r"[0-9]{1,6}", length) or int(length) > len(body):
        raise BadSip(f"Content-Length {length[:20]!r} does not fit a body of {len(body)} bytes")
    return _message(lines[0], headers, body[: int(length)].decode("utf-8", "replace"))


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.strip().lower()
    if not colon or not _TOKEN.fullmatch(name):
        raise BadSip(f"bad header line {line[:60]!r}")
    return _COMPACT.get(name, name), value.strip()


def _message(start: str, headers: Headers, body: str) -> Message:
    first, _, rest = start.partition(" ")
    second, _, third = rest.partition(" ")
    if first == "SIP/2.0" and re.fullmatch(r"[1-6][0-9][0-9]", second):
        return Response(int(second), third, headers, body)
    if third == "SIP/2.0" and _METHOD.fullmatch(first) and second:
        return Request(first, second, headers, body)
    raise BadSip(f"bad start line {start[:60]!r}")


def render(message: Message) -> bytes:
    """The datagram; Content-Length is written from the body, whatever the headers say."""
    if isinstance(message, Request):
        start = f"{message.method} {message.uri} SIP/2.0"
    else:
        start = f"SIP/2.0 {message.status} {message.reason}"
    body = message.body.encode()
    lines = [start, *(f"{name}: {value}" for name, value in message.headers if name != "content-length")]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def header(message: Message, name: str) -> str:
    """The first header of that (lower case) name. Raises BadSip when it is missing."""
    for key, value in message.headers:
        if key == name:
            return value
    raise BadSip(f"no {name} header")


def optional_header(message: Message, name: str) -> str:
    """The first header of that name, or an empty string."""
    return next((value for key, value in message.headers if key == name), "")


def with_header(message: Request, name: str, value: str) -> Request:
    """`message` with one header more, put first."""
    return replace(message, headers=((name, value), *message.headers))


def cseq(message: Message) -> tuple[int, str]:
    """(number, method) of CSeq. Raises BadSip."""
    match = re.fullmatch(r"([0-9]{1,10})\s+([A-Z]{3,12})", header(message, "cseq"))
    if not match:
        raise BadSip("bad CSeq")
    return int(match[1]), match[2]


def branch(message: Message) -> str:
    """The branch of the topmost Via: which transaction this belongs to. Raises BadSip."""
    match = re.search(r";\s*branch=([^;,\s]+)", header(message, "via"))
    if not match:
        raise BadSip("no branch in Via")
    return match[1]


def contact_uri(message: Message) -> str:
    """The URI in Contact, or an empty string."""
    value = optional_header(message, "contact")
    match = re.search(r"<([^>]+)>", value)
    return match[1] if match else value.partition(";")[0].strip()


def user_of(value: str) -> str:
    """The user part of a URI or name-addr: `"x" <sip:600@h>;tag=1` -> `600`; empty when there is none."""
    match = re.search(r"sips?:([^@;>\s]+)@", value)
    return match[1] if match else ""


def tag_of(value: str) -> str:
    """The tag parameter of a From or To value, or an empty string."""
    match = re.search(r";\s*tag=([^;,\s]+)", value)
    return match[1] if match else ""


@dataclass(frozen=True, slots=True)
class Sdp:
    """One audio stream: where to send, which way it flows."""

    host: str
    port: int
    direction: str = "sendrecv"
    """sendrecv, sendonly, recvonly or inactive."""


_DIRECTION = re.compile(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", re.MULTILINE)


def parse_sdp(body: str) -> Sdp:
    """The audio stream of an SDP body. Raises BadSip unless it is IPv4 and offers PCMA."""
    host = re.search(r"^c=IN IP4 ([0-9.]{7,15})", body, re.MULTILINE)
    media = re.search(r"^m=audio ([0-9]{1,5}) RTP/AVP((?: [0-9]{1,3})+)", body, re.MULTILINE)
    if not host or not media:
        raise BadSip("no audio stream over IPv4 in the SDP")
    if "8" not in media[2].split():
        raise BadSip("the other side does not speak PCMA (payload type 8)")
    direction = _DIRECTION.search(body)
    return Sdp(host[1], int(media[1]), direction[1] if direction else "sendrecv")


def render_sdp(sdp: Sdp, version: int) -> str:
    """An SDP body with PCMA and telephone events; `version` grows with each offer of a session."""
    return "\r\n".join(
        [
            "v=0",
            f"o=- {sdp.port} {version} IN IP4 {sdp.host}",
            "s=-",
            f"c=IN IP4 {sdp.host}",
            "t=0 0",
            f"m=audio {sdp.port} RTP/AVP 8 101",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=ptime:20",
            f"a={sdp.direction}",
            "",
        ]
    )


@dataclass(frozen=True, slots=True)
class Login:
    """A SIP account; the password is never printed."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.user})"


def digest_answer(challenge: str, login: Login, method: str, uri: str, cnonce: str) -> str:
    """The Authorization value for a WWW-Authenticate challenge (RFC 7616, MD5 or SHA-256). Raises BadSip."""
    given = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _PARAM.finditer(challenge)}
    algorithm = given.get("algorithm", "MD5")
    if "realm" not in given or "nonce" not in given or algorithm.upper() not in ("MD5", "SHA-256"):
        raise BadSip("a challenge without realm and nonce, or of an unknown algorithm")
    ha1 = _digest(algorithm, f"{login.user}:{given['realm']}:{login.password}")
    ha2 = _digest(algorithm, f"{method}:{uri}")
    shown = {"username": login.user, "realm": given["realm"], "nonce": given["nonce"], "uri": uri}
    plain = {"algorithm": algorithm}
    if "qop" in given:
        answer = _digest(algorithm, f"{ha1}:{given['nonce']}:00000001:{cnonce}:auth:{ha2}")
        plain |= {"qop": "auth", "nc": "00000001"}
        shown |= {"cnonce": cnonce}
    else:
        answer = _digest(algorithm, f"{ha1}:{given['nonce']}:{ha2}")
    if "opaque" in given:
        shown |= {"opaque": given["opaque"]}
    quoted = [f'{key}="{value}"' for key, value in {**shown, "response": answer}.items()]
    return "Digest " + ", ".join([*quoted, *(f"{key}={value}" for key, value in plain.items())])


def _digest(algorithm: str, text: str) -> str:
    if algorithm.upper() == "SHA-256":
        return hashlib.sha256(text.encode()).hexdigest()
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
