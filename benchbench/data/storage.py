"""How the numbers of a table travel: its rows as tensors, whatever they show."""

import numpy as np
import torch
from torch import Tensor

#: What a table may hold, and the dtype of a sample as `benchbench.SampleSpec` names it.
STORAGES = {"uint8": "float32", "uint16": "int64", "float32": "float32"}
# Made once: comparing with a type makes one each time.
_BYTES, _VALUES = np.dtype(np.uint8), np.dtype(np.float32)
#: The most tokens that a table tells apart, with padding and hidden ones.
MOST_TOKENS = 1 << 16


def read(x: np.ndarray, device: torch.device) -> Tensor:
    """Rows of a table (N, *shape) on a device: bytes as floats in [0, 1], ids as int64, values as floats as they
    are. Conversion happens on the device."""
    if x.dtype == _BYTES:
        if device.type == "cpu":
            # One pass over the bytes instead of torch's two; the quotients are the same.
            return torch.from_numpy(np.divide(x, 255, dtype=torch.empty(0).numpy().dtype, order="C"))
        return torch.from_numpy(np.ascontiguousarray(x)).to(device).to(torch.get_default_dtype()).div_(255)
    if x.dtype == _VALUES:
        return torch.from_numpy(np.ascontiguousarray(x)).to(device).to(torch.get_default_dtype())
    return torch.from_numpy(x.astype(np.int64)).to(device)
