"""Arrays of images as people save them, brought to one form where they have one meaning."""

import numpy as np

from benchbench import BenchbenchError

#: Numbers of channels: grey, colour, colour with alpha.
CHANNELS = (1, 3, 4)


def channels_last(x: np.ndarray, where: str) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, C); other arrays are returned as they are. Raises BenchbenchError where both could be
    meant; images of 3 or 1 channels last were never anything else."""
    if x.ndim != 4 or x.shape[1] not in CHANNELS or x.shape[-1] in (1, 3):
        return x
    if x.shape[-1] in CHANNELS:
        raise BenchbenchError(f"{where}: images {x.shape} have their channels first or last: expected (N, H, W, C)")
    return x.transpose(0, 2, 3, 1)


def eight_bits(x: np.ndarray, where: str) -> np.ndarray:
    """uint16 over its whole range, booleans and floats in [0, 1] -> uint8; uint8 as it is. Raises BenchbenchError for
    values whose range is unknown."""
    if x.dtype == np.uint8 or not x.size:
        return x
    if x.dtype == np.bool_:
        return x.astype(np.uint8) * 255
    if x.dtype == np.uint16:
        return np.round(x / 257).astype(np.uint8)
    if x.dtype.kind == "f":
        low, high = float(x.min()), float(x.max())
        if low >= 0 and high <= 1:
            return np.round(x * 255).astype(np.uint8)
        raise BenchbenchError(f"{where}: images are {x.dtype} from {low:g} to {high:g}: expected floats in [0, 1]")
    raise BenchbenchError(
        f"{where}: images are {x.dtype}, whose range is unknown: expected uint8, uint16, bool or floats in [0, 1]"
    )
