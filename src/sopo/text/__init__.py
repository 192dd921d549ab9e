"""Captions as vectors: hashed words offline, and the published models behind the same face."""

from sopo.text.build import choose_text_places, text_encoder
from sopo.text.encoder import TextEmbedding, TextEncoder

__all__ = ["TextEmbedding", "TextEncoder", "choose_text_places", "text_encoder"]
