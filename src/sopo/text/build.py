"""Names of text encoders -> text encoders."""

from __future__ import annotations

from pathlib import Path

from sopo.errors import UserError
from sopo.settings import shown
from sopo.text.cache import CachedEncoder
from sopo.text.encoder import TextEncoder
from sopo.text.hashed import hashed_words
from sopo.text.pretrained import MODELS, PretrainedEncoder


def text_encoder(name: str, models: Path | None = None, cache: Path | None = None) -> TextEncoder:
    """The encoder of that name: ``hashed-WIDTH`` (offline), or a pretrained one, wrapped in a cache.

    models: folder that holds downloaded models, else the hub's own cache is read. cache: folder for
    embeddings on disk, else they are kept in memory only. Raises UserError on an unknown name.
    """
    if hashed := hashed_words(name):
        return hashed
    if name in MODELS:
        return CachedEncoder(PretrainedEncoder(name, models), cache)
    raise UserError(f"no text encoder is called {shown(name)}: choose hashed-WIDTH (hashed-256), {', '.join(MODELS)}")
