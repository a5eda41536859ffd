"""Annotated photographs at one size: boxes and masks shrink with their image."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchbench import Sample, pixels, read_picture


def photograph(path: Path, size: int, file: str, boxes: np.ndarray, mask: Image.Image | np.ndarray | None) -> Sample:
    """A sample of size x size pixels, whatever the image's shape. boxes (n, 5) are in pixels as the file at `path` has
    them; a mask keeps its values, the nearest pixel's."""
    image = read_picture(path, upright=False)
    scale = np.array([1, *(size / side for side in image.size * 2)])
    x = pixels(image, size)
    if mask is not None:
        if isinstance(mask, np.ndarray):
            mask = Image.fromarray(mask)
        mask = np.asarray(mask.resize((size, size), Image.Resampling.NEAREST)).astype(np.uint8)
    return Sample(x, "scene", file, (boxes.reshape(-1, 5) * scale).astype(np.float32), mask)
