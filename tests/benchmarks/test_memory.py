"""The memory that a second-order MAML step needs above what was there before it, against the plain loop."""

import ctypes
import gc
from pathlib import Path

import pytest

from benchbench import EpisodeShape
from benchbench_standard.metas.maml import MAML
from tests.benchmarks import peers
from tests.benchmarks.ratios import Work, keep
from tests.benchmarks.test_inner_loops import RATE, conv4, drawn, fixed_rates, step

STATUS = Path("/proc/self/status")
pytestmark = [
    pytest.mark.full,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not STATUS.exists(), reason="peak memory is read from /proc"),
]


def kibibytes(name: str) -> int:
    return int(dict(line.split(":") for line in STATUS.read_text().splitlines())[name].split()[0])


def peak(work: Work) -> int:
    """KiB resident at most during `work`, less what was before it. Run once before, for what is made only once."""
    work()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = kibibytes("VmRSS")
    work()
    return kibibytes("VmHWM") - before


def test_memory_of_second_order_maml(benchmark):
    shape = EpisodeShape(5, 1, 1)
    learner = MAML(conv4(28), inner_lr=RATE, train_steps=1, head_ways=shape.ways)
    net, episodes = peers.plain_net(learner.encoder, learner.head), drawn(16, 28, shape)
    rates = fixed_rates(net)
    theirs = peak(lambda: peers.maml_step(net, episodes, rates))
    ours = peak(lambda: step(learner, episodes))
    benchmark.pedantic(lambda: step(learner, episodes), rounds=1)
    work = f"memory of MAML, 28 px, 5-way 1-shot, q1, T16: {ours / 1024:.0f} MiB against {theirs / 1024:.0f} MiB"
    keep(benchmark, work, {"plain loop": ours / theirs}, most=2.5)
