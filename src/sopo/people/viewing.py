"""The application of ``sopo view``: a caption in, motions of every generator out, and what people think of them."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sopo.errors import UserError
from sopo.people.answers import PAGE, ask_route, page_routes, text_of
from sopo.people.drawing import FILES, Drawer, Drawn, file_name
from sopo.people.store import Pair
from sopo.people.study import DATABASE, Study
from sopo.settings import shown
from sopo.viewer.page import body, html_text

KEPT = 64  # requests whose motions can still be chosen, downloaded and shared
WAITING = 16  # requests at a time
BOTH = ("both_good", "both_bad")
KINDS = {"bvh": "text/plain", "glb": "model/gltf-binary", "npy": "application/octet-stream"}


class Viewing:
    """What is drawn, one request after the other, and what was drawn lately."""

    def __init__(self, drawer: Drawer, study: Path) -> None:
        self.drawer, self.folder = drawer, study
        self.study = open_study(study, drawer) if (study / DATABASE).is_file() else None
        self._queue = ThreadPoolExecutor(1)
        self._lock = threading.Lock()
        self._waiting = 0
        self._kept: OrderedDict[str, Drawn] = OrderedDict()
        self._judged: set[tuple[str, str]] = set()

    def begin(self, request: dict[str, Any]) -> dict[str, Any]:
        suggestions = list(self.drawer.suggestions)
        return {"names": self.drawer.names, "suggestions": suggestions, "skeleton": body(self.drawer.skeleton)}

    def waiting(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"waiting": self._waiting}

    def draw(self, request: dict[str, Any]) -> dict[str, Any]:
        caption, seconds, seed = text_of(request, "caption"), request.get("seconds"), request.get("seed")
        if seconds is not None and type(seconds) not in (int, float):
            raise UserError(f"seconds is {shown(seconds)}: must be a number")
        if type(seed) is not int or not 0 <= seed < 2**31:
            raise UserError(f"the noise is {shown(seed)}: must be a whole number from 0 to {2**31 - 1}")
        with self._lock:
            if self._waiting >= WAITING:
                raise UserError(f"{WAITING} requests are waiting: try again in a moment")
            self._waiting += 1
        try:
            drawn = self._queue.submit(self.drawer.draw, caption, seconds, seed).result()
        finally:
            with self._lock:
                self._waiting -= 1
        id = secrets.token_hex(8)
        with self._lock:
            self._kept[id] = drawn
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return {"id": id, **self.drawer.told(drawn)}

    def choose(self, request: dict[str, Any]) -> dict[str, Any]:
        """The best of those drawn, against each other one; or of two, that both are good, or bad."""
        id, better = text_of(request, "id"), text_of(request, "better")
        drawn, names = self._find(id), self.drawer.names
        if len(names) < 2 or better not in (*names, *(BOTH if len(names) == 2 else ())):
            raise UserError(f"better is {shown(better)}: must be one of those that are shown")
        with self._lock:
            if self.study is None:
                self.study = open_study(self.folder, self.drawer)
            who = self.study.store.begin(text_of(request, "name"))
            if (id, who) in self._judged:
                raise UserError("stored already: draw another one to choose again")
            self._judged.add((id, who))
        best = names[0] if better in BOTH else better
        places = {name: self.study.save(f"view-{id}-{n}", drawn.features[name]) for n, name in enumerate(names)}
        preferred = better if better in BOTH else "a"
        pairs = [Pair(drawn.caption, places[best], places[x], best, x, wanted=0) for x in names if x != best]
        self.study.store.record((who, pair, preferred, "open") for pair in pairs)
        return {"stored": len(pairs), "study": str(self.folder)}

    def download(self, id: str, number: int, kind: str) -> tuple[bytes, str, str]:
        """A motion as a file: its content, type and name."""
        drawn, names = self._find(id), self.drawer.names
        if kind not in FILES or not 0 <= number < len(names):
            raise UserError("no such file")
        name = names[number]
        return self.drawer.file(drawn, name, kind), KINDS[kind], f"{file_name(drawn, name)}.{kind}"

    def share(self, id: str) -> tuple[bytes, str, str]:
        """All that was drawn as a page that stands alone."""
        drawn = self._find(id)
        told = {**self.drawer.told(drawn), "skeleton": body(self.drawer.skeleton)}
        page = html_text(drawn.caption, told, [PAGE / "view.css"], [PAGE / "shared.js"])
        return page.encode(), "text/html", f"{file_name(drawn, '')}.html"

    def _find(self, id: str) -> Drawn:
        with self._lock:
            if (drawn := self._kept.get(id)) is None:
                raise UserError(f"what was drawn is not kept any more (the last {KEPT} are): draw it again")
            return drawn


def open_study(folder: Path, drawer: Drawer) -> Study:
    """The study that choices go to, made if there is none; UserError if it is of another body."""
    study = Study.make(folder, drawer.skeleton, {"origin": {"view": drawer.names}, "seed": 0, "complete": True})
    if study.skeleton != drawer.skeleton:
        raise UserError(f"{folder}: holds motions of {study.skeleton.name}; give another --study")
    return study


def application(viewing: Viewing) -> ASGIApp:
    """The page, its requests, and files to download."""

    def attachment(job: Callable[[Request], tuple[bytes, str, str]]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                content, kind, name = await run_in_threadpool(job, request)
            except UserError as error:
                return JSONResponse({"error": str(error)}, 404)
            return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})

        return endpoint

    def file(request: Request) -> tuple[bytes, str, str]:
        return viewing.download(request.path_params["id"], request.path_params["number"], request.path_params["kind"])

    jobs = {"/begin": viewing.begin, "/draw": viewing.draw, "/choose": viewing.choose, "/waiting": viewing.waiting}
    return Starlette(
        routes=[
            *page_routes("See for yourself", ["view.js"], ["view.css"]),
            *(ask_route(path, job) for path, job in jobs.items()),
            Route("/files/{id}/{number:int}.{kind}", attachment(file)),
            Route("/share/{id}.html", attachment(lambda request: viewing.share(request.path_params["id"]))),
        ]
    )
