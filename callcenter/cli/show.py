"""`callcenter demo`: one citizen's call, end to end, on a private stack."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli import app, fail
from callcenter.types import Role

ROLE_NAMES = {
    Role.AGENT: "话务员",
    Role.DISPATCHER: "派单员",
    Role.UNIT: "承办人员",
    Role.UNIT_HEAD: "单位负责人",
    Role.LEADER: "领导",
    Role.REVIEWER: "审核回访员",
    Role.SUPERVISOR: "督办员（班长）",
    Role.AUDITOR: "审计员",
    Role.ADMIN: "管理员",
}

if TYPE_CHECKING:
    from callcenter.stack.hotline import Hotline
    from ticketing.policy import Rules

FOLDER = Path(".run/demo").absolute()
"""Of the default policy; each other has a folder beside it, for a hotline keeps to one regulation."""
IN_BROWSERS = frozenset({"8002", "8008", "8009"})
"""Telephones that are the console itself: of agent2, the reviewer and the supervisor. 8001 is played in the story."""


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

    usual = Options(sms_all_day=True, wrap_up_s=2.0, softphones=IN_BROWSERS, handset=True)
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
    if not call_only:
        # Their telephone was played and ends with this command; the next call is for whoever opens the console.
        await (await hotline.sign_in("agent1")).post("/api/desk/logout")
    _tell_where(hotline)
    await hotline.leave_running()


def _tell_where(hotline: "Hotline") -> None:
    stack = hotline.stack
    typer.echo(f"\n控制台      {hotline.api_url}/console/")
    typer.echo("            用户名         密码                  角色           电话")
    for login, one in hotline.people.items():
        roles = "、".join(ROLE_NAMES[role] for role in sorted(one.roles))
        line = f"浏览器 {one.extension}" if one.extension in IN_BROWSERS else str(one.extension or "")
        typer.echo(f"            {login:<14} {hotline.passwords[login]:<21} {one.name}（{roles}）  {line}".rstrip())
    typer.echo(f"市民的电话  {hotline.api_url}/console/handset   （另一个浏览器窗口，代替外面的电话网）")
    typer.echo("            用 agent2 登录控制台，启用电话并签入；再在市民的电话里拨打 12345，按 0 转人工")
    typer.echo(f"API         {hotline.api_url}  (openapi: {hotline.api_url}/openapi.json)")
    typer.echo(
        f"SIP         127.0.0.1:{stack.ports.sip}  citizens call 12345 from 127.0.0.2 with a number as user name"
    )
    typer.echo(f"            a SIP phone of agent1: 8001, password {stack.secrets.agents['8001']}")
    typer.echo(f"settings    CALLCENTER_SETTINGS={stack.folder.settings_file}")
    typer.echo(
        "played      the carrier, agent1's and the units' telephones ended with this command; SMS wait in Kannel"
    )
    typer.echo("stop        make stop")
