"""A citizen's telephone played by a page, for demonstrations: it stands where the outside world would be.

There only with the setting `demo_handset`; who opens it need not sign in, as nobody who dials 12345 does.
"""

import asyncio

from aiohttp import web

from callcenter.softphones import HANDSET, Softphones
from callcenter.web.context import COOKIE, Context
from callcenter.web.origin import is_own_page
from callcenter.web.phone import DOMAIN
from callcenter.web.phone_relay import Relay, exchange, sip_socket
from callcenter.web.problems import NotFound
from callcenter.web.router import Out, Routes

api = Routes("handset")
SOCKET = "/api/handset/ws"
MOST_AT_ONCE = 20
"""Pages that play a citizen at the same time."""


class Handset(Out):
    """What it registers with, and the address of any number it dials without its user part."""

    uri: str
    password: str
    socket: str
    domain: str


@api.get("/api/handset", None)
async def handset(ctx: Context) -> Handset:
    """演示用的市民电话（仅演示环境开启）"""
    password = await asyncio.to_thread(_phones(ctx).password_of, HANDSET)
    return Handset(uri=f"sip:{HANDSET}@{DOMAIN}", password=password, socket=SOCKET, domain=DOMAIN)


@api.get(SOCKET, None)
async def connect(ctx: Context) -> web.WebSocketResponse:
    """演示用的市民电话与电话系统之间的连接（SIP over WebSocket）"""
    phones = _phones(ctx)
    if "Origin" not in ctx.request.headers or not is_own_page(ctx.request, COOKIE) or phones.handsets >= MOST_AT_ONCE:
        raise NotFound
    browser = sip_socket(ctx.request)
    async with exchange(phones.url) as asterisk:
        await browser.prepare(ctx.request)
        with phones.one_handset_more():
            await Relay(browser, asterisk, asyncio.Event(), _always).run()
    return browser


def _phones(ctx: Context) -> Softphones:
    """Raises NotFound where no demonstration runs."""
    phones = ctx.services.softphones
    if phones is None or not phones.handset:
        raise NotFound
    return phones


async def _always() -> bool:
    return True
