"""What applications of this room share: bodies in, messages out, and the files of a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sopo.errors import UserError
from sopo.json_files import parse_json
from sopo.settings import shown
from sopo.viewer.page import page_script, page_style

PAGE = Path(__file__).with_name("page")
Job = Callable[[dict[str, Any]], Any]
HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><title>{title}</title>
<link rel="stylesheet" href="page.css"></head><body><noscript>This page needs its script; please allow it.</noscript>
<main id="page"></main><script src="page.js" defer></script></body></html>
"""


def page_routes(title: str, scripts: Sequence[str], styles: Sequence[str]) -> list[Route]:
    """``/`` and its two files, which are made once: no address ever becomes a path on the disk."""
    html = HTML.format(title=escape(title))
    script = page_script([PAGE / name for name in scripts])
    style = page_style([PAGE / name for name in styles])

    def answer(content: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
        async def send(request: Request) -> Response:
            return Response(content, media_type=kind)

        return send

    return [
        Route("/", answer(html, "text/html")),
        Route("/page.js", answer(script, "text/javascript")),
        Route("/page.css", answer(style, "text/css")),
    ]


def ask_route(path: str, job: Job) -> Route:
    """A POST of a JSON object, answered by ``job`` in a thread; its UserError is a message to the page."""

    async def endpoint(request: Request) -> Response:
        try:
            body = parse_json((await request.body()).decode("utf-8"), "the request")
            if not isinstance(body, dict):
                raise UserError("the request: expected an object")
            return JSONResponse(await run_in_threadpool(job, body))
        except ClientDisconnect:
            return JSONResponse({"error": "the request is too long"}, 413)
        except UnicodeDecodeError:
            return JSONResponse({"error": "the request is not UTF-8 text"}, 400)
        except UserError as error:
            return JSONResponse({"error": str(error)}, 400)

    return Route(path, endpoint, methods=["POST"])


def text_of(request: dict[str, Any], entry: str) -> str:
    """An entry of a request; UserError where it is no text."""
    value = request.get(entry)
    if not isinstance(value, str):
        raise UserError(f"{entry} is {shown(value)}: must be text")
    return value
