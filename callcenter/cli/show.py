"""`callcenter demo`: one citizen's call, end to end, on a private stack."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli import app, fail

if TYPE_CHECKING:
    from callcenter.stack.hotline import Hotline

FOLDER = Path(".run/demo").absolute()


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="stop everything at the end; exit 0 only if all happened")
    ] = False,
    call_only: Annotated[
        bool, typer.Option("--call-only", help="no story: leave the stack up for any SIP phone")
    ] = False,
) -> None:
    """A citizen's call becomes a closed and archived ticket. Leaves the stack and the API running."""
    from callcenter.stack.errors import StackFailed

    try:
        asyncio.run(_demo(once, call_only))
    except StackFailed as error:
        raise fail(str(error)) from None


async def _demo(once: bool, call_only: bool) -> None:
    from callcenter.app import load_rules
    from callcenter.stack.demo import Demo, StepMissing, Timeline
    from callcenter.stack.hotline import ApiRefused, Hotline
    from callcenter.stack.phone_call import NotInTime

    timeline = Timeline(typer.echo)
    hotline = Hotline(FOLDER)
    timeline.step("启动 PostgreSQL、Valkey、Kannel、Asterisk 与各进程")
    await hotline.start()
    timeline.step("全部就绪", api=hotline.api_url, sip=f"127.0.0.1:{hotline.stack.ports.sip}")
    try:
        if not call_only:
            rules = load_rules(hotline.stack.options.policy)
            await Demo(hotline, timeline, rules, FOLDER / "sounds").run()
    except (StepMissing, NotInTime, ApiRefused, TimeoutError) as error:
        await hotline.stop()
        raise fail(f"the demonstration stopped: {error or type(error).__name__}; logs are in {FOLDER}/log") from None
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
