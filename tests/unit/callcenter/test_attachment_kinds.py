"""What a file is, by its bytes, and what its name may be."""

import pytest

from callcenter.attachments import kinds
from callcenter.attachments.kinds import KINDS, MOST_NAME, MOST_PARTS, WrongFile, clean_name, kind_of
from tests.support.attached import AMR, ID3, JPEG, PDF, WAV, WEBP, boxed, mp3_frames, office, png

RIGHT = [
    (JPEG, "现场.jpg", "jpeg"),
    (JPEG, "IMG_0001.JPEG", "jpeg"),
    (png(), "截图.png", "png"),
    (WEBP, "a.webp", "webp"),
    (boxed(b"heic"), "IMG.heic", "heic"),
    (PDF, "决定书.pdf", "pdf"),
    (office(), "情况说明.docx", "docx"),
    (office("xl/workbook.xml"), "台账.xlsx", "xlsx"),
    (boxed(b"isom"), "现场.mp4", "mp4"),
    (boxed(b"qt  "), "现场.mov", "mp4"),
    (boxed(b"3gp5"), "现场.3gp", "mp4"),
    (boxed(b"M4A "), "录音.m4a", "m4a"),
    (boxed(b"mp42"), "录音.m4a", "m4a"),
    (WAV, "录音.wav", "wav"),
    (ID3, "录音.mp3", "mp3"),
    (mp3_frames(), "录音.mp3", "mp3"),
    (AMR, "录音.amr", "amr"),
]
WRONG = [
    (b"", "空.jpg", "空的"),
    (JPEG, "现场.png", "与扩展名不符"),
    (JPEG, "现场.exe", "与扩展名不符"),
    (b"MZ\x90\x00" + bytes(64), "现场.jpg", "不是可以上传的种类"),
    (b"<html><script>alert(1)</script>", "现场.jpg", "不是可以上传的种类"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "图.svg", "不是可以上传的种类"),
    (b"GIF89a" + bytes(32), "动图.gif", "不是可以上传的种类"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64), "旧.doc", "另存"),
    (b"<?php ?>" + JPEG, "现场.jpg", "不是可以上传的种类"),
    (b"\xff\xfb\x90\x00" + bytes(600), "录音.mp3", "不是可以上传的种类"),
    (boxed(b"evil"), "现场.mp4", "不是可以上传的种类"),
    (b"\xff\xff\xff\xffftypisom" + bytes(64), "现场.mp4", "不是可以上传的种类"),
    (office("other/thing.xml"), "压缩.docx", "不是可以上传的种类"),
    (office(parts={"word/vbaProject.bin": b"x"}), "宏.docx", "含有宏"),
    (office(types=b"application/vnd.ms-word.document.macroEnabled.main+xml"), "宏.docx", "含有宏"),
    (b"PK\x03\x04" + bytes(64), "坏.docx", "损坏或加密"),
    (office(parts={f"p{n}": b"" for n in range(MOST_PARTS)}), "多.docx", "不正常"),
]


@pytest.mark.parametrize(("data", "name", "code"), RIGHT, ids=[f"{name}-{code}" for _, name, code in RIGHT])
def test_a_file_is_known_by_its_content(data: bytes, name: str, code: str) -> None:
    assert kind_of(data, clean_name(name)) is KINDS[code]


@pytest.mark.parametrize(("data", "name", "why"), WRONG, ids=[name for _, name, _ in WRONG])
def test_what_is_not_what_it_says_stays_outside(data: bytes, name: str, why: str) -> None:
    with pytest.raises(WrongFile) as refused:
        kind_of(data, clean_name(name))
    assert why in refused.value.sentence


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "MOST_UNPACKED_BYTES", 1024 * 1024)
    with pytest.raises(WrongFile, match="不正常"):
        kind_of(office(parts={"bomb": bytes(1024 * 1024)}), "炸弹.docx")


NAMES = [
    ("照片.JPG", "照片.jpg"),
    ("../../etc/passwd.jpg", "passwd.jpg"),
    ("C:\\Users\\王\\现场.jpg", "现场.jpg"),
    ("a\u202egpj.exe", "agpj.exe"),
    ('x"; filename="evil.html.jpg', "x_; filename=_evil.html.jpg"),
    ("行一\r\nSet-Cookie: a=b.jpg", "行一Set-Cookie_ a=b.jpg"),
    ("<img src=x onerror=1>.png", "_img src=x onerror=1_.png"),
    ("..隐藏.pdf", "隐藏.pdf"),
    ("\u200b零宽.pdf", "零宽.pdf"),
    ("nul\x00\x01.jpg", "nul.jpg"),
    ("长" * 500 + ".pdf", "长" * (MOST_NAME - 4) + ".pdf"),
]


@pytest.mark.parametrize(("name", "cleaned"), NAMES)
def test_a_name_loses_what_could_do_harm(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


@pytest.mark.parametrize("name", ["", "现场", ".jpg", "...", "a/", "\u202e\u200b.jpg"])
def test_a_name_without_stem_or_ending_is_none(name: str) -> None:
    with pytest.raises(WrongFile):
        clean_name(name)
