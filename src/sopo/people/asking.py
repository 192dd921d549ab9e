"""The application of ``sopo label serve``: whoever gives a name is asked one pair after the other.

The page is told captions and motions; never sources, file names, or which question is a test or a repeat.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp

from sopo.errors import UserError
from sopo.people.answers import ask_route, page_routes, text_of
from sopo.people.store import Question
from sopo.people.study import Study
from sopo.settings import shown
from sopo.viewer.page import body

LONGEST_S = 1e9  # of an answer; the store bounds it by the clock
TITLE = "Which one shows it better?"


def application(study: Study) -> ASGIApp:
    """``/begin``, ``/answer`` and ``/undo``, each answered by what comes next; and the page."""
    store, skeleton = study.store, body(study.skeleton)

    def told(name: str, question: Question | None) -> dict[str, Any]:
        asked: dict[str, Any] | None = None
        if question is not None:
            motions = dict(zip(("Left", "Right"), map(study.drawable, question.motions), strict=True))
            asked = {"id": question.id, "caption": question.caption, "motions": motions}
        return {"name": name, "question": asked, "progress": dataclasses.asdict(store.progress(name))}

    def begin(request: dict[str, Any]) -> dict[str, Any]:
        name = _name(study, request)
        return {**told(name, store.ask(name)), "skeleton": skeleton}

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        name, question, seconds = _name(study, request), request.get("question"), request.get("seconds")
        if type(question) is not int or not 0 < question < 2**63:
            raise UserError(f"the question is {shown(question)}: must be its number")
        if not isinstance(seconds, int | float) or not abs(seconds) <= LONGEST_S:
            raise UserError(f"seconds is {shown(seconds)}: must be a number")
        with store.change():  # one wait for the disk
            store.answer(name, question, text_of(request, "answer"), float(seconds))
            following = store.ask(name)
        return told(name, following)

    def undo(request: dict[str, Any]) -> dict[str, Any]:
        name = _name(study, request)
        return {"undone": store.undo(name), **told(name, store.ask(name))}

    jobs = {"/begin": begin, "/answer": answer, "/undo": undo}
    routes = [ask_route(path, job) for path, job in jobs.items()]
    return Starlette(routes=[*page_routes(TITLE, ["label.js"], ["label.css"]), *routes])


def _name(study: Study, request: dict[str, Any]) -> str:
    return study.store.begin(text_of(request, "name"))
