"""The quick matrix as a user would write it without a harness: each training a loop in PyTorch as learn2learn's are, an
episode at a time, then easyfsl's way of scoring, an episode at a time; two processes, a training each.

    python -m tests.benchmarks.plain_matrix JOBS

Pretexts, episodes and test episodes are benchbench's, which have no peer; everything that is done with them is here.
Prints each training's mean accuracy on each target, in percent, as JSON.
"""

import json
import math
import multiprocessing
import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Batch, EpisodeShape, Pool, Rng, SampleSpec, Target
from benchbench.data.prepare import prepare
from benchbench.planning.matrix import load_matrix
from benchbench.planning.plan import plan
from benchbench.training.chain import Training
from benchbench.training.draws import TrainingEpisodes
from tests.benchmarks import peers

EPISODES, SHAPE = 150, EpisodeShape(5, 1, 15)
#: MAML's inner steps in training and at test, and its rate: as the matrix has them.
STEPS, TEST_STEPS, RATE = 3, 5, 0.1


class Plain(Backbone):
    """The papers' Conv-4 with running averages, as pretexts want an encoder."""

    def __init__(self, sample: SampleSpec):
        super().__init__()
        self.net, self.dim = peers.PlainConv4(sample.shape[0], running=True), 64

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def trained(training: Training) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Train; gives what scores the queries of an episode: support, its labels, queries -> (Q, ways)."""
    torch.manual_seed(training.seed)
    (stage,) = training.stages
    data, rng, recipe = prepare(training.source), Rng(training.seed, "plain"), training.recipe
    encoder = Plain(data.sample)
    pretext: Any = stage.pretext.build(encoder, data.sample)
    pool = Pool.of(data.table, data.split, "train", name="glyphs", labelled=pretext.uses_labels, sample=data.sample)
    pretext.prepare(pool, encoder, rng)
    episodes = TrainingEpisodes(pretext, pool, recipe["episodes"])
    head, ways = nn.Linear(64, SHAPE.ways), SHAPE.ways
    net = nn.Sequential(peers.PlainConv4(data.sample.shape[0]), head)
    rates = {name: nn.Parameter(torch.full_like(w, RATE)) for name, w in net.named_parameters()}
    learner = training.method.meta
    learned: dict[str, Iterable[Tensor]] = {
        "nearest-centroid": [*encoder.parameters(), *pretext.parameters()],
        "protonet": encoder.parameters(),
        "maml": net.parameters(),
        "meta-sgd": [*net.parameters(), *rates.values()],
    }
    if learner != "meta-sgd":
        rates = {name: torch.tensor(RATE) for name in rates}
    plain = stage.objective == "plain"
    samples = recipe["training"]["batch_size"] * pretext.views if plain else episodes.samples(rng)
    steps = max(1, recipe["budget"]["samples"] // samples)
    optimiser = torch.optim.Adam(learned[learner], recipe["training"]["lr"])
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe["training"]["lr"] * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.zero_grad()
        here = rng.child(step)
        if plain:
            index = here.choices(len(pool), recipe["training"]["batch_size"])[0]
            y = pool.labels[index] if pretext.uses_labels else None
            pretext.loss(Batch(pool.samples(index), index, y), here).backward()
        else:
            for part, share in episodes.draw(here, episodes.meta_batch):
                assert share == 1
                if learner == "protonet":
                    peers.protonet_step(encoder, part)
                else:
                    peers.maml_step(net, part, rates, STEPS)
        optimiser.step()
    if learner == "nearest-centroid":
        return lambda x, y, query: by_cosine(encoder.eval(), x, y, query, ways)
    if learner == "protonet":
        return lambda x, y, query: peers.protonet_scores(encoder.eval(), x, y, query, ways)
    return lambda x, y, query: torch.func.functional_call(
        net, peers.adapted(net, x, y, {n: r.detach() for n, r in rates.items()}, TEST_STEPS, True), query
    )


@torch.no_grad()
def by_cosine(net: nn.Module, x: Tensor, y: Tensor, query: Tensor, ways: int) -> Tensor:
    """The cosines between one task's queries and its class means: (Q, ways)."""
    features, queries = net(torch.cat([x, query])).split([len(x), len(query)])
    means = torch.stack([features[y == c].mean(0) for c in range(ways)])
    return F.normalize(queries, dim=1) @ F.normalize(means, dim=1).T


def scored(training: Training) -> dict[str, float]:
    """Target -> mean accuracy of a training, in percent."""
    torch.set_num_threads(1)
    scores, found = trained(training), {}
    for cell in training.cells:
        target = Target(prepare(cell.target), prepare(training.source).sample)
        right = []
        for batch in target.episodes(SHAPE, EPISODES):
            each = zip(batch.support, batch.support_y, batch.query, strict=True)
            logits = [
                scores(target.images(x.numpy()), y, target.images(query.numpy())).detach() for x, y, query in each
            ]
            right += target.hits(batch, torch.stack(logits)).mean(1).tolist()
        found[cell.target.bare] = 100 * sum(right) / len(right)
    return found


def main(jobs: int) -> None:
    trainings = [t for t in plan(load_matrix("quick")).trainings if not t.floor]
    for name in {ref.bare: ref for t in trainings for ref in (t.source, *(c.target for c in t.cells))}.values():
        prepare(name)
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        found = pool.map(scored, trainings, chunksize=1)
    print(json.dumps({t.method.label: scores for t, scores in zip(trainings, found, strict=True)}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
