"""``teikei serve``: start the server; the first start prints the link that makes the operator."""

from __future__ import annotations

import fcntl
import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from teikei.errors import StudyError
from teikei.web.app import create_app, first_link

LOCK: Final = ".lock"


def serve(
    folder: Path,
    port: int,
    say: Callable[[str], None],
    *,
    host: str = "127.0.0.1",
    address: str = "",
    trusted_proxies: Sequence[str] = (),
) -> None:
    """Runs until stopped. host: an address of this machine; beyond it, put a proxy with TLS before the server.

    address: of the page, as people type it (``https://room.example``), for the links it makes. trusted_proxies:
    addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; those of others are not.
    Raises StudyError where an address is not plain, or another server serves the folder.
    """
    if not 1 <= port <= 65535:
        raise StudyError("--port is a number from 1 to 65535")
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise StudyError("--host is an IP address, such as 127.0.0.1 or 0.0.0.0") from error
    if address and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+/?", address):
        raise StudyError("--address is how people reach the page, such as https://room.example")
    for one in trusted_proxies:
        try:
            ipaddress.ip_address(one)
        except ValueError as error:
            raise StudyError("--trusted-proxy is the IP address of a proxy, such as 127.0.0.1") from error
    with only_one(folder):
        _serve(folder, port, say, host, local, address, trusted_proxies)


def _serve(
    folder: Path,
    port: int,
    say: Callable[[str], None],
    host: str,
    local: bool,
    address: str,
    trusted_proxies: Sequence[str],
) -> None:
    import uvicorn

    app = create_app(folder, address=address, trusted_proxies=trusted_proxies)
    link = first_link(app)
    shown = f"[{host}]" if ":" in host else host
    base = address.rstrip("/") or f"http://{shown}:{port}"
    if not local:
        say("Warning: reachable from other machines without encryption. Put a proxy with TLS before it.")
    say(f"teikei runs at http://{shown}:{port} (data in {folder}); stop it with Ctrl-C.")
    if link is not None:
        say(f"First start: make the operator's account with this link. It works once:\n{base}/join/{link}")
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the page itself decides whose word it believes (see Shell)
        timeout_keep_alive=75,  # longer than people think between two pages
    )


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Holds a folder of data for one server or one command; raises StudyError where another one has it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / LOCK).open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StudyError(f"another teikei works on {folder}; stop it first, or give another folder") from error
        yield
