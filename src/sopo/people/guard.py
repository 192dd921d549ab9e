"""Who may ask a page anything: one layer in front of an application, for all of its addresses.

- *Host* must be a name of this server: a stranger's page cannot reach it by a name of its own (DNS rebinding).
- *Origin* of whatever changes something must be the page itself, and its body JSON: no other site can answer for you.
- *Token*, where the server is open to others: in the link once, then in a cookie.
- *Size* of a body is bounded before it is read.
- *Content-Security-Policy*: nothing is loaded from anywhere else, and no script but our files runs.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PLAIN_PATH = re.compile(r"(/[\w.-]+)+")
COOKIE_S = 90 * 24 * 3600
LARGEST = 1 << 14  # bytes of a body
LOCAL = ("localhost", "127.0.0.1", "::1")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """The ASGI application ``app`` behind the rules of this module.

    names: hosts under which it may be asked for beside ``LOCAL``. any_address: also by any IP address. token: empty
    asks for none.
    """

    def __init__(self, app: ASGIApp, names: Collection[str], any_address: bool, token: str) -> None:
        self.app, self.names, self.any_address, self.token = app, {*LOCAL, *names}, any_address, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refusal(scope, headers)
        if refused is not None:
            await _with_headers(refused, scope, receive, send)
            return
        await _with_headers(self.app, scope, _bounded(receive), send)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> ASGIApp | None:
        """The answer to a request that is not let through."""
        host = headers.get("host", "")
        if not self._known(host):
            return _no(421, "this page has another address; `--hosts` adds one")
        changes = scope["method"] not in ("GET", "HEAD")
        if changes and not _from_here(headers, host):
            return _no(403, "only the page itself may ask for that")
        if changes and headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _no(415, "the body must be JSON")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 9 or int(length) > LARGEST:
            return _no(413, f"above {LARGEST >> 10} kB")
        return self._stranger(scope, headers) if self.token else None

    def _known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self.names:
            return True
        try:
            return self.any_address and bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def _stranger(self, scope: Scope, headers: dict[str, str]) -> ASGIApp | None:
        """None for whoever has the token's cookie; whoever has the token in the link gets it."""
        name = f"sopo-{self.token[:4]}"
        if _same(_cookies(headers).get(name, ""), self.token):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["method"] != "GET" or not _same(given, self.token):
            return _no(401, "open the whole link that you were given: it ends in a token")
        entry = RedirectResponse(scope["path"] if PLAIN_PATH.fullmatch(scope["path"]) else "/", 303)
        entry.set_cookie(name, self.token, max_age=COOKIE_S, httponly=True, samesite="lax")  # strict: not after a click
        return entry


def _from_here(headers: dict[str, str], host: str) -> bool:
    """Whether a browser says that the page itself asks; what is no browser says nothing."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    return "origin" not in headers or headers["origin"] in (f"http://{host}", f"https://{host}")


def _cookies(headers: dict[str, str]) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


def _same(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())


def _no(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)


def _bounded(receive: Receive) -> Receive:
    """A body sent in pieces, without a length, ends where it becomes too long."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST:
            return {"type": "http.disconnect"}
        return message

    return bounded


async def _with_headers(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message["headers"]}
            more = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in own)]
        await send(message)

    await app(scope, receive, sending)
