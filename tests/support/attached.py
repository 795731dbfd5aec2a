"""Files as people give them: small ones that are what they say, and ones that are not."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from aiohttp import FormData

from tests.support.web import Answer, Web

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(64) + b"\xff\xd9"
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer<<>>\n%%EOF\n"
WEBP = b"RIFF\x1a\x00\x00\x00WEBPVP8 " + bytes(16)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(32)
AMR = b"#!AMR\n" + bytes(32)
ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(32)


def png(red: int = 200) -> bytes:
    """A picture of one pixel that every browser draws."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(bytes([0, red, 30, 30]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def boxed(brand: bytes) -> bytes:
    """The beginning of a file of ISO/IEC 14496-12."""
    return struct.pack(">I", 20) + b"ftyp" + brand + bytes(4) + b"isom" + bytes(64)


def mp3_frames(count: int = 3) -> bytes:
    """Frames of MPEG-1 layer III, 128 kbit/s, 44,100 Hz: 417 bytes each."""
    return (b"\xff\xfb\x90\x00" + bytes(413)) * count


def office(
    part: str = "word/document.xml", *, types: bytes = b"<Types/>", parts: Mapping[str, bytes] | None = None
) -> bytes:
    """A Word or Excel file of almost nothing."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr(part, b"<document/>")
        for name, body in (parts or {}).items():
            archive.writestr(name, body)
    return out.getvalue()


async def give(
    web: Web, who: str, ticket: str, data: bytes, name: str = "现场.jpg", *, purpose: str = "scene", **more: Any
) -> Answer:
    """One upload, as a browser sends it (WHATWG, multipart/form-data: names in UTF-8, three characters escaped)."""
    for char, sent in (("\r", "%0D"), ("\n", "%0A"), ('"', "%22")):
        name = name.replace(char, sent)
    form = FormData(quote_fields=False)
    form.add_field(more.pop("field", "file"), data, filename=name, content_type="application/octet-stream")
    path = f"/api/tickets/{ticket}/attachments?purpose={purpose}&size={more.pop('size', len(data))}"
    return await web.ask(who, "POST", path, data=form, **more)


async def given(web: Web, who: str, ticket: str, data: bytes, name: str = "现场.jpg", **more: Any) -> Any:
    """The same; fails unless it was kept."""
    answer = await give(web, who, ticket, data, name, **more)
    assert answer.status == 200, answer.raw.decode()
    return answer.body
