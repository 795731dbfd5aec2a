"""From settings to what recordings are kept with."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from callcenter.settings import Settings
from recordings.custody.custody import Cipher, Codec
from recordings.custody.ground import Ground
from recordings.custody.keys import FileKeys, KeyFileWrong, KeyProvider
from recordings.custody.objects import ObjectStore

PORT = ("active", "key_ids", "wrap", "unwrap")


class CustodyNotSet(Exception):
    """CALLCENTER_STORE_URL and CALLCENTER_RECORDING_KEYS must be set before a recording can be kept."""


def ground_of(settings: Settings) -> Ground:
    """The stores and keys of this installation. Raises CustodyNotSet, StoreWrong, KeyFileWrong."""
    if not settings.store_url or not settings.recording_keys:
        raise CustodyNotSet
    copy = ObjectStore(settings.copy_url, _said(settings.copy_options)) if settings.copy_url else None
    return Ground(
        settings.spool_dir,
        ObjectStore(settings.store_url, _said(settings.store_options)),
        copy,
        keys_of(settings.recording_keys),
        Codec(settings.recording_codec),
        Cipher(settings.recording_cipher),
    )


def _said(options: Mapping[str, SecretStr]) -> Mapping[str, str]:
    # All of them are secrets to whoever prints settings: one of them is.
    return {name: value.get_secret_value() for name, value in options.items()}


def keys_of(where: str) -> KeyProvider:
    """The provider named by the setting: `file:///path`, or `plugin:module:factory`, called without arguments.

    Raises KeyFileWrong.
    """
    kind, _, rest = where.partition(":")
    if kind == "plugin":
        return _plugin(where, rest)
    return FileKeys.load(key_file_of(where))


def key_file_of(where: str) -> Path:
    """The key file that the setting names. Raises KeyFileWrong where keys are not in a file."""
    parts = urlsplit(where)
    if parts.scheme != "file" or parts.netloc or not parts.path.startswith("/"):
        raise KeyFileWrong(f"CALLCENTER_RECORDING_KEYS={where!r} is neither file:///path nor plugin:module:factory")
    return Path(unquote(parts.path))


def _plugin(where: str, rest: str) -> KeyProvider:
    module, _, factory = rest.partition(":")
    try:
        make = getattr(importlib.import_module(module), factory)
    except (ImportError, ValueError) as error:
        raise KeyFileWrong(f"{where}: module {module!r} cannot be imported ({error})") from error
    except AttributeError:
        raise KeyFileWrong(f"{where}: module {module} has no {factory!r}") from None
    try:
        provider = make()
    except Exception as error:  # whatever a vendor's driver raises
        raise KeyFileWrong(f"{where}: the provider of the master keys does not start ({error})") from error
    missing = [name for name in PORT if not hasattr(provider, name)]
    if missing:
        raise KeyFileWrong(f"{where}: what {factory} returns has no {', '.join(missing)}; see docs/recording-format.md")
    given: KeyProvider = provider
    return given
