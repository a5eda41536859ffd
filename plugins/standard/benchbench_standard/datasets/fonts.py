"""Characters drawn with the fonts that matplotlib ships: real shapes that need no download."""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

import matplotlib
import numpy as np
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchbench import Rng, Sample

#: A character is drawn this large, then brought to its final size.
CANVAS = 84


def font_files() -> list[Path]:
    """The bundled fonts that hold many scripts or symbols, in a stable order."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return sorted(p for pattern in ("DejaVu*.ttf", "STIXGeneral*.ttf") for p in folder.glob(pattern))


def coverage(files: Iterable[Path]) -> dict[int, list[Path]]:
    """Code point -> the fonts that draw it."""
    covered: dict[int, list[Path]] = {}
    for path in files:
        with TTFont(path, lazy=True) as font:
            for code in font.getBestCmap():
                covered.setdefault(code, []).append(path)
    return covered


class Renderer:
    """Draws characters with a seeded variation of face, stroke, turn, scale, shear and place."""

    def __init__(self, size: int):
        self.size = size
        self._fonts: dict[Path, ImageFont.FreeTypeFont] = {}

    def plain(self, code: int, font: Path) -> np.ndarray:
        """The character as the font has it, cut to its ink: uint8 (h, w), empty where it draws nothing."""
        if font not in self._fonts:
            self._fonts[font] = ImageFont.truetype(str(font), 60, layout_engine=ImageFont.Layout.BASIC)
        image = Image.new("L", (160, 160))
        ImageDraw.Draw(image).text((50, 40), chr(code), 255, self._fonts[font])
        box = image.getbbox()
        return np.asarray(image.crop(box)) if box else np.empty((0, 0), np.uint8)

    def varied(self, ink: np.ndarray, name: str) -> np.ndarray:
        """A sample of a character, from its ink and a seed's name: uint8 (1, size, size), ink 255."""
        state = Rng("glyph", name).numpy
        side = max(ink.shape)
        scale = CANVAS * state.uniform(0.55, 0.85) / side
        angle, shear = np.deg2rad(state.uniform(-18, 18)), state.uniform(-0.25, 0.25)
        stretch = np.exp(state.uniform(-0.2, 0.2))
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = matrix @ np.array([[1, shear], [0, 1]]) @ np.diag([scale * stretch, scale / stretch])
        inverse = np.linalg.inv(matrix)
        shift = CANVAS / 2 + state.uniform(-0.08, 0.08, 2) * CANVAS
        offset = np.array(ink.shape[::-1]) / 2 - inverse @ shift
        data = (*inverse[0], offset[0], *inverse[1], offset[1])
        image = Image.fromarray(ink).transform((CANVAS, CANVAS), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
        stroke = state.randint(3)
        if stroke == 1:
            image = image.filter(ImageFilter.MaxFilter(5))
        elif stroke == 2:
            image = image.filter(ImageFilter.MaxFilter(3))
        return np.asarray(image.resize((self.size, self.size), Image.Resampling.BOX))[None]


def distinct(codes: Iterable[int], covered: dict[int, list[Path]], renderer: Renderer) -> Iterator[int]:
    """The characters that draw something and look like no earlier one in their first font; a letter with an accent is
    left to its base letter."""
    seen: set[str] = set()
    for code in codes:
        if len(unicodedata.normalize("NFKD", chr(code))) > 1:
            continue
        ink = renderer.plain(code, covered[code][0])
        look = hashlib.sha256(np.array(ink.shape).tobytes() + ink.tobytes()).hexdigest()
        if ink.size and look not in seen:
            seen.add(look)
            yield code


def draw(
    classes: dict[str, int], covered: dict[int, list[Path]], size: int, per_class: int
) -> Iterator[Sample]:
    """`per_class` samples of each class, faces in turn; class name -> code point."""
    renderer = Renderer(size)
    for name, code in classes.items():
        inks = [ink for font in covered[code] if (ink := renderer.plain(code, font)).size]
        for i in range(per_class):
            yield Sample(renderer.varied(inks[i % len(inks)], f"{name}/{i}"), name)
