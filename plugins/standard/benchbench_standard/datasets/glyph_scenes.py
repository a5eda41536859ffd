from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from fontTools import unicodedata
from PIL import Image, ImageDraw
from pydantic import Field

from benchbench import ClassSplit, Dataset, Rng, Sample, SampleTable
from benchbench_standard.datasets.fonts import LICENCE, Renderer, coverage, font_files

#: Letters of the scripts on which `Glyphs` is tested: Hebrew, Georgian and Tifinagh, two of each.
LETTERS = (0x05D0, 0x05E9, 0x10D7, 0x10E6, 0x2D36, 0x2D59)
#: Ink above this is the letter; what is paler is its blurred edge.
INK = 96


class GlyphScenes(Dataset):
    """Letters of several sizes on cluttered backgrounds, with exact boxes and masks: a target for detection and
    segmentation that needs no download. There are `scenes` of `size` pixels a side; each holds up to `most` letters of
    six kinds, apart from each other, and strokes, rings and noise that are none."""

    licence = LICENCE
    homepage = "https://dejavu-fonts.github.io"
    object_names = tuple(f"{unicodedata.script(chr(code))}/U+{code:04X}" for code in LETTERS)

    def __init__(
        self,
        *,
        size: Annotated[int, Field(ge=32)] = 64,
        scenes: Annotated[int, Field(ge=3)] = 160,
        most: Annotated[int, Field(ge=1)] = 4,
    ):
        self.size, self.scenes, self.most = size, scenes, most

    def sources(self, root: Path | None) -> list[Path]:
        """The font files."""
        return font_files()

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every scene, drawn from its number alone."""
        covered = coverage(self.sources(root))
        plain = Renderer(self.size)
        inks = [[ink for font in covered[code] if (ink := plain.plain(code, font)).size] for code in LETTERS]
        for number in range(self.scenes):
            yield self._scene(number, inks)

    def split(self, table: SampleTable) -> ClassSplit:
        """All scenes are one class of images, for testing; protocols divide them."""
        return ClassSplit(test=(0,))

    def _scene(self, number: int, inks: list[list[np.ndarray]]) -> Sample:
        state = Rng("scene", number).numpy
        x, mask = _clutter(state, self.size), np.zeros((self.size, self.size), np.uint8)
        boxes: list[list[float]] = []
        for place in range(state.randint(1, self.most + 1)):
            kind = state.randint(len(LETTERS))
            side = round(self.size * state.uniform(0.25, 0.45))
            ink = inks[kind][state.randint(len(inks[kind]))]
            letter = Renderer(side).varied(ink, f"scene {number}/{place}")[0]
            top, left = state.randint(self.size - side + 1, size=2)
            brightness = state.uniform(0.65, 1)
            window = (slice(top, top + side), slice(left, left + side))
            drawn = letter > INK
            ys, xs = np.nonzero(drawn)
            # Too near to another, or nothing of it drawn: the scene has a letter less.
            if mask[window].any() or len(ys) < 12:
                continue
            x[window] = np.maximum(x[window], letter * brightness)
            mask[window][drawn] = 1 + kind
            boxes.append([kind, left + xs.min(), top + ys.min(), left + xs.max() + 1, top + ys.max() + 1])
        image = np.clip(x + state.normal(0, 8, x.shape), 0, 255).astype(np.uint8)
        return Sample(image[None], "scene", boxes=np.array(boxes, np.float32).reshape(-1, 5), mask=mask)


def _clutter(state: np.random.RandomState, size: int) -> np.ndarray:
    """A background (size, size): a slope of grey with pale strokes and rings."""
    slope = np.linspace(0, state.uniform(20, 70), size)
    across, down = np.meshgrid(slope, slope if state.randint(2) else np.zeros(size))
    image = Image.fromarray((across + down).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(state.randint(3, 9)):
        (x0, x1), (y0, y1) = np.sort(state.randint(size, size=2)), state.randint(size, size=2)
        grey, width = int(state.randint(40, 130)), int(state.randint(1, 3))
        if state.randint(2):
            pen.line([int(x0), int(y0), int(x1), int(y1)], grey, width)
        else:
            low, high = sorted((int(y0), int(y1)))
            pen.ellipse([int(x0), low, int(x1), high], outline=grey, width=width)
    return np.asarray(image, np.float64).copy()
