"""Meta-steps on a GPU against the plain loop there, by the clock, the device waited for; skipped without CUDA."""

import time

import pytest
import torch

from benchbench import Episodes, EpisodeShape
from benchbench_standard.metas.maml import MAML
from tests.benchmarks import peers
from tests.benchmarks.ratios import compare
from tests.benchmarks.test_inner_loops import RATE, conv4, drawn, fixed_rates, step

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    pytest.mark.benchmark(timer=time.perf_counter),
]


@pytest.mark.parametrize("chunk", [4, 32])
def test_maml(benchmark, chunk):
    shape = EpisodeShape(5, 1, 1)
    learner = MAML(conv4(28).cuda(), inner_lr=RATE, train_steps=1, head_ways=shape.ways).cuda()
    net = peers.plain_net(learner.encoder, learner.head).cuda()
    made = drawn(32, 28, shape)
    parts = (made.support_x, made.support_y, made.query_x, made.labels())
    episodes, rates = Episodes(*(t.cuda() for t in parts), made.ways), fixed_rates(net)

    def ours() -> None:
        step(learner, episodes, chunk)
        torch.cuda.synchronize()

    def theirs() -> None:
        peers.maml_step(net, episodes, rates)
        torch.cuda.synchronize()

    work = f"MAML on {torch.cuda.get_device_name()}, 28 px, 5-way 1-shot, q1, T32, {chunk} tasks at once"
    compare(benchmark, work, ours, {"plain loop": theirs}, least=8, clock=time.perf_counter)
