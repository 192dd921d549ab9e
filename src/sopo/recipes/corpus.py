"""The procedural corpus as a recipe's own data."""

from __future__ import annotations

from pathlib import Path

from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.device import state
from sopo.training.progress import progress


def made_corpus(folder: Path, config: CorpusConfig) -> Path:
    """``folder``, with the corpus made in it if an earlier call has not done so."""
    if not folder.is_dir() and state().is_main_process:
        with progress("making the corpus") as report:
            make_corpus(folder, config, report)
    state().wait_for_everyone()
    return folder
