"""The episodes that a stage learns from, and their cost, known before any image is read."""

from collections.abc import Iterator
from typing import Any

from benchbench.data.pool import Pool
from benchbench.episodes.batch import Episodes, EpisodeShape
from benchbench.episodes.variable import VariableShape
from benchbench.rng import Rng
from benchbench.training.pretext import Pretext

#: Tasks of a meta-batch whose graphs are in memory at once; fewer if a GPU lacks the memory for them.
CHUNK = 4


class TrainingEpisodes:
    """What `asked`, the recipe's episode settings, mean for a pretext on a pool. `ways` is None if they vary.

    Where the pretext has fewer classes than the ways asked for, the meta-batch rises, rounded up, so that a step sees
    at least as many samples as it would have: a cap on ways alone would train on smaller steps than other pretexts do.
    """

    def __init__(self, pretext: Pretext, pool: Pool, asked: dict[str, Any]):
        self.pretext, self.pool = pretext, pool
        #: The fixed shape; validation uses it even if training episodes vary.
        self.shape = EpisodeShape(
            min(asked["ways"], pretext.max_ways or asked["ways"]), asked["shots"], asked["queries"]
        )
        self.variable = VariableShape() if asked.get("sampler") == "meta-dataset" else None
        self.ways = None if self.variable else self.shape.ways
        self.meta_batch: int = asked["meta_batch"]
        if self.ways:
            self.meta_batch = -(-self.meta_batch * asked["ways"] // self.ways)

    def draw(self, rng: Rng, chunk: int = CHUNK) -> Iterator[tuple[Episodes, float]]:
        """The meta-batch of a step in pieces of at most `chunk` tasks, each with its share of the whole."""
        if self.variable:
            for task in range(self.meta_batch):
                yield self.pool.variable_episode(self.variable, rng.child("task", task)), 1 / self.meta_batch
        else:
            episodes = self.pretext.episodes(self.pool, self.shape, self.meta_batch, rng)
            for part in episodes.chunks(chunk):
                yield part, len(part) / len(episodes)

    def samples(self, rng: Rng) -> int:
        """How many samples the meta-batch drawn from the same stream holds."""
        if not self.variable:
            return self.meta_batch * self.shape.samples
        return sum(self.pool.variable_size(self.variable, rng.child("task", task)) for task in range(self.meta_batch))
