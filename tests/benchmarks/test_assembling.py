"""Making episodes out of a table of images, against easyfsl's sampler behind torch's loader; see `ratios`.

The peer's images are tensors already, where most programs have files. A third of ours are draws of NumPy's legacy
generator, among them a permutation of all classes an episode; records depend on these streams.
"""

import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from benchbench import ClassSplit, Episodes, EpisodeShape, Pool, Rng, SampleTable
from benchbench_standard.metas.protonet import ProtoNet
from tests.benchmarks import peers
from tests.benchmarks.ratios import compare
from tests.benchmarks.test_inner_loops import conv4, step

pytestmark = [
    pytest.mark.full,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.benchmark(timer=time.process_time),
]
#: Omniglot's size.
CLASSES, EACH = 1623, 20
SHAPE, COUNT = EpisodeShape(5, 1, 15), 64


def table() -> SampleTable:
    """Noise whose first two pixels tell the class."""
    labels = np.arange(CLASSES).repeat(EACH)
    x = np.random.RandomState(0).randint(0, 256, (len(labels), 1, 28, 28), dtype=np.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = labels // 256, labels % 256
    return SampleTable(x, labels, tuple(map(str, range(CLASSES))), "noise", "noise")


class Images(Dataset):
    """The same table, an image at a time."""

    def __init__(self, held: SampleTable):
        self.x, self.labels = torch.from_numpy(held.x), held.labels.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.x[i].float().div_(255), self.labels[i]

    def get_labels(self) -> list[int]:
        return self.labels


class AnySampler(Sampler):
    """What easyfsl 1.5 calls with an argument that torch's sampler no longer takes."""

    def __init__(self, data_source: object = None):
        super().__init__()


def well_formed(support: torch.Tensor, support_y: torch.Tensor, query: torch.Tensor, query_y: torch.Tensor) -> bool:
    """Whether each label of an episode is one class of its own, and no image comes twice."""
    x, y = torch.cat([support, query]).mul(255).round(), torch.cat([support_y, query_y])
    classes = x[:, 0, 0, 0] * 256 + x[:, 0, 0, 1]
    pairs = set(zip(y.tolist(), classes.tolist(), strict=True))
    sizes = (x.shape[0], len(pairs), len({c for _, c in pairs}), len(x.flatten(1).unique(dim=0)))
    return sizes == (SHAPE.samples, SHAPE.ways, SHAPE.ways, SHAPE.samples)


def test_assembling(benchmark):
    samplers = pytest.importorskip("easyfsl.samplers")
    held = table()
    pool = Pool.of(held, ClassSplit(train=tuple(range(CLASSES))), "train", name="noise", labelled=True)
    images = Images(held)
    tasks = type("TaskSampler", (samplers.TaskSampler, AnySampler), {})
    sampler = tasks(images, SHAPE.ways, SHAPE.shots, SHAPE.queries, COUNT)
    loader = DataLoader(images, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn)
    rng = Rng("benchmark")

    def ours() -> Episodes:
        return pool.labelled_episodes(SHAPE, COUNT, rng.child("episodes"))

    made = ours()
    assert all(well_formed(*parts) for parts in peers.tasks(made))
    # easyfsl numbers the classes of an episode as a set of ids happens to order them.
    assert all(well_formed(*parts[:4]) for parts in loader)
    work = "assembling episodes of Omniglot's size, 28 px, 5-way 1-shot, q15"
    compare(benchmark, work, ours, {"easyfsl": lambda: list(loader)}, rounds=3)
    learner, started = ProtoNet(conv4(28)), time.process_time()
    for part in made.chunks(1):
        step(learner, part)
    spent = (time.process_time() - started) / COUNT
    share = benchmark.stats.stats.median / COUNT / spent
    benchmark.extra_info["shares"] = {"of a ProtoNet step on the same episode": share}
