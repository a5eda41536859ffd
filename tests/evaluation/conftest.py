"""Targets and encoders that protocols are tested on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchbench import Backbone, SampleSpec, Target, Trained
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared, prepare
from benchbench.encoding.task_norm import convert_norm
from benchbench_standard.backbones.pixels import Pixels
from benchbench_standard.metas.nearest_centroid import NearestCentroid
from tests.data.meta_dataset.conftest import _tree, omniglot  # noqa: F401

SAMPLE = SampleSpec("image", (1, 8, 8))


class Small(Backbone):
    """One convolution with batch norm and a linear map: enough to be tuned."""

    dim = 32

    def __init__(self, sample: SampleSpec):
        super().__init__()
        self.linear = nn.Linear(16 * 16, 32)
        self.conv = nn.Conv2d(sample.shape[0], 16, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm(self.conv(x)).relu().flatten(1)).relu()


@pytest.fixture(scope="session")
def prepared_digits() -> Prepared:
    """Digits of 8 x 8, as they come."""
    return prepare(resolve_component("dataset", "digits", {"size": 8}))


@pytest.fixture
def digits(prepared_digits: Prepared) -> Prepared:
    """The same, with labels of its own that a test may change."""
    return replace(prepared_digits, table=replace(prepared_digits.table, labels=prepared_digits.table.labels.copy()))


@pytest.fixture
def target(digits: Prepared) -> Target:
    return Target(digits, SAMPLE)


@pytest.fixture
def pixels() -> Trained:
    encoder = Pixels(SAMPLE)
    return Trained(encoder, NearestCentroid(encoder), SAMPLE)


@pytest.fixture
def small() -> Trained:
    torch.manual_seed(0)
    encoder = convert_norm(Small(SAMPLE))
    assert isinstance(encoder, Backbone)
    return Trained(encoder, NearestCentroid(encoder), SAMPLE)


@pytest.fixture
def vectors(digits: Prepared, target: Target) -> tuple[np.ndarray, ...]:
    """Pixels in [0, 1] and labels of the parts: fit x, fit y, select x, select y, test x, test y."""
    parts = target.division()
    x = np.asarray(digits.table.x).reshape(len(digits.table), -1) / 255
    truth = digits.table.labels[parts.test]
    return x[parts.fit.rows], parts.fit.y, x[parts.select.rows], parts.select.y, x[parts.test], truth
