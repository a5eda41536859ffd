"""How bytes become the samples that are trained and scored on."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from benchbench.data.storage import read


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bytes_are_divided_to_the_nearest_float(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype({np.float32: torch.float32, np.float64: torch.float64}[dtype])
    try:
        found = read(np.arange(256, dtype=np.uint8).reshape(16, 1, 16), torch.device("cpu"))
    finally:
        torch.set_default_dtype(before)
    assert found.shape == (16, 1, 16)
    assert found.is_contiguous()
    assert found.numpy().dtype == dtype
    for byte, value in enumerate(found.flatten().numpy()):
        exact = Fraction(byte, 255)
        error = abs(Fraction(float(value)) - exact)
        beside = (np.nextafter(value, dtype(-1)), np.nextafter(value, dtype(2)))
        assert all(error < abs(Fraction(float(other)) - exact) for other in beside)
