"""python -m recordings.modelmaker --out DIR: makes the demo speech model. See docs/speech-model.md."""

import argparse
import functools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recordings.modelmaker.examples import example, plan, spread
from recordings.modelmaker.heldout import bare, held_out_texts, write_held_out
from recordings.modelmaker.language import learn
from recordings.modelmaker.lexicon import Lexicon, PhoneTable, make_lexicon
from recordings.modelmaker.model_folder import write_model
from recordings.modelmaker.names import NoNames, read_names
from recordings.modelmaker.segmenter import Segmenter
from recordings.modelmaker.sentences import Corpus, load_corpus, sentences
from recordings.modelmaker.training import TooLittleSpeech, Trained, train
from recordings.modelmaker.voices import NoSynthesiser, NoVoice

LANGUAGE_SENTENCES = 30_000
GENERAL_WORDS, GENERAL_CHARACTERS = 20_000, 3_500


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    out: Path
    config: Path
    held_out: Path | None
    utterances: int
    epochs: int
    seed: int
    jobs: int


class Log:
    """Prints what is done, with the seconds since the start."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began_s:6.1f} s] {text}", flush=True)


@dataclass(frozen=True, slots=True)
class Text:
    """What is said in training, cut into words; `general`: frequent words of the language at large."""

    utterances: list[list[list[str]]]
    general: dict[str, int]
    lexicon: Lexicon


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser, options = _options(arguments)
    try:
        make(options, Log())
    except (NoNames, NoSynthesiser, NoVoice, TooLittleSpeech) as problem:
        parser.exit(1, f"{problem}. {type(problem).__doc__}\n")


def make(options: Options, log: Log) -> None:
    """Everything, from text to the finished folder. Raises NoNames, NoSynthesiser, NoVoice, TooLittleSpeech."""
    corpus = load_corpus(read_names(options.config))
    segmenter = Segmenter(corpus.slot_words)
    held_out = held_out_texts(corpus, options.seed)
    text = _text(
        corpus, segmenter, options.seed, frozenset(bare(said) for group in held_out.values() for said in group)
    )
    table = PhoneTable(text.lexicon.phones)
    log(f"{len(text.utterances)} sentences, {len(text.lexicon.words)} words, {len(table.phones)} phones")
    trained = _hear_and_train(text, table, options, log)
    clauses = (clause for said in text.utterances for clause in said)
    language = learn(clauses, tuple(text.lexicon.words), text.general)
    size = write_model(options.out, trained, text.lexicon, table, language)
    log(f"{options.out}: {size / 1e6:.2f} MB")
    if options.held_out:
        count = write_held_out(options.held_out, held_out, segmenter, options.jobs)
        log(f"{options.held_out}: {count} sounds the model has not heard")


def _text(corpus: Corpus, segmenter: Segmenter, seed: int, held_out: frozenset[str]) -> Text:
    said = [segmenter.clauses(one) for one in sentences(corpus, LANGUAGE_SENTENCES, seed, held_out)]
    general = segmenter.frequent(GENERAL_WORDS, GENERAL_CHARACTERS)
    heard = {word for clauses in said for clause in clauses for word in clause}
    lexicon = make_lexicon(heard | set(general) | {character for word in heard for character in word})
    known = lexicon.words.keys()
    return Text(
        [clauses for clauses in said if all(word in known for clause in clauses for word in clause)],
        {word: count for word, count in general.items() if word in known},
        lexicon,
    )


def _hear_and_train(text: Text, table: PhoneTable, options: Options, log: Log) -> Trained:
    # each different sentence once: people's favourites are already heard by being short
    different = sorted({tuple(tuple(clause) for clause in said) for said in text.utterances})
    random.Random(options.seed).shuffle(different)  # noqa: S311 - repeatable, nothing secret
    jobs = plan(different, sorted(text.general), options.utterances, options.seed)
    made = spread(functools.partial(example, pdf_ids=table.pdf_ids), jobs, options.jobs)
    examples = [one for one in made if one is not None]
    hours = sum(len(one.features) for one in examples) / 360_000
    log(f"{len(examples)} of {len(jobs)} utterances spoken: {hours:.2f} hours")
    return train(examples, len(table.pdf_ids), epochs=options.epochs, threads=options.jobs, seed=options.seed, log=log)


def _options(arguments: Sequence[str] | None) -> tuple[argparse.ArgumentParser, Options]:
    parser = argparse.ArgumentParser(prog="python -m recordings.modelmaker", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the model's folder")
    parser.add_argument("--config", type=Path, default=Path("config"), metavar="DIR", help="gazetteers and units")
    parser.add_argument("--held-out", type=Path, metavar="DIR", help="write sounds for `evaluate` there")
    parser.add_argument("--utterances", type=_count, default=4_000, metavar="N", help="to hear (4000)")
    parser.add_argument("--epochs", type=_count, default=5, metavar="N", help="times all are heard (5)")
    parser.add_argument("--seed", type=int, default=20, metavar="N", help="the same seed gives the same model (20)")
    parser.add_argument("--jobs", type=_count, default=2, metavar="N", help="processes and threads (2)")
    return parser, Options(**vars(parser.parse_args(arguments)))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


if __name__ == "__main__":
    main()
