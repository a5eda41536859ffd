"""What a learner sees, drawn for people: sheets of classes and of episodes, of pictures (PNG) or of lines of text
(Markdown)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchbench.data.prepare import Prepared
from benchbench.data.splits import PARTS, class_index
from benchbench.episodes.fixed import EpisodeIndex

PAPER, INK, FAINT = (255, 255, 255), (30, 30, 30), (125, 125, 125)
SUPPORT, QUERY = (31, 119, 180), (190, 190, 190)
#: In pixels: a picture's longer side, the gap between pictures, the sheet's margin, the maximum width of the column of
#: names, the gap between support and queries.
PICTURE, GAP, MARGIN, NAMES, ASIDE = 64, 8, 20, 210, 18
#: The most classes of a part, evenly spread, and the most images of a class.
CLASSES, IMAGES = 12, 12


class _Pictures:
    """Rows of pictures under headings, from top to bottom, with extra space after `aside` columns."""

    def __init__(self, data: Prepared, names: Sequence[str], columns: int, aside: int | None = None):
        self.data = data
        height, width = _shown(data, 0).shape[1:]
        # Small pictures grow by a whole factor, so that pixels stay square; large ones shrink.
        scale = max(1, PICTURE // max(height, width)) if max(height, width) <= PICTURE else PICTURE / max(height, width)
        self.cell = (round(width * scale), round(height * scale))
        self.aside = aside
        self.text = ImageFont.load_default(14)
        self.title = ImageFont.load_default(19)
        self.strips: list[Image.Image] = []
        self.names = min(NAMES, round(max(map(self.text.getlength, names), default=0)) + 16)
        # Wide enough for a heading, however few the pictures are.
        self.width = max(560, self._left(columns) + MARGIN)

    def _left(self, column: int) -> int:
        aside = ASIDE if self.aside is not None and column >= self.aside else 0
        return MARGIN + self.names + column * (self.cell[0] + GAP) + aside

    def heading(self, text: str, *, large: bool = False) -> None:
        font = self.title if large else self.text
        strip = self._strip(34 if large else 28)
        ImageDraw.Draw(strip).text((MARGIN, 6), text, INK if large else FAINT, font)

    def row(self, name: str, rows: Iterable[tuple[int, tuple[int, int, int] | None]]) -> None:
        """A name and its pictures: rows of the table, each with the colour of its frame."""
        strip = self._strip(self.cell[1] + GAP)
        draw = ImageDraw.Draw(strip)
        draw.text((MARGIN, self.cell[1] / 2), self._shortened(name), INK, self.text, anchor="lm")
        for column, (row, frame) in enumerate(rows):
            left = self._left(column)
            if frame is not None:
                draw.rectangle((left - 3, 0, left + self.cell[0] + 2, self.cell[1] + 5), frame)
            strip.paste(self._picture(row), (left, 3))

    def save(self, path: Path) -> None:
        """Write the sheet as PNG."""
        height = 2 * MARGIN + sum(strip.height for strip in self.strips)
        sheet = Image.new("RGB", (self.width, height), PAPER)
        top = MARGIN
        for strip in self.strips:
            sheet.paste(strip, (0, top))
            top += strip.height
        sheet.save(path, "png")

    def _strip(self, height: int) -> Image.Image:
        strip = Image.new("RGB", (self.width, height), PAPER)
        self.strips.append(strip)
        return strip

    def _picture(self, row: int) -> Image.Image:
        x = _shown(self.data, row).transpose(1, 2, 0)
        image = Image.fromarray(x[..., 0] if x.shape[2] == 1 else x).convert("RGB")
        grows = self.cell[0] >= image.width
        return image.resize(self.cell, Image.Resampling.NEAREST if grows else Image.Resampling.BICUBIC)

    def _shortened(self, name: str) -> str:
        while self.text.getlength(name) > self.names - 12:
            name = name.removesuffix("…")[:-1] + "…"
        return name


class _Lines:
    """The same as lines of Markdown."""

    def __init__(self, data: Prepared):
        self.data = data
        self.lines: list[str] = []

    def heading(self, text: str, *, large: bool = False) -> None:
        self.lines += [f"{'#' if large else '##'} {text}", ""]

    def row(self, name: str, rows: Iterable[tuple[int, tuple[int, int, int] | None]]) -> None:
        """A name and its samples; those of a support set in bold."""
        self.lines += [f"**{name}**", ""]
        for row, frame in rows:
            shown = " ".join(str(_shown(self.data, row)).split()).replace("`", "'")
            self.lines.append(f"- {'**support** ' if frame == SUPPORT else ''}`{shown}`")
        self.lines.append("")

    def save(self, path: Path) -> None:
        """Write the lines as Markdown."""
        path.write_text("\n".join(self.lines), "utf-8")


def suffix(data: Prepared) -> str:
    """What a sheet of a dataset is written as: ``.png``, or ``.md`` where its samples are no pictures."""
    return ".md" if isinstance(_shown(data, 0), str) else ".png"


def _shown(data: Prepared, row: int) -> Any:
    return data.modality.shown(np.asarray(data.table.x[row]), data.raw)


def _sheet(data: Prepared, names: Sequence[str], columns: int, aside: int | None = None) -> _Pictures | _Lines:
    return _Lines(data) if suffix(data) == ".md" else _Pictures(data, names, columns, aside)


def class_sheet(data: Prepared, path: Path) -> None:
    """Draw some classes of each part of a dataset's split, evenly spread, with some of their samples."""
    parts = {part: data.split.part(part) for part in PARTS}
    shown = {part: [classes[i] for i in _spread(len(classes), CLASSES)] for part, classes in parts.items() if classes}
    sheet = _sheet(data, [data.table.class_names[c] for chosen in shown.values() for c in chosen], IMAGES)
    shape = "x".join(map(str, data.table.shape)) + (" tokens" if data.table.tokens else "")
    sheet.heading(f"{data.name}: {len(data.table):,} {_what(data)} of {shape}", large=True)
    for part, chosen in shown.items():
        some = "" if len(chosen) == len(parts[part]) else f", {len(chosen)} of them"
        sheet.heading(f"{part}: {len(parts[part]):,} classes{some}")
        for c, rows in zip(chosen, class_index(data.table.labels, chosen), strict=True):
            sheet.row(data.table.class_names[c], [(int(rows[i]), None) for i in _spread(len(rows), IMAGES)])
    sheet.save(path)


