"""``teikei serve``: start the server; the first start prints the link that makes the operator."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path

from teikei.errors import StudyError
from teikei.web.app import create_app, first_link


def serve(folder: Path, port: int, say: Callable[[str], None], *, host: str = "127.0.0.1") -> None:
    """Runs until stopped. host: an address of this machine; beyond it, put a proxy with TLS before the server.

    Raises StudyError where the address is not plain or the port is not free.
    """
    import uvicorn

    if not 1 <= port <= 65535:
        raise StudyError("--port is a number from 1 to 65535")
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise StudyError("--host is an IP address, such as 127.0.0.1 or 0.0.0.0") from error
    app = create_app(folder)
    link = first_link(app)
    shown = f"[{host}]" if ":" in host else host
    if not local:
        say("Warning: reachable from other machines without encryption. Put a proxy with TLS before it.")
    say(f"teikei runs at http://{shown}:{port} (data in {folder}); stop it with Ctrl-C.")
    if link is not None:
        say(f"First start: make the operator's account with this link. It works once:\n{_join(shown, port, link)}")
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # longer than people think between two pages
    )


def _join(host: str, port: int, link: str) -> str:
    return f"http://{host}:{port}/join/{link}"
