"""`python -m ivr.prompts --texts FILE --out DIR [--language zh-CN] [--recorded DIR]`."""

import argparse
import sys
from pathlib import Path

from ivr.prompts.maker import RECORDED, PromptsWrong, make, read_texts
from ivr.prompts.voice import VoiceMissing


def main(arguments: list[str] | None = None) -> int:
    """Make the prompts; 0 when all are there, 1 with what is wrong on stderr."""
    parser = argparse.ArgumentParser(prog="python -m ivr.prompts", description="Make the spoken prompts.")
    parser.add_argument("--texts", type=Path, required=True, help="file of `name: text` lines")
    parser.add_argument("--out", type=Path, required=True, help="folder for the wav files")
    parser.add_argument("--language", default="zh-CN", help="which recordings to prefer (default zh-CN)")
    parser.add_argument("--recorded", type=Path, help="folder of recordings, instead of the package's own")
    options = parser.parse_args(arguments)
    try:
        texts = read_texts(options.texts)
        made = make(texts, options.out, options.recorded or RECORDED / options.language)
    except (PromptsWrong, VoiceMissing, OSError) as error:
        sys.stderr.write(f"prompts not made:\n{error}\n")
        return 1
    sys.stdout.write(
        f"prompts in {options.out}: {len(made.spoken)} spoken, {len(made.recorded)} recorded, "
        f"{len(made.kept)} up to date\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
