"""Pictures -> a film: .gif with Pillow, .mp4 with the ffmpeg of imageio-ffmpeg."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from sopo.errors import UserError

SUFFIXES = (".gif", ".mp4")

Draw = Callable[[int], Image.Image]


def write_film(path: Path, draw: Draw, frames: int, fps: float) -> Path:
    """Write pictures ``draw(0)``, ``draw(1)`` ... of one size, ``fps`` a second.

    Each is drawn when its turn comes, so a film of any length takes little memory. Raises UserError if the
    suffix is neither .gif nor .mp4, or the extra for .mp4 is absent.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix.lower():
        case ".gif":
            _write_gif(path, draw, frames, fps)
        case ".mp4":
            _write_mp4(path, draw, frames, fps, encoder())
        case suffix:
            raise UserError(f"{path}: cannot film to {suffix or 'a name without suffix'!r}; use .gif or .mp4")
    return path


def encoder() -> ModuleType:
    """The package imageio-ffmpeg; UserError where it is absent."""
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise UserError(".mp4 needs the extra 'video': pip install 'sopo[video]', or choose .gif") from error
    return imageio_ffmpeg


def _write_gif(path: Path, draw: Draw, frames: int, fps: float) -> None:
    palette = _palette([draw(frame) for frame in np.linspace(0, frames - 1, min(frames, 5)).astype(int)])
    pictures = (draw(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in range(frames))
    duration = 10 * max(round(100 / fps), 2)  # a GIF counts hundredths of a second
    next(pictures).save(path, save_all=True, append_images=pictures, duration=duration, loop=0, optimize=False)


def _palette(samples: list[Image.Image]) -> Image.Image:
    """The commonest colours of some pictures, for the whole film: a palette a picture takes long, and flickers."""
    common = Counter[Any]()
    for sample in samples:
        for count, colour in sample.getcolors(sample.width * sample.height) or ():
            common[colour] += count
    chosen: dict[tuple[int, ...], tuple[int, ...]] = {}
    for colour, _ in common.most_common():
        chosen.setdefault(tuple(part // 8 for part in colour), colour)  # Pillow tells steps of 4 apart, no finer
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in list(chosen.values())[:256] for part in colour])
    return palette


def _write_mp4(path: Path, draw: Draw, frames: int, fps: float, ffmpeg: ModuleType) -> None:
    # The whole path: ffmpeg would take a dash in front for an option and a colon for a protocol.
    settings = {"codec": "libx264", "quality": None, "macro_block_size": 2}
    constant_quality = ["-crf", "18", "-movflags", "+faststart"]
    writer = ffmpeg.write_frames(str(path.resolve()), draw(0).size, fps=fps, output_params=constant_quality, **settings)
    writer.send(None)
    for frame in range(frames):
        writer.send(draw(frame).tobytes())
    writer.close()
