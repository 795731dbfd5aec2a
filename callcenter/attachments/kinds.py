"""What a file is, by its own bytes; the name only has to agree. PURE.

Listed kinds alone come in: pictures, films, sound, PDF, Word and Excel without macros. What is asked of a container is
what makes it one (ISO/IEC 14496-12 `ftyp`, RIFF, the Office Open XML parts of ECMA-376), not that every byte is sound:
a file is never opened here for anybody, it goes out as a download only.
"""

import io
import unicodedata
import zipfile
from dataclasses import dataclass
from enum import StrEnum

MOST_NAME = 120
MOST_PARTS = 3_000
MOST_UNPACKED_BYTES = 300 * 1024 * 1024
MOST_TYPES_BYTES = 1024 * 1024
NOT_IN_NAMES = frozenset('<>:"/\\|?*')


class WrongFile(Exception):
    """这个文件不能上传。请换成照片、录像、录音、PDF、Word（docx）或 Excel（xlsx）文件。"""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class Group(StrEnum):
    """How people speak of it."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Kind:
    """endings: what a name of this kind may end in. shown: every browser can draw it as a picture."""

    code: str
    name: str
    media_type: str
    endings: tuple[str, ...]
    group: Group
    shown: bool = False


JPEG = Kind("jpeg", "照片", "image/jpeg", ("jpg", "jpeg"), Group.IMAGE, shown=True)
PNG = Kind("png", "图片", "image/png", ("png",), Group.IMAGE, shown=True)
WEBP = Kind("webp", "图片", "image/webp", ("webp",), Group.IMAGE, shown=True)
HEIC = Kind("heic", "照片", "image/heic", ("heic", "heif"), Group.IMAGE)
PDF = Kind("pdf", "PDF 文档", "application/pdf", ("pdf",), Group.DOCUMENT)
_OFFICE = "application/vnd.openxmlformats-officedocument"
DOCX = Kind("docx", "Word 文档", f"{_OFFICE}.wordprocessingml.document", ("docx",), Group.DOCUMENT)
XLSX = Kind("xlsx", "Excel 表格", f"{_OFFICE}.spreadsheetml.sheet", ("xlsx",), Group.DOCUMENT)
MP4 = Kind("mp4", "录像", "video/mp4", ("mp4", "m4v", "mov", "3gp"), Group.VIDEO)
M4A = Kind("m4a", "录音", "audio/mp4", ("m4a",), Group.AUDIO)
WAV = Kind("wav", "录音", "audio/wav", ("wav",), Group.AUDIO)
MP3 = Kind("mp3", "录音", "audio/mpeg", ("mp3",), Group.AUDIO)
AMR = Kind("amr", "录音", "audio/amr", ("amr",), Group.AUDIO)
KINDS = {one.code: one for one in (JPEG, PNG, WEBP, HEIC, PDF, DOCX, XLSX, MP4, M4A, WAV, MP3, AMR)}
ENDINGS = tuple(ending for kind in KINDS.values() for ending in kind.endings)

HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
FILM_BRANDS = frozenset({b"isom", b"mp41", b"mp42", b"avc1", b"M4V ", b"MSNV", b"mmp4", b"qt  ", b"dash", b"XAVC"})
SOUND_BRANDS = frozenset({b"M4A ", b"M4B "})
MP3_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
MP3_KBPS_LOW = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
MP3_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""ISO/IEC 11172-3 and 13818-3, layer III; the key is the version's two bits."""


def clean_name(name: str) -> str:
    """The name without folders and without characters that hide, turn or break a line. Raises WrongFile without one."""
    flat = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join("_" if char in NOT_IN_NAMES else char for char in flat if _visible(char))
    stem, dot, ending = " ".join(kept.split()).strip(". ").rpartition(".")
    if not dot or not stem.strip(". "):
        raise WrongFile("文件名不完整，应为「名称.扩展名」。请改名后重新上传。")
    ending = ending.lower()
    return f"{stem.strip('. ')[: MOST_NAME - len(ending) - 1]}.{ending}"


def _visible(char: str) -> bool:
    # Cc, Cf (among them the marks that turn the direction), Cs, Co, Cn, and line separators.
    return unicodedata.category(char)[0] != "C" and unicodedata.category(char) not in ("Zl", "Zp")


