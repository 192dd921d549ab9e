"""Drawing in metres: a picture that is drawn large and taken small, so that its edges are smooth."""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK, SOFT, FLOOR = "#1d1c1a", "#68655e", "#d9d5cb"
LARGER = 3  # times, while drawn
MOST_LINES = 4  # of lettering; what is longer ends in an ellipsis


class Canvas:
    """White paper from ``low`` to ``high`` [2], metres to the right and up, at ``scale`` pixels a metre."""

    def __init__(self, low: tuple[float, float], high: tuple[float, float], scale: float) -> None:
        self.width, self.height = (2 * round(scale * (b - a) / 2) for a, b in zip(low, high, strict=True))
        self._picture = Image.new("RGB", (self.width * LARGER, self.height * LARGER), "white")
        self._pen = ImageDraw.Draw(self._picture)
        self._scale = scale * LARGER
        self._corner = np.array((low[0], high[1]))

    def line(self, points: np.ndarray, width: float, colour: str) -> None:
        """Through points [N, 2], ``width`` metres wide, with round joints and ends."""
        pixels, half = self._pixels(points), width * self._scale / 2
        along = np.diff(pixels, axis=0)
        aside = along[:, ::-1] * (half, -half) / np.linalg.norm(along, axis=1, keepdims=True).clip(1e-9)
        starts, ends = pixels[:-1], pixels[1:]
        for corners in np.stack((starts + aside, ends + aside, ends - aside, starts - aside), axis=1):
            self._pen.polygon(corners.ravel().tolist(), fill=colour)
        for point in points:
            self.disc(point, width / 2, colour)

    def segments(self, pairs: np.ndarray, colour: str) -> None:
        """Straight lines between pairs of points [N, 2, 2], a pixel wide."""
        for ends in self._pixels(pairs):
            self._pen.line(ends.ravel().tolist(), fill=colour, width=LARGER)

    def disc(self, centre: np.ndarray, radius: float, colour: str) -> None:
        """A filled circle around ``centre`` [2]."""
        x, y = self._pixels(centre).tolist()
        reach = radius * self._scale
        self._pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)

    def finished(self) -> Image.Image:
        """The picture in its own size."""
        return self._picture.reduce(LARGER)

    def _pixels(self, points: np.ndarray) -> np.ndarray:
        return (points - self._corner) * (self._scale, -self._scale)


def lettering(text: str, width: int, size: int, colour: str = INK, middle: bool = True) -> Image.Image:
    """``text`` on white, ``width`` pixels wide and as high as its lines, at most ``MOST_LINES``; any text will do."""
    font = _font(size)
    lines = _wrapped(printable(text), width - size, font)
    picture = Image.new("RGB", (width, 2 * round((len(lines) * 1.25 + 0.5) * size / 2)), "white")
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        x, anchor = (width / 2, "ma") if middle else (size / 2, "la")
        pen.text((x, size * (0.25 + 1.25 * number)), line, fill=colour, font=font, anchor=anchor)
    return picture


def printable(text: str) -> str:
    """``text`` on one line: blanks for what has no shape (tabs, line ends, control characters), one at a time."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def stacked(*parts: Image.Image) -> Image.Image:
    """Pictures one below the other on white."""
    whole = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return whole


def overlaid(ground: Image.Image, picture: Image.Image) -> Image.Image:
    """``picture`` at the upper left of a copy of ``ground``."""
    whole = ground.copy()
    whole.paste(picture, (0, 0))
    return whole


def beside(*parts: Image.Image) -> Image.Image:
    """Pictures in a row on white, all on one ground."""
    whole = Image.new("RGB", (sum(part.width for part in parts), max(part.height for part in parts)), "white")
    left = 0
    for part in parts:
        whole.paste(part, (left, whole.height - part.height))
        left += part.width
    return whole


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """Lines that fit into ``width`` pixels; words too long for a line are broken."""
    lines: list[str] = []
    while text and len(lines) < MOST_LINES:
        fits = _fitting(text, width, font)
        cut = fits if fits == len(text) else text.rfind(" ", 1, fits + 1)
        lines.append(text[: cut if cut > 0 else fits])
        text = text[len(lines[-1]) :].lstrip()
    if text:
        lines[-1] = lines[-1][: _fitting(lines[-1], width - round(font.getlength(" …")), font)] + " …"
    return lines


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont) -> int:
    """How many of the first characters fit into ``width`` pixels, at least one."""
    return 1 + bisect_left(range(2, len(text) + 1), True, key=lambda count: font.getlength(text[:count]) > width)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings: found without importing matplotlib, which takes a second."""
    place = find_spec("matplotlib")
    assert place and place.origin
    return ImageFont.truetype(Path(place.origin).with_name("mpl-data") / "fonts/ttf/DejaVuSans.ttf", size)
