"""The speech models: which one runs, which are installed, how another is brought in."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.router import Out, Routes
from recordings import models as speech
from recordings.vosk_door import NoModel, check_files

api = Routes("models")
KEEPERS = frozenset({Role.ADMIN})


class SpeechModel(Out):
    """demo: has only heard synthetic speech. in_use: the one named in the settings. whole: no file is missing.

    sample_rate_hz: of what it was trained on; words: it knows, where it lists them; summed: it has checksums.
    """

    name: str
    path: str
    size_bytes: int
    demo: bool
    in_use: bool
    whole: bool
    sample_rate_hz: int | None
    words: int | None
    whole_graph: bool
    summed: bool


class KnownModel(Out):
    """A published model whose archive is known byte for byte. command: brings it in."""

    name: str
    size_bytes: int
    sha256: str
    installed: bool
    command: str


class SpeechModels(Out):
    """live_words: words are shown while people speak. transcripts: made after calls by this machine's worker.

    setting: names the model in use; processes read it at their start.
    """

    live_words: bool
    transcripts: bool
    folder: str
    setting: str
    models: list[SpeechModel]
    known: list[KnownModel]


@api.get("/api/models", KEEPERS)
async def read_models(ctx: Context) -> SpeechModels:
    """语音识别模型：正在使用的、已安装的、如何安装；实时转写是否开启"""
    here = ctx.services.installation
    folder = here.models_dir or (here.model_dir.parent if here.model_dir else Path())
    found = await asyncio.to_thread(_models, here.model_dir, folder)
    names = {one.name for one in found.values()}
    known = [
        KnownModel(
            name=name,
            size_bytes=one.size_bytes,
            sha256=one.sha256,
            installed=name in names,
            command=f"callcenter models install {name} --folder {folder}",
        )
        for name, one in speech.KNOWN.items()
    ]
    return SpeechModels(
        live_words=here.live_words,
        transcripts=here.transcripts,
        folder=str(folder),
        setting="CALLCENTER_MODEL_DIR",
        models=list(found.values()),
        known=known,
    )


def _models(in_use: Path | None, folder: Path) -> Mapping[Path, SpeechModel]:
    """The one in use first, then the installed ones. Blocking."""
    listed = {one.path.resolve(): one for one in speech.installed(folder)}
    used = in_use.resolve() if in_use else None
    order = [*([used] if used else []), *(path for path in listed if path != used)]
    return {path: _model(path, listed.get(path), in_use=path == used) for path in order}


def _model(path: Path, listed: speech.Installed | None, *, in_use: bool) -> SpeechModel:
    facts = speech.facts_of(path)
    return SpeechModel(
        name=path.name,
        path=str(path),
        size_bytes=listed.size_bytes if listed else _size(path),
        demo=path == speech.demo_model().resolve(),
        in_use=in_use,
        whole=_whole(path),
        sample_rate_hz=facts.sample_rate_hz,
        words=facts.words,
        whole_graph=facts.whole_graph,
        summed=facts.summed,
    )


def _whole(path: Path) -> bool:
    try:
        check_files(path)
    except NoModel:
        return False
    return True


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else 0
