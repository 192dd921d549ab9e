"""The procedural corpus as a recipe's own data."""

from __future__ import annotations

from pathlib import Path

from sopo.corpus.write import CorpusConfig, make_corpus
from sopo.training.progress import progress

# What alignment learns from: clips that the shipped generators know, without the wrong captions that they met among
# theirs. A real motion is preferred to a sample, so its caption had better be true of it (docs/objectives.md).
ALIGNMENT_CORPUS = CorpusConfig(wrong_share=0.0)


def made_corpus(folder: Path, config: CorpusConfig) -> Path:
    """``folder``, with the corpus made in it if an earlier call has not done so."""
    if not folder.is_dir():
        with progress("making the corpus") as report:
            make_corpus(folder, config, report)
    return folder
