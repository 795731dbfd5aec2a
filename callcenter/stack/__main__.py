"""`python -m callcenter.stack start|stop [FOLDER]`: a private stack by hand; `make stop` is the second."""

import argparse
import asyncio
from pathlib import Path

from callcenter.stack import paths
from callcenter.stack.errors import StackFailed
from callcenter.stack.stack import Stack, stop_left_running


async def start(folder: Path) -> None:
    """Start everything, leave it running, print where the settings are."""
    stack = Stack(folder)
    await stack.start()
    stack.stay()
    print(f"running; settings: {stack.folder.settings_file}")
    print(f"SIP {stack.ports.sip}, AMI {stack.ports.ami}, sendsms {stack.ports.kannel_sendsms}, all on 127.0.0.1")


def stopped(folder: Path | None) -> list[Path]:
    """The run folders to stop: this one, else those of every demonstration."""
    return [folder] if folder else sorted(paths.run_dir().parent.glob(f"{paths.run_dir().name}*"))


def main() -> int:
    """0 when done; 1 with the reason."""
    parser = argparse.ArgumentParser(prog="python -m callcenter.stack", description="The private services.")
    parser.add_argument("command", choices=("start", "stop"))
    parser.add_argument("folder", nargs="?", type=Path, help="run folder (default .run/demo; stop: every demo's)")
    arguments = parser.parse_args()
    try:
        if arguments.command == "start":
            asyncio.run(start(arguments.folder or paths.run_dir()))
        else:
            ended = [name for folder in stopped(arguments.folder) for name in stop_left_running(folder)]
            print(f"stopped: {' '.join(ended) or 'nothing was running'}")
    except StackFailed as problem:
        print(f"failed: {problem}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
