"""Characters drawn with the fonts that matplotlib ships: real shapes that need no download."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import matplotlib
import numpy as np
from fontTools import unicodedata
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

from benchbench import ClassHierarchy, ClassSplit, Rng, Sample

#: A character is drawn this large, then brought to its final size.
CANVAS = 84
#: Characters whose plain shapes, brought to one size, have a cosine similarity above this are one class: nobody can
#: tell them apart (Latin A, Greek Alpha, Cyrillic A).
SAME_LOOK = 0.95
LICENCE = "drawn here; the fonts are DejaVu (Bitstream Vera licence) and STIX (OFL)"


def font_files() -> list[Path]:
    """The bundled fonts that hold many scripts or symbols, in a stable order."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return sorted(p for pattern in ("DejaVu*.ttf", "STIXGeneral*.ttf") for p in folder.glob(pattern))


def coverage(files: Iterable[Path]) -> dict[int, list[Path]]:
    """Code point -> the fonts that draw it, code points ascending."""
    covered: dict[int, list[Path]] = {}
    for path in files:
        with TTFont(path, lazy=True) as font:
            for code in font.getBestCmap():
                covered.setdefault(code, []).append(path)
    return dict(sorted(covered.items()))


class Renderer:
    """Draws characters with a seeded variation of turn, scale, shear, place and stroke."""

    def __init__(self, size: int):
        self.size = size
        self._fonts: dict[Path, ImageFont.FreeTypeFont] = {}

    def plain(self, code: int, font: Path) -> np.ndarray:
        """The character as the font has it, cut to its ink: uint8 (h, w), empty where it draws nothing."""
        if font not in self._fonts:
            # Basic layout: the complex one depends on whether libraqm is installed.
            self._fonts[font] = ImageFont.truetype(str(font), 60, layout_engine=ImageFont.Layout.BASIC)
        image = Image.new("L", (160, 160))
        ImageDraw.Draw(image).text((50, 40), chr(code), 255, self._fonts[font])
        box = image.getbbox()
        return np.asarray(image.crop(box)) if box else np.empty((0, 0), np.uint8)

    def varied(self, ink: np.ndarray, name: str) -> np.ndarray:
        """A sample of a character, from its ink and the name of its seed: uint8 (1, size, size), ink 255."""
        state = Rng("glyph", name).numpy
        turn, shear = np.deg2rad(state.uniform(-25, 25)), state.uniform(-0.25, 0.25)
        scale = CANVAS * state.uniform(0.5, 0.85) / max(ink.shape)
        stretch = np.exp(state.uniform(-0.2, 0.2))
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        matrix = matrix @ np.array([[1, shear], [0, 1]]) @ np.diag([scale * stretch, scale / stretch])
        # Pillow wants the way back, from a place on the canvas to a place in the ink.
        inverse = np.linalg.inv(matrix)
        centre = CANVAS / 2 + state.uniform(-0.09, 0.09, 2) * CANVAS
        offset = np.array(ink.shape[::-1]) / 2 - inverse @ centre
        data = (*inverse[0], offset[0], *inverse[1], offset[1])
        image = Image.fromarray(ink).transform(
            (CANVAS, CANVAS), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR
        )
        image = _restroked(image, state.randint(4))
        return np.asarray(image.resize((self.size, self.size), Image.Resampling.BOX))[None]


def _restroked(image: Image.Image, kind: int) -> Image.Image:
    """Thicker by one or two pixels a side, thinner, or as it is."""
    if kind == 0:
        # A hairline would vanish: half of the thinning is taken back.
        return Image.blend(image, Image.fromarray(_spread(np.asarray(image), np.minimum, 1)), 0.5)
    return Image.fromarray(_spread(np.asarray(image), np.maximum, kind - 1)) if kind > 1 else image


def _spread(pixels: np.ndarray, pick: np.ufunc, times: int) -> np.ndarray:
    """The least or greatest of each pixel's 3x3 neighbourhood, `times` over. The same as Pillow's rank filters, which
    sort every neighbourhood and took a third of a drawing's time."""
    for _ in range(times):
        for axis in (0, 1):
            near = np.moveaxis(pixels.copy(), axis, 0)
            old = np.moveaxis(pixels, axis, 0)
            pick(near[1:], old[:-1], out=near[1:])
            pick(near[:-1], old[1:], out=near[:-1])
            pixels = np.moveaxis(near, 0, axis)
    return pixels


def _look(ink: np.ndarray) -> np.ndarray:
    """The shape of a character whatever its size: a unit vector of 24x24 pixels."""
    scale = 20 / max(ink.shape)
    height, width = (max(1, round(n * scale)) for n in ink.shape)
    canvas = Image.new("L", (24, 24))
    small = Image.fromarray(ink).resize((width, height), Image.Resampling.BOX)
    canvas.paste(small, ((24 - width) // 2, (24 - height) // 2))
    vector = np.asarray(canvas, np.float64).ravel()
    return vector / np.linalg.norm(vector)


def distinct(codes: Iterable[int], covered: Mapping[int, list[Path]]) -> Iterator[int]:
    """The characters that draw something and look like no earlier one. What Unicode decomposes (a letter with an
    accent, a positional or styled form) is left to its base letter."""
    renderer = Renderer(CANVAS)
    codes = list(codes)
    looks, kept = np.zeros((len(codes) + 1, 24 * 24)), 1
    for code in codes:
        character = chr(code)
        ink = renderer.plain(code, covered[code][0])
        if unicodedata.normalize("NFKD", character) != character or not ink.size:
            continue
        look = _look(ink)
        if (looks[:kept] @ look).max() <= SAME_LOOK:
            looks[kept] = look
            kept += 1
            yield code


def draw(classes: Mapping[str, int], covered: Mapping[int, list[Path]], size: int, per_class: int) -> Iterator[Sample]:
    """`per_class` samples of each class, its faces in turn; `classes` maps a class name to its code point."""
    renderer = Renderer(size)
    for name, code in classes.items():
        inks = [ink for font in covered[code] if (ink := renderer.plain(code, font)).size]
        for i in range(per_class):
            yield Sample(renderer.varied(inks[i % len(inks)], f"{name}/{i}"), name)


def split_by_first(
    names: Iterable[str], valid: Iterable[str], test: Iterable[str], *, hierarchy: bool = False
) -> ClassSplit:
    """A split by the first level of class names: `valid` and `test` as given, every other one for training. With
    `hierarchy` that level is a group, whose classes share Meta-Dataset's episodes."""
    names = list(names)
    part_of = {**dict.fromkeys(valid, "valid"), **dict.fromkeys(test, "test")}
    parts: dict[str, list[int]] = {"train": [], "valid": [], "test": []}
    for i, name in enumerate(names):
        parts[part_of.get(name.split("/")[0], "train")].append(i)
    groups = {part: sorted(names[i] for i in ids) for part, ids in parts.items()}
    return ClassSplit(
        **{part: tuple(ids) for part, ids in parts.items()},
        hierarchy=ClassHierarchy.of_levels(groups, names) if hierarchy else None,
    )
