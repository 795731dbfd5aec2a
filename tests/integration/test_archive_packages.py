"""A ticket's package from the real services: what is in it, who accepts it, what is noticed, how it is resumed."""

import json
import shutil
from pathlib import Path
from typing import Any, TypeGuard

import pytest
from sqlalchemy import select, text

from callcenter.archive import bags, checking, tars
from callcenter.archive.bags import BagWrong
from callcenter.archive.checking import PackageWrong
from callcenter.archive.gathering import RecordingsNotStored
from callcenter.archive.looking import Look
from callcenter.archive.press import RecordingDamaged
from callcenter.archive.reading import Reader
from callcenter.archive.tables import archived_package, archived_recording
from callcenter.job import Job
from callcenter.signing import Signer
from callcenter.stack.clerks import Clerks
from callcenter.stack.people import people_of
from callcenter.tables import audit
from recordings.custody import rows
from recordings.custody.keys import FileKeys
from recordings.custody.leaving import decrypt
from tests.integration.test_demo_clerks import Seat, Told, with_demo_people
from tests.support.archived import (
    FILE,
    SECONDS,
    Archive,
    archive_command,
    archive_of,
    bagit_says,
    key_file,
    put_away,
    recorded,
    seconds_of,
    signed_again,
    stored,
    unpacked,
)
from tests.support.attached import PDF
from tests.support.clerks import Office, Opening, opening
from tests.support.regions import policy_of
from tests.support.tickets import local
from tests.support.web import PHONE

__all__ = ["opening"]
WEDNESDAY = local(2026, 6, 10, 9)


async def ready(opening: Opening, folder: Path, **fields: Any) -> Archive:
    """A ticket that is archived, with one stored recording."""
    office = await opening("ganzhou", WEDNESDAY)
    await stored(office, await recorded(office), folder / "spool")
    await put_away(office, **fields)
    return archive_of(office, folder / "keep")


async def worked(office: Office) -> None:
    """The whole life of a ticket, by the people of the demonstration."""
    await with_demo_people(office)

    async def sign_in(login: str) -> Seat:
        return Seat(office.web, login)

    policy = policy_of(office.region)
    await Clerks(policy, people_of(policy), sign_in, Told().step, office.ticket).work()
    await office.deliver_survey()
    await office.citizen_writes("1")
    assert "ticket.archive" in await office.run_jobs()


@pytest.mark.clause("GZ-020", "GZ-053", "GZ-055", "LS-068")
async def test_a_package_holds_everything_about_its_ticket_and_a_stranger_can_check_it(
    opening: Opening, tmp_path: Path
) -> None:
    office = await opening("mengcheng", WEDNESDAY)
    name = await recorded(office)
    await stored(office, name, tmp_path / "spool")
    await worked(office)
    archive = archive_of(office, tmp_path / "keep")
    package = await archive.package()
    with Reader(package) as reader:
        names = set(reader.names)
        papers = {one: reader.read(one) for one in names}
    assert {"archive.json", "ticket.json", "events.jsonl", "sms.jsonl", "approvals.json"} <= names
    assert {f"recordings/{name}.ccr", f"recordings/{name}.json", f"recordings/{name}.ccr.key/test-1"} <= names
    assert {"calls/a-1763800000.12.json", "transcripts/a-1763800000.12-1.json"} <= names
    assert [one for one in names if one.startswith("replies/")]
    assert all(approval["approval_step"] for approval in json.loads(papers["approvals.json"]))
    head = json.loads(papers["archive.json"])
    assert (head["policy"]["id"], bool(head["policy"]["basis"]["archive"]["articles"])) == ("mengcheng", True)
    assert [one["kind"] for one in head["kinds"]] == list(policy_of("mengcheng").archive.package)
    requester = json.loads(papers["ticket.json"])["requester"]
    assert (requester["masked"], bool(requester["number_sealed"])) == ("138****8000", True)
    assert not [one for one, content in papers.items() if PHONE.encode() in content], "the number is in the vault"
    assert any(json.loads(line)["way"] == "in" for line in papers["sms.jsonl"].split(b"\n")[:-1])
    bag = unpacked(package, tmp_path / "bag")
    assert bagit_says(bag) == 0
    status, said = archive_command("verify", package, bag, "--key", tmp_path / "keep" / "signing.pem.pub")
    assert (status, said.count("signed by the trusted key")) == (0, 2), said
    keys = FileKeys.load(key_file(office, tmp_path / "recordings.key"))
    opened = decrypt(bag / "data" / "recordings" / f"{name}.ccr", keys, tmp_path)
    assert opened.suffix == ".flac"
    assert seconds_of(opened) == SECONDS


