"""What a user would run instead of a launch: trainings one after the other in one process, tasks one after the other,
with torch's own threads and the allocator as it comes.

    python -m tests.benchmarks.plain_launch TRAININGS STEPS TASKS
"""

import sys

import torch

from benchbench import EpisodeShape, Pool, Rng
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import prepare
from tests.benchmarks import peers

SHAPE, RATE = EpisodeShape(5, 1, 1), 0.125


def main(trainings: int, steps: int, tasks: int) -> None:
    data = prepare(resolve_component("dataset", "glyphs"))
    pool = Pool.of(data.table, data.split, "train", name="glyphs", labelled=True)
    for seed in range(trainings):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(peers.PlainConv4(1), torch.nn.Linear(64, SHAPE.ways))
        rates = {name: torch.tensor(RATE) for name, _ in net.named_parameters()}
        optimiser = torch.optim.Adam(net.parameters(), 1e-3)
        for step in range(steps):
            optimiser.zero_grad()
            peers.maml_step(net, pool.labelled_episodes(SHAPE, tasks, Rng(seed, step)), rates)
            optimiser.step()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
