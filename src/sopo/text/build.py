"""Names of text encoders -> text encoders."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sopo.errors import UserError
from sopo.settings import shown
from sopo.text.cache import CachedEncoder
from sopo.text.encoder import TextEncoder
from sopo.text.hashed import hashed_words
from sopo.text.pretrained import MODELS, PretrainedEncoder


@dataclass(frozen=True)
class TextPlaces:
    """models: the user's folder of text models; None: the hub's cache, or the hub. cache: of embeddings."""

    models: Path | None = None
    cache: Path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sopo" / "text"


_encoders: dict[tuple[str, TextPlaces], TextEncoder] = {}
_places = TextPlaces()


def choose_text_places(models: Path | None = None, cache: Path | None = None) -> None:
    """Have encoders that are made from now on read text models and keep embeddings there; None: the usual places."""
    global _places
    _places = TextPlaces(models, cache or TextPlaces.cache)


def text_encoder(name: str) -> TextEncoder:
    """The encoder of that name: ``hashed-WIDTH`` (offline), or a pretrained one, wrapped in a cache.

    All who ask for a pretrained one share it. Raises UserError on an unknown name.
    """
    if hashed := hashed_words(name):
        return hashed
    if name not in MODELS:
        raise UserError(
            f"no text encoder is called {shown(name)}: choose hashed-WIDTH (hashed-256), {', '.join(MODELS)}"
        )
    if (key := (name, _places)) not in _encoders:
        _encoders[key] = CachedEncoder(PretrainedEncoder(name, _places.models), _places.cache)
    return _encoders[key]
