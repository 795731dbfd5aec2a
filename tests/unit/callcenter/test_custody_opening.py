"""From the environment to a store of recordings; an S3 server's secrets are nobody's to read."""

import json
from pathlib import Path

import pytest

from callcenter.custody.opening import CustodyNotSet, ground_of
from callcenter.settings import Settings, load
from recordings.custody.keys import new_key, write_key_file
from tests.support.s3 import s3_server

SECRETS = ("AMI_EVENTS_SECRET", "AMI_ACTIONS_SECRET", "AGI_TOKEN", "KANNEL_PASSWORD", "SMS_CALLBACK_TOKEN")
PORTS = ("AMI_PORT", "AGI_PORT", "AUDIOSOCKET_PORT", "SMS_CALLBACK_PORT")


def settings(monkeypatch: pytest.MonkeyPatch, folder: Path, **more: str) -> Settings:
    values = dict.fromkeys(SECRETS, "x" * 40) | dict.fromkeys(PORTS, "1") | {"VAULT_KEY": "5a" * 32}
    values |= {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "KANNEL_URL": "http://x"}
    values |= {name: str(folder) for name in ("SPOOL_DIR", "MODEL_DIR", "CEL_FILE")} | more
    for name, value in values.items():
        monkeypatch.setenv(f"CALLCENTER_{name}", value)
    return load()


async def test_a_store_on_s3_is_reached_by_settings_and_its_secret_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_key_file(tmp_path / "keys", (new_key("rk-1"),))
    with s3_server() as s3:
        secret = {**s3.options, "secret_access_key": "kept-to-ourselves"}
        read = settings(
            monkeypatch,
            tmp_path,
            STORE_URL=s3.url,
            STORE_OPTIONS=json.dumps(secret),
            RECORDING_KEYS=(tmp_path / "keys").as_uri(),
        )
        ground = ground_of(read)
        await ground.store.put_new("2026/11/22/aa/x.ccr", b"sealed")
        assert await ground.store.read("2026/11/22/aa/x.ccr") == b"sealed"
    assert ground.copy is None
    assert "kept-to-ourselves" not in f"{read!r} {read} {ground!r} {ground.store!r}"


def test_without_a_store_nothing_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(CustodyNotSet):
        ground_of(settings(monkeypatch, tmp_path))
