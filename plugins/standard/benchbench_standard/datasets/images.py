"""Reading image files."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchbench import BenchbenchError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif"}


def read_image(path: Path, size: int, *, grey: bool) -> np.ndarray:
    """The image as uint8 (C, size, size), resized with antialiasing where needed. Raises BenchbenchError that names a
    missing or corrupt file."""
    try:
        with Image.open(path) as image:
            converted = image.convert("L" if grey else "RGB")
            if converted.size != (size, size):
                converted = converted.resize((size, size), Image.Resampling.BICUBIC)
            x = np.asarray(converted)
    except (OSError, ValueError, SyntaxError) as error:
        raise BenchbenchError(f"image file {path} cannot be read: {error}") from None
    return x[None] if grey else np.ascontiguousarray(x.transpose(2, 0, 1))


def image_files(folder: Path) -> list[Path]:
    """Every image file below a folder, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
