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


def main() -> int:
    """0 when done; 1 with the reason."""
    parser = argparse.ArgumentParser(prog="python -m callcenter.stack", description="The private services.")
    parser.add_argument("command", choices=("start", "stop"))
    parser.add_argument("folder", nargs="?", type=Path, default=paths.run_dir(), help="run folder (default .run/demo)")
    arguments = parser.parse_args()
    try:
        if arguments.command == "start":
            asyncio.run(start(arguments.folder))
        else:
            print(f"stopped: {' '.join(stop_left_running(arguments.folder)) or 'nothing was running'}")
    except StackFailed as problem:
        print(f"failed: {problem}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
