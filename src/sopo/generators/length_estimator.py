"""How long a described motion is: MoMask's length estimator."""

from __future__ import annotations

from torch import Tensor, nn

from sopo.errors import UserError
from sopo.generators.settings import LengthEstimatorConfig
from sopo.nn.gumbel import pick
from sopo.pretrained import Pretrained
from sopo.randomness import Draws
from sopo.text.encoder import TextEmbedding

FOLDER = "lengths"  # inside the folder of the generator that it belongs to


class LengthEstimator(Pretrained):
    """A pooled text vector -> logits of the number of tokens; the layers have their published names."""

    Config = LengthEstimatorConfig
    kind = "momask-length"

    def __init__(self, config: LengthEstimatorConfig) -> None:
        super().__init__()
        self.config = config
        self.output = nn.Sequential(
            *_layer(config.text_width, 512),
            nn.Dropout(0.2),
            *_layer(512, 256),
            nn.Dropout(0.2),
            *_layer(256, 128),
            nn.Linear(128, config.classes),
        )

    def forward(self, pooled: Tensor) -> Tensor:
        """[N, E] -> logits [N, classes]."""
        return self.output(pooled)

    def sample(self, text: TextEmbedding, draws: Draws) -> Tensor:
        """[N] frames, drawn from the predicted distribution; UserError if the text is another encoder's."""
        if text.pooled.shape[-1] != self.config.text_width:
            width = text.pooled.shape[-1]
            raise UserError(f"the length estimator reads texts of {self.config.text_width} numbers, not of {width}")
        return pick(self(text.pooled), draws.uniform(self.config.classes)) * self.config.frames_per_token


def _layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.LeakyReLU(0.2)
