"""Images as they are in record files: encoded bytes."""

import io

import numpy as np
from PIL import Image

from benchbench.data.images import pixels, read_picture
from benchbench.errors import BenchbenchError


def encode_png(x: np.ndarray) -> bytes:
    """x uint8 (C, H, W), grey or RGB -> a PNG's bytes: lossless, and readers of JPEG records recognise it by its first
    bytes. Raises BenchbenchError for any other number of channels."""
    if len(x) not in (1, 3):
        raise BenchbenchError(f"images of {len(x)} channels cannot be written: expected 1 or 3")
    out = io.BytesIO()
    Image.fromarray(x[0] if len(x) == 1 else np.ascontiguousarray(x.transpose(1, 2, 0))).save(out, "PNG")
    return out.getvalue()


def decode_picture(data: bytes, size: int, grey: bool, where: str) -> np.ndarray:
    """Encoded bytes -> uint8 (C, size, size), one channel if `grey`; resized with antialiasing if needed. `where` names
    the bytes in the BenchbenchError raised if they are not an image. They are read as by `benchbench.read_picture`."""
    return pixels(read_picture(data, grey=grey, where=where), size)