def kind_of(data: bytes, name: str) -> Kind:
    """The kind of this file; its name's ending agrees. Blocking for some tenths of a second. Raises WrongFile."""
    if not data:
        raise WrongFile("文件是空的。请重新选择。")
    ending = name.rpartition(".")[2].lower()
    found = _by_content(data, ending)
    if found is None:
        raise WrongFile(f"文件「{name}」的内容不是可以上传的种类。可上传：{'、'.join(ENDINGS)}；旧版 doc、xls 请另存。")
    if ending not in found.endings:
        raise WrongFile(
            f"文件「{name}」的内容是{found.name}（{'、'.join(found.endings)}），与扩展名不符。请核对原文件。"
        )
    return found


def _by_content(data: bytes, ending: str) -> Kind | None:
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        return PNG
    if data.startswith((b"%PDF-1.", b"%PDF-2.")):
        return PDF
    if data.startswith(b"PK\x03\x04"):
        return _office(data)
    if data.startswith((b"#!AMR\n", b"#!AMR-WB\n")):
        return AMR
    if data[:4] == b"RIFF":
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _boxed(data, ending)
    return MP3 if _is_mp3(data) else None


def _boxed(data: bytes, ending: str) -> Kind | None:
    """By the major brand; recorders of sound write the brands of films as well, there the name decides."""
    if not 16 <= int.from_bytes(data[:4]) <= min(len(data), 4096):
        return None
    brand = data[8:12]
    if brand in HEIC_BRANDS:
        return HEIC
    if brand in SOUND_BRANDS:
        return M4A
    if brand in FILM_BRANDS or brand[:3] in (b"iso", b"3gp", b"3g2"):
        return M4A if ending in M4A.endings else MP4
    return None


def _is_mp3(data: bytes) -> bool:
    """An ID3v2 tag, or two frames one behind the other: two bytes of sync alone could be anything."""
    if data.startswith(b"ID3") and len(data) > 10 and data[3] in (2, 3, 4):
        return True
    length = _frame_bytes(data[:4])
    return bool(length) and bool(_frame_bytes(data[length : length + 4]))


def _frame_bytes(head: bytes) -> int:
    """Length of a layer III frame; 0 when this is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, rate, speed = (head[1] >> 3) & 3, head[2] >> 4, (head[2] >> 2) & 3
    if version not in MP3_HZ or speed == 3:
        return 0
    first = version == 3
    kbps = (MP3_KBPS if first else MP3_KBPS_LOW)[rate]
    return (144 if first else 72) * kbps * 1000 // MP3_HZ[version][speed] + ((head[2] >> 1) & 1) if kbps else 0


def _office(data: bytes) -> Kind | None:
    """Word or Excel; None for another archive. Raises WrongFile for what must not come in."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _parts(archive)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError):
        raise WrongFile("文件已损坏或加密，无法识别。请取消密码、另存后重新上传。") from None


def _parts(archive: zipfile.ZipFile) -> Kind | None:
    parts = archive.infolist()
    names = {one.filename for one in parts}
    unpacked = sum(one.file_size for one in parts)
    if len(parts) > MOST_PARTS or unpacked > MOST_UNPACKED_BYTES or len(names) != len(parts):
        raise WrongFile("文件的内部结构不正常（部件过多或解压后过大），不能上传。请另存为 PDF。")
    if any(one.flag_bits & 1 for one in parts) or "EncryptedPackage" in names:
        raise WrongFile("文件有密码。请取消密码后重新上传。")
    kind = DOCX if "word/document.xml" in names else XLSX if "xl/workbook.xml" in names else None
    if kind is None or "[Content_Types].xml" not in names:
        return None
    with archive.open("[Content_Types].xml") as types:
        said = types.read(MOST_TYPES_BYTES)
    if b"macroEnabled" in said or any(name.lower().endswith(("vbaproject.bin", ".exe", ".js")) for name in names):
        raise WrongFile("文件含有宏或程序，不能上传。请另存为不含宏的 docx、xlsx 或 PDF。")
    return kind
