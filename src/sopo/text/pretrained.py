"""The text models of the published systems, through ``transformers``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sopo.device import device
from sopo.errors import UserError, reason
from sopo.text.encoder import TextEmbedding, TextEncoder, masked_mean
from sopo.text.hub import SAFE, model_folder, version_of, weights_of

USE = 1  # of a model by this file: another number where embeddings come out otherwise


@dataclass(frozen=True)
class Model:
    """A row of the table below. max_tokens includes start and end."""

    hub: str
    family: str
    width: int
    max_tokens: int


MODELS = {
    "clip-vit-b32": Model("openai/clip-vit-base-patch32", "clip", 512, 77),  # MoMask
    "clip-vit-b32-22": Model("openai/clip-vit-base-patch32", "clip", 512, 22),  # MDM cuts after 20 + 2 tokens
    "clip-vit-l14": Model("openai/clip-vit-large-patch14", "clip", 768, 77),  # MLD
    "distilbert": Model("distilbert/distilbert-base-uncased", "bert", 768, 512),  # TMR, MDM-BERT
    "sentence-t5-large": Model("sentence-transformers/sentence-t5-large", "sentence", 768, 256),  # MLD*
}


class PretrainedEncoder(TextEncoder):
    """One of ``MODELS``, found by ``sopo.text.hub.model_folder`` on first use; it runs on the device.

    clip: tokens = last hidden states from start to end token, pooled = projected end token, not normalised.
    bert: tokens with [CLS] and [SEP], pooled = their mean. sentence: one unit-norm vector, as its only token.
    Raises UserError on first use if the package or the weights are missing.
    """

    def __init__(self, name: str, models: Path | None = None) -> None:
        self.name, self._models = name, models
        self._spec = MODELS[name]
        self.width = self._spec.width
        self._folder: Path | None = None
        self._loaded: tuple[Any, Any] | None = None

    def version(self) -> str:
        return f"{USE}-{version_of(self._found())}"

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        self._loaded = self._loaded or self._load()
        tokenizer, model = self._loaded
        with torch.no_grad():
            if self._spec.family == "sentence":
                pooled = model.encode(list(texts), convert_to_tensor=True, show_progress_bar=False)
                pooled = pooled.float().cpu()
                return TextEmbedding(pooled[:, None], torch.ones(len(texts), 1, dtype=torch.bool), pooled)
            limits = {"padding": True, "truncation": True, "max_length": self._spec.max_tokens}
            inputs = tokenizer(list(texts), return_tensors="pt", **limits).to(device())
            mask: Tensor = inputs["attention_mask"].bool()
            out = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
            tokens = out.last_hidden_state * mask[:, :, None]
            pooled = out.text_embeds if self._spec.family == "clip" else masked_mean(tokens, mask)
        return TextEmbedding(tokens, mask, pooled).to("cpu")

    def _found(self) -> Path:
        self._folder = self._folder or model_folder(self._spec.hub, self._models)
        return self._folder

    def _load(self) -> tuple[Any, Any]:
        """(tokenizer, model) in eval mode, float32. Nothing that a ``pytorch_model.bin`` holds is executed."""
        spec = self._spec
        only: dict[str, Any] = {"local_files_only": True}
        try:
            folder = str(self._found())
            weights: dict[str, Any] = {
                "use_safetensors": weights_of(self._found()) == self._found() / SAFE,
                "weights_only": True,
            }
            if spec.family == "sentence":
                from sentence_transformers import SentenceTransformer

                return None, SentenceTransformer(folder, device=str(device()), model_kwargs=weights, **only)
            from transformers import AutoModel, AutoTokenizer, CLIPTextModelWithProjection

            network = CLIPTextModelWithProjection if spec.family == "clip" else AutoModel
            tokenizer = AutoTokenizer.from_pretrained(folder, **only)
            model: Any = network.from_pretrained(folder, dtype=torch.float32, **weights, **only)
            return tokenizer, model.to(device()).eval()
        except UserError:
            raise
        except ImportError as error:
            need = f"{self.name} needs the package {error.name}"
            raise UserError(f"{need}: pip install 'sopo[published]'") from error
        # Of damaged files the libraries raise nearly anything.
        except Exception as error:
            again = f"hf download {spec.hub} --local-dir {self._folder}"
            raise UserError(f"{self._folder}: not a usable {spec.hub} ({reason(error)}); {again}") from error
