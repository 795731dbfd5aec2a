"""The environment of a command: of its settings only the database and the keeping of recordings are real."""

from pathlib import Path

from callcenter.db import Database


def command_environment(db: Database, folder: Path, **more: str) -> dict[str, str]:
    """Variables for CliRunner. more: further settings by their name (`store_url`)."""
    ports = dict.fromkeys(("AMI_PORT", "AGI_PORT", "AUDIOSOCKET_PORT", "SMS_CALLBACK_PORT"), "1")
    secrets = ("AMI_EVENTS_SECRET", "AMI_ACTIONS_SECRET", "AGI_TOKEN", "KANNEL_PASSWORD", "SMS_CALLBACK_TOKEN")
    plain = {"DATABASE_URL": db.asyncpg_dsn, "REDIS_URL": "redis://x", "KANNEL_URL": "http://x", "VAULT_KEY": "5a" * 32}
    paths = {name: str(folder) for name in ("SPOOL_DIR", "MODEL_DIR", "CEL_FILE")}
    given = {name.upper(): value for name, value in more.items()}
    values = ports | dict.fromkeys(secrets, "x" * 40) | plain | paths | given
    return {f"CALLCENTER_{name}": value for name, value in values.items()}
