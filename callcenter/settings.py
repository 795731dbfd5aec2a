"""Every setting of a running system, read once at the start.

Sources, first wins: environment (`CALLCENTER_DATABASE_URL`...), then the file named by CALLCENTER_SETTINGS
(KEY=value lines, mode 0600). Secrets have no default: `callcenter setup-secrets` or the stack writes them.
"""

import os
import stat
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsWrong(Exception):
    """A setting is missing or wrong; the message names each one and what to write."""


class Settings(BaseSettings):
    """One flat list; the environment name of `ami_port` is CALLCENTER_AMI_PORT."""

    model_config = SettingsConfigDict(env_prefix="CALLCENTER_", extra="ignore", frozen=True)

    node: str = Field("a", pattern=r"^[A-Za-z0-9]{1,16}$", description="Asterisk's systemname on this node")
    policy: str = Field("longsheng", description="which file of config/policies runs here")
    hotline_number: str = Field("12345", pattern=r"^[0-9]{3,12}$")

    database_url: str = Field(description="postgresql://user@/db?host=/socket/dir or postgresql://user:pw@host/db")
    redis_url: str = Field(description="unix:///run/valkey.sock or redis://host:6379/0")

    ami_host: str = "127.0.0.1"
    ami_port: int
    ami_events_secret: SecretStr
    ami_actions_secret: SecretStr

    agi_host: str = "127.0.0.1"
    agi_port: int
    agi_token: SecretStr
    audiosocket_host: str = "127.0.0.1"
    audiosocket_port: int

    kannel_url: str = Field(description="smsbox sendsms base, http://127.0.0.1:13013/cgi-bin/sendsms")
    kannel_user: str = "callcenter"
    kannel_password: SecretStr
    sms_callback_token: SecretStr
    sms_callback_port: int = Field(description="port where receipts and replies come in, loopback")
    sms_all_day: bool = Field(False, description="send at night too: for demonstrations and tests only")

    upstream_system: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,64}$", description="the platform above; empty: none")
    upstream_ours: str = Field("hotline", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="the name it knows us by")
    upstream_secret: SecretStr | None = Field(None, min_length=32, description="shared with the platform above")
    upstream_url: str = Field("", description="where it takes our messages; empty: nothing is sent")

    api_host: str = "127.0.0.1"
    api_port: int = 8345
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s?#]{1,90}[^\s?#/])?$",
        description="where citizens reach /citizen/: https://host; empty: no links in messages",
    )
    open311_keys: dict[str, SecretStr] = Field({}, description="JSON, partner -> api_key (32 characters or more)")
    console_dir: Path | None = Field(None, description="the built console; default: that in the package")
    softphone_url: str = Field(
        "",
        pattern=r"^(wss?://[^/?#@\s]+/ws)?$",
        description="Asterisk's WebSocket for telephones in browsers, ws://127.0.0.1:8088/ws; empty: there are none",
    )
    softphone_secrets: Path | None = Field(
        None, description="JSON file (mode 0600) of the SIP passwords of telephones in browsers, by extension"
    )
    demo_handset: bool = Field(
        False, description="a page without sign-in that plays a citizen's telephone: for demonstrations only"
    )
    metrics_port: int = Field(
        0, description="/metrics of listen, ivr, speech, work on this port and the three after it; 0: not served"
    )
    wrap_up_s: float = Field(30.0, ge=0, le=3600, description="after-call work before the next call is offered")
    live_words: bool = Field(True, description="tap the citizen's channel for words while they speak")
    transcripts: bool = Field(True, description="make transcripts in this worker; off: a worker elsewhere makes them")

    vault_key: SecretStr = Field(description="64 hex digits; encrypts telephone numbers")
    spool_dir: Path = Field(description="where Asterisk writes recordings")
    store_url: str = Field("", description="where recordings are kept: file:///folder or s3://bucket/prefix")
    copy_url: str = Field("", description="their second place, best on another disk or in another room; empty: none")
    store_options: dict[str, SecretStr] = Field({}, description="JSON for an S3 store: endpoint, access_key_id, ...")
    copy_options: dict[str, SecretStr] = Field({}, description="the same for the second place")
    recording_keys: str = Field("", description="file:///key/file, or plugin:module:factory for another provider")
    recording_codec: Literal["flac", "opus"] = Field("flac", description="flac: lossless; opus: a third of its size")
    recording_cipher: Literal["aes-256-gcm", "sm4-gcm"] = "aes-256-gcm"
    signing_key: Path | None = Field(None, description="Ed25519 private key (PEM) that signs anchors and packages")
    anchor_dir: Path | None = Field(None, description="second place of the audit's anchors, best on another disk")
    digest: Literal["sha256", "sm3"] = Field("sha256", description="hash of the audit chain")
    second_clock: str = Field(
        "",
        pattern=r"^(ntp://[^/?#@\s]+)?$",
        description="ntp://host[:port]: must agree before anything is deleted; empty: never",
    )
    archive_dir: Path | None = Field(None, description="where archive packages are kept; default: beside spool_dir")
    backup_dir: Path | None = Field(None, description="where base backups and the log of PostgreSQL are kept")
    backup_database_url: SecretStr | None = Field(None, description="the database by a role with REPLICATION only")
    backup_keys: str = Field("", description="file:///key/file of the backups: another than recording_keys")
    backup_incoming: Path | None = Field(None, description="the log before it is sealed; default: beside spool_dir")

    prompts_dir: Path | None = Field(None, description="folder of <prompt>.wav; default: those in the package")
    model_dir: Path = Field(description="the Vosk model folder")
    models_dir: Path | None = Field(None, description="where models are installed; default: the folder of model_dir")
    cel_file: Path = Field(description="Asterisk's CEL file, the record of calls")
    reports_dir: Path | None = Field(None, description="where reports are kept; default: reports beside spool_dir")
    report_font: Path | None = Field(None, description="font of reports; default: the first installed with Chinese")

    @property
    def reports_folder(self) -> Path:
        """Where the files of reports are kept."""
        return self.reports_dir or self.spool_dir.absolute().parent / "reports"

    @property
    def archive_folder(self) -> Path:
        """Where packages of the archive are kept."""
        return self.archive_dir or self.spool_dir.absolute().parent / "archive"

    @property
    def incoming_folder(self) -> Path:
        """Where the log of PostgreSQL arrives, readable until it is sealed into backup_dir."""
        return self.backup_incoming or self.spool_dir.absolute().parent / "wal-incoming"

    @model_validator(mode="after")
    def _softphones_are_whole(self) -> Self:
        if bool(self.softphone_url) != bool(self.softphone_secrets):
            raise ValueError("CALLCENTER_SOFTPHONE_URL and _SECRETS go together: set both or neither")
        return self

    @model_validator(mode="after")
    def _upstream_is_whole(self) -> Self:
        if bool(self.upstream_system) != bool(self.upstream_secret):
            raise ValueError("CALLCENTER_UPSTREAM_SYSTEM and _SECRET go together: set both or neither")
        if self.upstream_url and not (self.upstream_system and self.upstream_url.startswith(("http://", "https://"))):
            raise ValueError("CALLCENTER_UPSTREAM_URL must be http(s)://..., and needs CALLCENTER_UPSTREAM_SYSTEM")
        return self


def load() -> Settings:
    """Settings of this process. Raises SettingsWrong with one line per wrong setting."""
    path = os.environ.get("CALLCENTER_SETTINGS")
    try:
        return Settings(_env_file=_checked(Path(path)) if path else None)
    except ValidationError as error:
        lines = [f"CALLCENTER_{str(e['loc'][0]).upper()}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors()]
        raise SettingsWrong("settings are wrong:\n  " + "\n  ".join(lines)) from None


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise SettingsWrong(f"{path}: no such settings file; `make setup` writes one")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsWrong(f"{path}: others may read this file of secrets; run chmod 600 on it")
    return path
