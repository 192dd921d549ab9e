"""The shape of the house: every module imports, imports go down the floors, files stay short and told."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from sopo.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
FILES = sorted((SOURCE / "sopo").rglob("*.py"))

# A room may import the rooms of lower floors, and itself (ARCHITECTURE.md draws them).
FLOORS: tuple[tuple[str, ...], ...] = (
    ("base",),
    ("motion", "nn", "diffusion"),
    ("formats",),
    ("text", "data", "viewer", "training"),
    ("generators", "matching", "corpus", "reports"),
    ("rewards", "evaluation", "published"),
    ("preference",),
    ("recipes", "toy"),
    ("people",),
    ("api",),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
BASE = ("batch", "cards", "device", "errors", "folders", "json_files")
BASE += ("pretrained", "randomness", "settings", "weights")

# The objectives are written against contracts: what a generator or a reward is made of stays out of sight.
CONTRACTS = {"generators": "sopo.generators.generator", "rewards": "sopo.rewards.reward"}

MAX_LINES = 400


def _name(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    parts = module.split(".")
    if len(parts) == 1:  # `sopo`, the face, which imports its names when they are asked for
        return "api"
    return "base" if parts[1] in BASE else parts[1]


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


def _imports(file: Path) -> list[str]:
    """Modules of the package that ``file`` imports, anywhere in it."""
    found: list[str] = []
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import; write the full name"
            module = node.module or ""
            # `from sopo import x` and `from sopo.room import x` may name a module in x.
            names = [f"{module}.{alias.name}" for alias in node.names]
            found += [name if _is_module(name) else module for name in names]
    return [name for name in found if name.split(".")[0] == "sopo"]


def _is_module(name: str) -> bool:
    path = SOURCE.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


@pytest.fixture(params=FILES, ids=_name)
def file(request: pytest.FixtureRequest) -> Path:
    """Each source file of the package in turn."""
    path: Path = request.param
    return path


def test_imports_at_all(file: Path) -> None:
    importlib.import_module(_name(file))


def test_imports_go_down(file: Path) -> None:
    room = _room(_name(file))
    assert room in FLOOR, f"{room} has no floor: give it one here and in ARCHITECTURE.md"
    for module in _imports(file):
        other = _room(module)
        assert other == room or FLOOR[other] < FLOOR[room], f"{_name(file)} must not import {module}"


def test_objectives_know_contracts_only() -> None:
    for file in FILES:
        if _room(_name(file)) != "preference":
            continue
        for module in _imports(file):
            allowed = CONTRACTS.get(_room(module), module)
            assert module == allowed, f"{_name(file)} must not import {module}"


def test_is_short(file: Path) -> None:
    lines = len(file.read_text().splitlines())
    assert lines <= MAX_LINES, f"{_name(file)} has {lines} lines: split it"


def test_has_no_star_import(file: Path) -> None:
    stars = [
        node.lineno
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert not stars


def test_is_finished(file: Path) -> None:
    assert not re.search("TODO|FIXME|NotImplementedError", file.read_text())


def test_public_names_are_documented(file: Path) -> None:
    """Modules, and the functions and classes at their top; a method may lean on its class or its contract."""
    nodes = [node for node in _tree(file).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    bare = [node.name for node in nodes if not node.name.startswith("_") and not ast.get_docstring(node)]
    assert not bare
    assert ast.get_docstring(_tree(file)), "a module says in its first line what it is for"


def test_settings_are_in_settings(file: Path) -> None:
    """Flags are read from them: a module that holds a network would have to be imported to say what it takes."""
    nodes = [node for node in _tree(file).body if isinstance(node, ast.ClassDef)]
    configs = [node.name for node in nodes if node.name.endswith("Config")]
    assert not configs or file.name == "settings.py", f"move {configs} to {file.parent.name}/settings.py"
    module = importlib.import_module(_name(file))
    unchecked = [name for name in configs if not issubclass(getattr(module, name), Settings)]
    assert not unchecked, "a config is a sopo.settings.Settings, which checks its fields"


def test_packages_are_packages() -> None:
    """Without an __init__.py a folder is left out of a wheel."""
    for folder in {file.parent for file in FILES}:
        assert (folder / "__init__.py").is_file(), folder


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/paper.md"])
def test_pages_name_what_exists(page: str) -> None:
    """Backticked dotted names resolve, backticked and linked paths are there."""
    text = (ROOT / page).read_text()
    for name in set(re.findall(r"`(sopo(?:\.\w+)+)`", text)):
        module, attribute = name, ""
        if not _is_module(name):
            module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute or "__name__"), f"{page}: {name}"
    for path in set(re.findall(r"`((?:src|tests)/[\w/.]*)`", text)):
        assert (ROOT / path).exists(), f"{page}: {path}"
    for link in set(re.findall(r"\]\(([\w/.]+)\)", text)):
        assert (ROOT / page).parent.joinpath(link).exists(), f"{page}: {link}"
