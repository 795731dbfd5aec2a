"""The folder vosk loads: am/, conf/, graph/, and the checksums `callcenter models verify` checks.

Source: vosk-api, src/model.cc (which files) and src/recognizer.cc (which options).
"""

import hashlib
from pathlib import Path

from recordings.modelmaker.features import MFCC_CONF
from recordings.modelmaker.graph import back_off_word, words_txt, write_graph
from recordings.modelmaker.kaldi_io import model_bytes
from recordings.modelmaker.language import Language, grammar_text
from recordings.modelmaker.lexicon import SILENCE_ID, Lexicon, PhoneTable
from recordings.modelmaker.network import SUBSAMPLING
from recordings.modelmaker.training import Trained

MODEL_CONF = f"""--min-active=200
--max-active=2500
--beam=12.0
--lattice-beam=3.0
--acoustic-scale=0.4
--frame-subsampling-factor={SUBSAMPLING}
--endpoint.silence-phones={SILENCE_ID}
--endpoint.rule2.min-trailing-silence=0.5
--endpoint.rule3.min-trailing-silence=0.75
--endpoint.rule4.min-trailing-silence=1.0
--endpoint.rule5.min-utterance-length=40
"""
"""Rule 5 ends an utterance without waiting for a pause, perhaps inside a word: at 40 s, not Kaldi's 20."""
SUMS = "SHA256SUMS"


def write_model(folder: Path, trained: Trained, lexicon: Lexicon, table: PhoneTable, language: Language) -> int:
    """Writes the whole model; answers its size in bytes. Files of the same names are replaced."""
    for name in ("am", "conf", "graph/phones"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "am/final.mdl").write_bytes(model_bytes(trained.affines, trained.priors, table.pdf_of_phone_id))
    word_ids = lexicon.word_ids
    for name, text in (
        ("conf/mfcc.conf", MFCC_CONF),
        ("conf/model.conf", MODEL_CONF),
        ("graph/words.txt", words_txt(word_ids)),
        ("graph/phones/word_boundary.int", table.word_boundary()),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    write_graph(folder / "graph/HCLG.fst", lexicon, table, grammar_text(language, word_ids, back_off_word(word_ids)))
    return _seal(folder)


def _seal(folder: Path) -> int:
    paths = sorted(path for part in ("am", "conf", "graph") for path in (folder / part).rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}" for path in paths]
    (folder / SUMS).write_text("\n".join(sums) + "\n", encoding="utf-8")
    return sum(path.stat().st_size for path in paths)
