"""Around every answer: strict headers, limits on what is sent, who is calling, from where, in which language."""

from __future__ import annotations

import ipaddress
import logging
import traceback
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from teikei.web import accounts
from teikei.web.access import SESSION_COOKIE, cookie_name
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
    "Referrer-Policy": "same-origin",  # our own pages learn where a form came from; no other site does
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
ENCRYPTED_ONLY: Final = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
FAULT: Final = "A fault in teikei. Nothing was changed; tell the operator the time."
LANGUAGE_COOKIE: Final = "teikei_language"
_log = logging.getLogger("teikei.web")


class Shell:
    """ASGI middleware: sets ``request.state.caller``, ``.address`` and ``.language``, headers and size limits.

    trusted_proxies: addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; nobody else's are.
    """

    def __init__(self, app: ASGIApp, trusted_proxies: Collection[str] = ()) -> None:
        self.app = app
        self.trusted_proxies = frozenset(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; a fault ends here, as an answer with all headers and without a word of what was computed."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await guarded(message)

        _believe_proxies(scope, self.trusted_proxies)
        guarded = _with_headers(send, encrypted=scope["scheme"] == "https")
        try:
            await self._answer(scope, receive, sent)
        except ClientDisconnect:
            return
        except Exception as error:  # a bug of ours: its kind and place are said, its values may be private figures
            _log.error("fault %s at %s", type(error).__name__, _place(error))
            if not begun:
                await PlainTextResponse(FAULT, 500)(scope, receive, guarded)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        request.state.address = scope["client"][0] if scope.get("client") else ""
        request.state.language = language_of(request)
        caller = await run_in_threadpool(_caller, request)
        request.state.caller = caller
        most = LARGEST_UPLOAD_BYTES if caller is not None else LARGEST_FORM_BYTES
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > most:
            await _too_large()(scope, receive, send)
            return
        try:
            await self.app(scope, _limited(receive, most), send)
        except _TooLargeError:
            await _too_large()(scope, receive, send)


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "teikei" in frame.filename] or frames
    return f"{ours[-1].filename.rpartition('/')[2]}:{ours[-1].lineno}" if ours else "?"


def _believe_proxies(scope: Scope, trusted: Collection[str]) -> None:
    """Puts the sender's address and scheme, as a trusted proxy tells them, in place of the proxy's own."""
    if not scope.get("client") or scope["client"][0] not in trusted:
        return
    told = {name: value.decode("latin-1") for name, value in scope["headers"]}  # of a name given twice the last counts
    hops = [hop.strip() for hop in told.get(b"x-forwarded-for", "").split(",") if hop.strip()]
    while hops and hops[-1] in trusted:
        hops.pop()
    if hops and _is_address(hops[-1]):
        scope["client"] = (hops[-1], 0)
    scheme = told.get(b"x-forwarded-proto", "").strip().casefold()
    if scheme in ("http", "https"):
        scope["scheme"] = scheme


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


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


def _with_headers(send: Send, *, encrypted: bool) -> Callable[[Message], Awaitable[None]]:
    async def inner(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                if name not in headers:
                    headers[name] = value
            if encrypted:
                headers[ENCRYPTED_ONLY[0]] = ENCRYPTED_ONLY[1]
            headers["Server"] = "teikei"
        await send(message)

    return inner


def _caller(request: Request) -> Caller | None:
    session = request.cookies.get(cookie_name(request, SESSION_COOKIE), "")
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
