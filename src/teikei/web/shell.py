"""Around every answer: strict headers, limits on what is sent, who is calling, in which language."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from teikei.web import accounts
from teikei.web.access import SESSION_COOKIE
from teikei.web.accounts import Caller

LARGEST_UPLOAD_BYTES: Final = 30_000_000
LARGEST_FORM_BYTES: Final = 1_000_000
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# plotly.js places and colours by style attributes; scripts stay those of our own files
CHART_POLICY: Final = CONTENT_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
    "img-src 'self'", "img-src 'self' data: blob:"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
LANGUAGE_COOKIE: Final = "teikei_language"


class Shell:
    """ASGI middleware: sets ``request.state.caller`` and ``request.state.language``, headers and size limits."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        caller = await run_in_threadpool(_caller, request)
        request.state.caller = caller
        request.state.language = language_of(request)
        guarded = _with_headers(send)
        most = LARGEST_UPLOAD_BYTES if caller is not None else LARGEST_FORM_BYTES
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > most:
            await _too_large()(scope, receive, guarded)
            return
        try:
            await self.app(scope, _limited(receive, most), guarded)
        except _TooLargeError:
            await _too_large()(scope, receive, guarded)


class _TooLargeError(Exception):
    """More was sent than is taken."""


def _too_large() -> PlainTextResponse:
    return PlainTextResponse(
        f"The file is larger than {LARGEST_UPLOAD_BYTES // 1_000_000} MB. Send the tables without pictures.", 413
    )


def _limited(receive: Receive, most: int) -> Receive:
    """Counts what arrives, since a sender may give no length or a wrong one."""
    taken = 0

    async def inner() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise _TooLargeError
        return message

    return inner


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def inner(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                if name not in headers:
                    headers[name] = value
            headers["Server"] = "teikei"
        await send(message)

    return inner


def _caller(request: Request) -> Caller | None:
    session = request.cookies.get(SESSION_COOKIE, "")
    if not session:
        return None
    server = request.app.state.server
    with server.store.operator(write=False) as connection:
        found = accounts.find_session(connection, server.clock(), session)
    if found is None:
        return None
    caller, stale = found
    if stale:
        with server.store.operator() as connection:
            accounts.touch_session(connection, server.clock(), session)
    return caller


def language_of(request: Request) -> str:
    """``ja`` or ``en``: what was chosen, else what the browser asks for first."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in ("ja", "en"):
        return chosen
    first = request.headers.get("accept-language", "").split(",")[0].strip().casefold()
    return "ja" if first.startswith("ja") else "en"