async def test_the_package_is_ordered_with_the_archiving_and_made_once(opening: Opening, tmp_path: Path) -> None:
    archive = await ready(opening, tmp_path)
    async with archive.office.web.db.transaction() as tx:
        query = text("SELECT id, payload FROM pgqueuer WHERE entrypoint = 'archive.package'")
        [row] = (await tx.execute(query)).all()
    job = Job(row.id, "archive.package", "", bytes(row.payload), 1)
    await archive.work.handlers()["archive.package"](job)
    await archive.work.handlers()["archive.package"](job)
    async with archive.office.web.db.transaction() as tx:
        [kept] = (await tx.execute(select(archived_package))).all()
        assert len((await tx.execute(select(archived_recording))).all()) == 1
        [told] = (await tx.execute(select(audit).where(audit.c.action == "archive.package"))).all()
    assert (kept.number, kept.path) == ("GZ-2026W24-00001", f"2026/W24/{archive.ticket}-r1.tar")
    assert (told.ok, told.detail["sha256"]) == (True, bags.sha256_of(archive.folder / kept.path))


async def test_it_waits_for_the_store_and_takes_the_copy_of_a_damaged_object(opening: Opening, tmp_path: Path) -> None:
    office = await opening("ganzhou", WEDNESDAY)
    name = await recorded(office)
    await put_away(office)
    archive = archive_of(office, tmp_path / "keep")
    with pytest.raises(RecordingsNotStored) as waits:
        await archive.package()
    assert waits.value.retryable
    await stored(office, name, tmp_path / "spool")
    custody = office.web.custody
    async with office.web.db.transaction() as tx:
        kept = await rows.named(tx, name)
    assert kept is not None
    path = kept.path
    whole = await custody.store.read(path)
    await custody.store.replace(path, whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(RecordingDamaged):
        await archive.package()
    assert custody.copy is not None
    await custody.copy.put_new(path, whole)
    with Reader(await archive.package()) as reader:
        assert reader.read(f"recordings/{name}.ccr") == whole


async def test_files_of_the_ticket_are_in_it_and_open_with_the_vault_s_key_alone(
    opening: Opening, tmp_path: Path
) -> None:
    archive = await ready(opening, tmp_path)
    package = await archive.package()
    with Reader(package) as reader:
        [name] = reader.attachments
        paper = json.loads(reader.read(f"attachments/{name}.json"))
        assert PDF not in reader.read(f"attachments/{name}.sealed")
        assert json.loads(reader.read("archive.json"))["attachments"] == [str(name)]
    [told] = paper["files"]
    assert (told["name"], told["purpose"], told["added_by"]) == (FILE, "citizen", "user:agent")
    key, other = tmp_path / "vault.key", tmp_path / "other.key"
    key.write_text("5a" * 32 + "\n")
    other.write_text("5b" * 32)
    status, said = archive_command("files", package, "--vault-key", key, "--out", tmp_path / "out")
    assert status == 0, said
    assert (tmp_path / "out" / f"{told['id']}-{FILE}").read_bytes() == PDF
    assert archive_command("files", package, "--vault-key", other, "--out", tmp_path / "none")[0] == 1
    bag = unpacked(package, tmp_path / "bag")
    archive_paper = bag / "data" / "archive.json"
    whole, sealed = archive_paper.read_text(), bag / "data" / "attachments" / f"{name}.sealed"
    archive_paper.write_text(json.dumps(json.loads(whole) | {"attachments": []}))
    kept = sealed.read_bytes()
    sealed.unlink()
    signed_again(bag, archive.signer)
    with pytest.raises(PackageWrong, match=f"attachment {told['id']} is listed and not there"):
        checking.verify(bag)
    archive_paper.write_text(whole)
    sealed.write_bytes(kept[:-1] + b"x")
    signed_again(bag, archive.signer)
    with pytest.raises(PackageWrong, match="is not the file that was stored"):
        checking.verify(bag)


async def test_a_worker_that_died_before_it_wrote_the_row_left_a_package_that_is_taken(
    opening: Opening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = await ready(opening, tmp_path)

    async def dies(*_: Any) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as dying:
        dying.setattr("callcenter.archive.store.keep_package", dies)
        with pytest.raises(RuntimeError):
            await archive.package()
    [left] = (archive.folder / "2026" / "W24").iterdir()
    before = bags.sha256_of(left)
    archive.office.later(hours=30)
    assert bags.sha256_of(await archive.package()) == before
    # What is only half there is made anew.
    left.write_bytes(b"half a tar")
    async with archive.office.web.db.transaction() as tx:
        await tx.execute(text("ALTER TABLE archived_package DISABLE TRIGGER ALL"))
        await tx.execute(text("ALTER TABLE archived_recording DISABLE TRIGGER ALL"))
        await tx.execute(text("DELETE FROM archived_recording"))
        await tx.execute(text("DELETE FROM archived_package"))
    assert checking.verify(await archive.package()).name == f"{archive.ticket}-r1"


async def test_every_round_has_its_package_and_the_first_stays(opening: Opening, tmp_path: Path) -> None:
    office = await opening("suqian", WEDNESDAY)
    await worked(office)
    archive = archive_of(office, tmp_path / "keep")
    first = await archive.package()
    before = bags.sha256_of(first)
    office.later(days=1)
    await office.do("supervisor", "checks", kind="recheck", found="untrue", note="现场未修复")
    await office.do("supervisor", "rework", reason="经复核回复不实", untrue=True)
    await office.do("dispatcher", "withdraw", reason="诉求人要求撤回")
    await office.answer_supervisions()
    assert "ticket.archive" in await office.run_jobs()
    second = await archive.package(round_=2)
    assert (first.name, second.name) == (f"{archive.ticket}-r1.tar", f"{archive.ticket}-r2.tar")
    assert bags.sha256_of(first) == before
    events = [paper.events for paper in (checking.verify(one).paper for one in (first, second)) if _is_ticket(paper)]
    assert events[0] < events[1]


def _is_ticket(paper: object) -> TypeGuard[checking.TicketPaper]:
    return isinstance(paper, checking.TicketPaper)


HOSTILE = "\u202e../../etc/passwd\n\u2028Payload-Oxum: 0.0\r\n<b>'\"%s\u0007"


async def test_hostile_words_of_a_ticket_touch_neither_names_nor_manifests(opening: Opening, tmp_path: Path) -> None:
    archive = await ready(opening, tmp_path, content=HOSTILE * 3, place="../../x", title="a\nmanifest-md5.txt")
    package = await archive.package()
    verified = checking.verify(package, trusted=[archive.signer.public_pem])
    assert set(verified.info) == {
        "Source-Organization",
        "External-Identifier",
        "External-Description",
        "Bag-Group-Identifier",
        "Bagging-Date",
        "Bag-Software-Agent",
        "Payload-Oxum",
    }
    with Reader(package) as reader:
        assert all(tars.SAFE_NAME.fullmatch(name) for name in reader.names)
        assert json.loads(reader.read("ticket.json"))["content"] == HOSTILE * 3


# ---- tampering ----------------------------------------------------------------------------------------------------


ADDED = ("data/extra.json", "data/recordings/x.ccr", "note.txt", "fetch.txt", "manifest-md5.txt", "more/a.txt")


async def test_whatever_is_changed_in_a_package_is_noticed(opening: Opening, tmp_path: Path) -> None:
    archive = await ready(opening, tmp_path)
    bag = unpacked(await archive.package(), tmp_path / "bag")
    files = sorted(path.relative_to(bag) for path in bag.rglob("*") if path.is_file())
    assert len(files) > 12
    unnoticed = []
    for number, name in enumerate(files):
        for what in ("flip", "remove", "cut"):
            copy = tmp_path / f"{number}-{what}" / bag.name
            shutil.copytree(bag, copy)
            _damage(copy / name, what)
            if _holds(copy):
                unnoticed.append(f"{what} {name}")
            shutil.rmtree(copy.parent)
    for added in (
        "data/extra.json",
        "data/recordings/x.ccr",
        "note.txt",
        "fetch.txt",
        "manifest-md5.txt",
        "more/a.txt",
    ):
        copy = tmp_path / "added" / bag.name
        shutil.copytree(bag, copy)
        (copy / added).parent.mkdir(exist_ok=True)
        (copy / added).write_text("x")
        if _holds(copy):
            unnoticed.append(f"add {added}")
        shutil.rmtree(copy.parent)
    assert unnoticed == []


def _damage(path: Path, what: str) -> None:
    data = path.read_bytes()
    if what == "remove":
        path.unlink()
    elif what == "cut":
        path.write_bytes(data[:-1])
    else:
        path.write_bytes(data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])


def _holds(bag: Path) -> bool:
    try:
        checking.verify(bag)
    except (BagWrong, PackageWrong, tars.PackageUnsafe):
        return False
    return True


async def test_manifests_that_fit_the_change_do_not_help(opening: Opening, tmp_path: Path) -> None:
    archive = await ready(opening, tmp_path)
    bag = unpacked(await archive.package(), tmp_path / "bag")
    ticket = bag / "data" / "ticket.json"
    ticket.write_text(ticket.read_text().replace("幸福小区", "幸福小村"))
    signature = (bag / bags.SIGNATURE).read_bytes()
    stranger = Signer.make(tmp_path / "stranger.pem")
    signed_again(bag, stranger)
    assert bagit_says(bag) == 0, "the public tool alone cannot know"
    with pytest.raises(PackageWrong, match="not the key it was compared with"):
        checking.verify(bag, trusted=[archive.signer.public_pem])
    (bag / bags.SIGNATURE).write_bytes(signature)
    with pytest.raises(BagWrong, match="signature"):
        checking.verify(bag)


CHAINS: tuple[tuple[str, Any, str], ...] = (
    (
        "edited",
        lambda lines: [lines[0], lines[1].replace(b"user:agent", b"user:other"), *lines[2:]],
        "is not what its hash says",
    ),
    ("dropped", lambda lines: [lines[0], *lines[2:]], "does not follow"),
    ("swapped", lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "does not follow"),
    ("cut", lambda lines: lines[:-1], "does not end where the archive says"),
    ("not JSON", lambda lines: [b"{" * 5000, *lines[1:]], "cannot be read"),
)


async def test_a_chain_of_events_is_checked_even_when_the_signature_is_good(opening: Opening, tmp_path: Path) -> None:
    office = await opening("ganzhou", WEDNESDAY)
    await put_away(office)
    archive = archive_of(office, tmp_path / "keep")
    bag = unpacked(await archive.package(), tmp_path / "bag")
    path = bag / "data" / "events.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1]
    for _, change, told in CHAINS:
        path.write_bytes(b"".join(line + b"\n" for line in change(lines)))
        signed_again(bag, archive.signer)
        with pytest.raises(PackageWrong, match=told):
            checking.verify(bag)


async def test_a_recording_of_another_call_is_not_taken_for_this_one(opening: Opening, tmp_path: Path) -> None:
    archive = await ready(opening, tmp_path)
    bag = unpacked(await archive.package(), tmp_path / "bag")
    [sealed] = (bag / "data" / "recordings").glob("*.ccr")
    sealed.write_bytes(sealed.read_bytes()[:-1] + b"x")
    signed_again(bag, archive.signer)
    with pytest.raises(PackageWrong, match="not the file that was stored"):
        checking.verify(bag)
    [found] = Look().at([bag])
    assert (found.holds, "DOES NOT HOLD" in found.sentence) == (False, True)
