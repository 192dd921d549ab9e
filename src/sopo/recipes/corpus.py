"""The procedural corpus as a recipe's own data."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from sopo.corpus.write import CorpusConfig, make_corpus
from sopo.training.progress import progress

# What the shipped generators first learn from: captions as people write them, one in five with a mistake.
RAW_CORPUS = CorpusConfig(train=6000)
# What they are then tuned and aligned on: the same clips without the mistakes. A real motion is preferred to a sample,
# so its caption had better be true of it (docs/objectives.md).
ALIGNMENT_CORPUS = dataclasses.replace(RAW_CORPUS, wrong_share=0.0)


def made_corpus(folder: Path, config: CorpusConfig) -> Path:
    """``folder``, with the corpus made in it if an earlier call has not done so."""
    if not folder.is_dir():
        with progress("making the corpus") as report:
            make_corpus(folder, config, report)
    return folder
