"""The notebook runs from its first cell to its last, at a small size, and ends in a film."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
SMALL = 'STEPS, TRAIN, TEST, RUNS, DENOISING = 1, 8, 36, 1, 1\nCAPTIONS = ["a person walks", "it\'s a jump"]'


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    notebook = nbformat.read(ROOT / "examples/quickstart.ipynb", as_version=4)
    [settings] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    settings.source = SMALL
    NotebookClient(
        notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    printed = "".join(output.get("text", "") for cell in code for output in cell.outputs)
    assert [name in printed for name in ("frames:", "real ", "base ", "aligned ")] == [True] * 4
    assert "sopo:" not in printed
    assert "image/gif" in code[-1].outputs[-1].data or "image/png" in code[-1].outputs[-1].data
    assert (tmp_path / "runs/film.gif").is_file()
