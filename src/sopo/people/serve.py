"""A page on an address: where it may be reached from, the link to it, and a server that a signal stops."""

from __future__ import annotations

import ipaddress
import socket
import webbrowser
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from sopo.errors import UserError
from sopo.people.guard import LOCAL, Guard
from sopo.people.settings import ServeConfig


def serve(app: ASGIApp, token: str, config: ServeConfig, open_page: bool) -> None:
    """Serve ``app`` until it is interrupted, and print its link. Raises UserError if the address cannot be had.

    token: asked of everybody if the page is open to others than this machine.
    """
    listening = _listen(config)
    port = listening.getsockname()[1]
    local = _is_local(config.host)
    guarded = Guard(app, _names(config), not local, "" if local else token)
    link = _link(config, port, "" if local else token)
    print(f"{link}\nstop with Ctrl-C; every answer is on the disk already", flush=True)
    if open_page and not webbrowser.open(link):
        print("no browser to open it with: open the link yourself", flush=True)
    settings = uvicorn.Config(
        guarded,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        limit_concurrency=256,
        timeout_graceful_shutdown=5,
    )
    with suppress(KeyboardInterrupt):  # the way to stop it
        uvicorn.Server(settings).run([listening])


def _listen(config: ServeConfig) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        # The protocol is named, as asyncio takes TCP's delays (Nagle) only from what calls itself TCP.
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(256)  # from here on the link is good
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{config.host}:{config.port}: cannot listen there ({why}); give another --port") from error
    return listening


def _is_local(host: str) -> bool:
    try:
        return host in LOCAL or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _names(config: ServeConfig) -> set[str]:
    own = set() if _is_local(config.host) else {socket.gethostname().lower(), socket.getfqdn().lower()}
    return own | {name.lower() for name in (config.host, *config.hosts)}


def _link(config: ServeConfig, port: int, token: str) -> str:
    """What people open: under a name given, else this machine's."""
    host = (config.hosts or (socket.gethostname() if _is_any(config.host) else config.host,))[0]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/{f'?token={token}' if token else ''}"