def episode_sheet(data: Prepared, part: str, episode: EpisodeIndex, about: str, path: Path) -> None:
    """Draw an episode of a part, one row per class: the support set, then the queries. A learner gets
    the queries in random order and without labels; here they are beside their class."""
    support, query = (
        [rows[labels == way] for way in range(len(episode.classes))]
        for rows, labels in ((episode.support, episode.support_y), (episode.query, episode.query_y))
    )
    shots, queries = (min(IMAGES, max(map(len, sets))) for sets in (support, query))
    classes = data.split.part(part)
    names = [data.table.class_names[classes[int(position)]] for position in episode.classes]
    sheet = _sheet(data, names, shots + queries, aside=shots)
    sheet.heading(f"{data.name} ({part}): {about}", large=True)
    mark = ", framed in blue," if suffix(data) == ".png" else ""
    sheet.heading(f"support{mark} then queries, beside the class that the learner has to find")
    for way, name in enumerate(names):
        sheet.row(name, [*_framed(support[way], SUPPORT), *_framed(query[way], QUERY)])
    sheet.save(path)


def _what(data: Prepared) -> str:
    return "images" if suffix(data) == ".png" else "samples"


def _framed(rows: Sequence[int], frame: tuple[int, int, int]) -> list[tuple[int, tuple[int, int, int]]]:
    return [(int(row), frame) for row in rows[:IMAGES]]


def _spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` of the first `count` numbers, evenly spread."""
    return np.linspace(0, count - 1, min(count, wanted)).round().astype(int).tolist()
