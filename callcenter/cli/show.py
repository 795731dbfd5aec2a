"""`callcenter demo`: one citizen's call, end to end, on a private stack."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli import app, fail

if TYPE_CHECKING:
    from callcenter.stack.hotline import Hotline
    from ticketing.policy import Rules

FOLDER = Path(".run/demo").absolute()
"""Of the default policy; each other has a folder beside it, for a hotline keeps to one regulation."""


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="stop everything at the end; exit 0 only if all happened")
    ] = False,
    call_only: Annotated[
        bool, typer.Option("--call-only", help="no story: leave the stack up for any SIP phone")
    ] = False,
    policy: Annotated[str, typer.Option(help="the regulation to run by, an id of config/policies")] = "",
) -> None:
    """A citizen's call becomes a closed and archived ticket. Leaves the stack and the API running."""
    from callcenter.stack.errors import StackFailed
    from config.problems import ConfigWrong

    try:
        asyncio.run(_demo(once, call_only, policy))
    except (StackFailed, ConfigWrong) as error:
        raise fail(str(error)) from None


def _hotline(policy: str) -> "tuple[Hotline, Rules]":
    """The hotline of this regulation, `` for the default one. Raises ConfigWrong."""
    from callcenter.app import load_rules
    from callcenter.stack.hotline import Hotline
    from callcenter.stack.people import people_of
    from callcenter.stack.stack import Options
    from config.policy_loader import policy_ids

    usual = Options(sms_all_day=True, wrap_up_s=2.0)
    if policy and policy not in policy_ids():
        raise fail(f"no policy {policy}; choose from {', '.join(policy_ids())}")
    options = replace(usual, policy=policy or usual.policy)
    folder = FOLDER if options.policy == usual.policy else FOLDER.with_name(f"{FOLDER.name}-{policy}")
    rules = load_rules(options.policy)
    return Hotline(folder, options, people=people_of(rules.policies[-1])), rules


def _spoken_town(hotline: "Hotline") -> str:
    """A town of the region that the speech model can hear; `` when it knows none."""
    from config.prefill_loader import load_prefill

    lines = (hotline.stack.model_dir / "graph" / "words.txt").read_text(encoding="utf-8").splitlines()
    words = {line.split(" ")[0] for line in lines}
    places = load_prefill(hotline.stack.options.policy).places
    return next((one.name for one in places if one.kind == "town" and one.name in words), "")


async def _demo(once: bool, call_only: bool, policy: str) -> None:
    from callcenter.stack.clerks import StepMissing
    from callcenter.stack.demo import Demo, Timeline
    from callcenter.stack.hotline import ApiRefused
    from callcenter.stack.phone_call import NotInTime

    timeline = Timeline(typer.echo)
    hotline, rules = _hotline(policy)
    timeline.step("启动 PostgreSQL、Valkey、Kannel、Asterisk 与各进程")
    await hotline.start()
    timeline.step("全部就绪", api=hotline.api_url, sip=f"127.0.0.1:{hotline.stack.ports.sip}")
    try:
        if not call_only:
            sounds = hotline.stack.folder.path / "sounds"
            await Demo(hotline, timeline, rules, sounds, _spoken_town(hotline)).run()
    except (StepMissing, NotInTime, ApiRefused, TimeoutError) as error:
        await hotline.stop()
        logs = hotline.stack.folder.path / "log"
        raise fail(f"the demonstration stopped: {error or type(error).__name__}; logs are in {logs}") from None
    if once:
        await hotline.stop()
        timeline.step(f"演示完成，{len(timeline.steps)} 步全部发生，已停止")
        return
    _tell_where(hotline)
    await hotline.leave_running()


def _tell_where(hotline: "Hotline") -> None:
    stack = hotline.stack
    typer.echo(f"\nAPI        {hotline.api_url}  (openapi: {hotline.api_url}/openapi.json)")
    typer.echo(f"SIP        127.0.0.1:{stack.ports.sip}  citizens call 12345 from 127.0.0.2 with a number as user name")
    typer.echo(f"settings   CALLCENTER_SETTINGS={stack.folder.settings_file}")
    typer.echo("people     " + "  ".join(f"{login} {password}" for login, password in hotline.passwords.items()))
    typer.echo(f"telephones 8001 {stack.secrets.agents['8001']}  8002 {stack.secrets.agents['8002']}")
    typer.echo("SMS        the played carrier ended with this command; messages wait in Kannel")
    typer.echo("stop       make stop")
