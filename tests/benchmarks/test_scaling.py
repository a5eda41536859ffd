"""What a task of a second-order MAML step costs as tasks, ways, shots and image size grow: curves for the plot."""

import time

import pytest

from benchbench import EpisodeShape
from benchbench_standard.metas.maml import MAML
from tests.benchmarks import peers
from tests.benchmarks.test_inner_loops import RATE, conv4, drawn, fixed_rates, step

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600), pytest.mark.usefixtures("one_thread")]
#: What one of is varied while the others stay at the first.
AXES = {"tasks": [4, 1, 2, 8, 16], "ways": [5, 2, 10, 20], "shots": [1, 2, 5], "size": [28, 16, 42, 84]}


def milliseconds(tasks: int, ways: int, shots: int, size: int) -> tuple[float, float]:
    """CPU time of a task, ours and the plain loop's; each runs once before."""
    shape = EpisodeShape(ways, shots, 1)
    learner = MAML(conv4(size), inner_lr=RATE, train_steps=1, head_ways=ways)
    net, episodes = peers.plain_net(learner.encoder, learner.head), drawn(tasks, size, shape)
    rates, spent = fixed_rates(net), []
    for work in (lambda: step(learner, episodes), lambda: peers.maml_step(net, episodes, rates)):
        work()
        started = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - started) / tasks)
    return spent[0], spent[1]


@pytest.mark.parametrize("axis", AXES)
def test_scaling(benchmark, axis):
    usual = {name: values[0] for name, values in AXES.items()}
    points = {value: milliseconds(**usual | {axis: value}) for value in sorted(AXES[axis])}
    benchmark.pedantic(lambda: None)
    benchmark.extra_info["curve"] = {"axis": axis, "points": [[value, *each] for value, each in points.items()]}
