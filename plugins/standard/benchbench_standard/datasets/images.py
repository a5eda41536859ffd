"""Reading image files."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchbench import BenchbenchError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif"}


def read_image(path: Path, size: int, grey: bool) -> np.ndarray:
    """The image as uint8 (C, size, size), one channel where `grey`, resized with antialiasing where needed. Raises
    BenchbenchError that names a missing or corrupt file."""
    try:
        with Image.open(path) as image:
            x = np.asarray(fitted(image.convert("L" if grey else "RGB"), size))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise BenchbenchError(f"image file {path} cannot be read: {error}") from None
    return x[None] if grey else np.ascontiguousarray(x.transpose(2, 0, 1))


def fitted(image: Image.Image, size: int) -> Image.Image:
    """The image in size x size pixels; Pillow's resizing widens its kernel where it shrinks, so nothing aliases."""
    return image if image.size == (size, size) else image.resize((size, size), Image.Resampling.BICUBIC)


def image_files(folder: Path) -> list[Path]:
    """Every image file below a folder, sorted; hidden files and folders are passed over."""
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    return [folder / p for p in sorted(found) if not any(part.startswith(".") for part in p.parts)]
