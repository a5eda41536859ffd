"""Reading image files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from benchbench import BenchbenchError, pixels, read_picture


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A mask's file, open as it is stored; pictures are read by `benchbench.read_picture`. Raises BenchbenchError that
    names a missing or corrupt one, on opening or decoding."""
    try:
        with Image.open(path) as image:
            yield image
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise BenchbenchError(f"image file {path} cannot be read: {error}") from None


def read_image(path: Path, size: int, grey: bool) -> np.ndarray:
    """The image as uint8 (C, size, size), one channel where `grey`, resized with antialiasing where needed. Raises
    BenchbenchError that names a missing or corrupt file."""
    return pixels(read_picture(path, grey=grey), size)


def resized(x: np.ndarray, size: int) -> np.ndarray:
    """Decoded pixels uint8 (H, W) or (H, W, 3) -> (C, size, size)."""
    return pixels(Image.fromarray(x), size)
