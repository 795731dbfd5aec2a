"""The key of a sealed file, wrapped anew: a small object beside the file, written by a rotation.

The file itself is never rewritten; whoever has the new master key and no database finds the file's key here.
"""

import base64
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recordings.custody.custody import SUFFIX, WrappedKey
from recordings.custody.keys import KEY_ID

FOLDER = ".key/"
LONGEST = 4096


class SidecarWrong(Exception):
    """This is not a key wrapped anew, or it is another file's."""


class _Sidecar(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    name: str
    key_id: str = Field(pattern=f"^{KEY_ID}$")
    wrapped_key: str


def sidecar(name: UUID, key: WrappedKey) -> bytes:
    """The object's bytes: JSON in ASCII."""
    body = _Sidecar(name=str(name), key_id=key.key_id, wrapped_key=base64.b64encode(key.wrapped).decode())
    return body.model_dump_json().encode()


def read_sidecar(content: bytes, name: UUID) -> WrappedKey:
    """The wrapped key of the file called `name`. Raises SidecarWrong."""
    try:
        said = _Sidecar.model_validate_json(content[: LONGEST + 1])
        wrapped = base64.b64decode(said.wrapped_key, validate=True)
    except (ValidationError, ValueError):
        raise SidecarWrong("not a wrapped key of a sealed recording") from None
    if said.name != str(name):
        raise SidecarWrong(f"a key of recording {said.name}, not of {name}")
    return WrappedKey(said.key_id, wrapped)


def is_recording_path(path: str) -> bool:
    """Whether an object of a store is a recording: not a canary, not a key beside one."""
    return path.endswith(SUFFIX) and not path.startswith("canary/")
