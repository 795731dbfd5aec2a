"""`callcenter models` and `callcenter transcribe`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from callcenter.cli import app, fail

models = typer.Typer(no_args_is_help=True, help="Speech models: list, verify, install.")
app.add_typer(models, name="models")

FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="where models are kept; default: .cache/models here")
]


def _folder(folder: Path | None) -> Path:
    return folder or Path(os.environ.get("CALLCENTER_MODELS_DIR", ".cache/models"))


@models.command(name="list")
def list_models(folder: FolderOption = None) -> None:
    """The models that are installed, the demo model included."""
    from recordings.models import installed

    for one in installed(_folder(folder)):
        typer.echo(str(one))


@models.command()
def verify(name: str, folder: FolderOption = None) -> None:
    """Check a model's files and load it."""
    from recordings.models import BadSource, find
    from recordings.models import verify as verify_model
    from recordings.vosk_door import BrokenModel, NoModel

    try:
        path = find(name, _folder(folder))
        verify_model(path)
    except (BadSource, BrokenModel, NoModel) as error:
        raise fail(str(error)) from None
    typer.echo(f"{name}: good ({path})")


@models.command()
def install(
    source: Annotated[str, typer.Argument(help="a folder, a .zip file or a URL")],
    folder: FolderOption = None,
    sha256: Annotated[str, typer.Option(help="checksum the archive must have")] = "",
    name: Annotated[str, typer.Option(help="name of the model's folder; default: the source's")] = "",
) -> None:
    """Install a model from a folder, a zip or a URL; checked before it is used."""
    from recordings.models import BadSource
    from recordings.models import install as install_model
    from recordings.vosk_door import BrokenModel, NoModel

    try:
        done = install_model(source, _folder(folder), checksum=sha256 or None, name=name or None)
    except (BadSource, BrokenModel, NoModel, OSError) as error:
        raise fail(str(error)) from None
    typer.echo(f"installed {done}; name it in CALLCENTER_MODEL_DIR")


@app.command()
def transcribe(
    files: Annotated[list[Path], typer.Argument(help="sound files of any common kind")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line a file, with words and times")] = False,
    model: Annotated[Path | None, typer.Option(help="model folder; default: CALLCENTER_MODEL_DIR, else demo")] = None,
) -> None:
    """Write what is said in sound files. The demo model knows synthetic speech only."""
    from recordings import vosk_door
    from recordings.audio import UnreadableAudio
    from recordings.models import demo_model
    from recordings.speech import transcribe_file, transcript_json

    chosen = model or Path(os.environ.get("CALLCENTER_MODEL_DIR") or demo_model())
    try:
        loaded = vosk_door.load(chosen)
    except (vosk_door.NoModel, vosk_door.BrokenModel) as error:
        raise fail(str(error)) from None
    bad = False
    for path in files:
        try:
            told = transcript_json(path, transcribe_file(path, loaded))
        except (UnreadableAudio, OSError) as error:
            sys.stderr.write(f"{error}\n")
            bad = True
            continue
        typer.echo(told.model_dump_json() if as_json else f"{path}: {told.text}")
    if bad:
        raise typer.Exit(1)
