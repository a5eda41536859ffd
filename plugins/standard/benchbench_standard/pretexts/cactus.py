from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveInt
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchbench import (
    Backbone,
    BenchbenchError,
    ComponentRef,
    Encode,
    Episodes,
    EpisodeShape,
    Pool,
    Pretext,
    Rng,
    SampleSpec,
    component_ref,
)


def partition(z: np.ndarray, clusters: int, rng: Rng) -> list[np.ndarray]:
    """k-means of features (N, d): the indices of each cluster's samples, ascending."""
    # One thread: sums of several come in any order.
    with threadpool_limits(1):
        labels = KMeans(clusters, n_init=1, max_iter=100, random_state=rng.numpy).fit_predict(z.astype(np.float64))
    return [np.flatnonzero(labels == c) for c in range(clusters)]


class CACTUs(Pretext):
    """Tasks from clusters of an embedding (Hsu, Levine & Finn 2019, arXiv 1810.02334, algorithm 1): k-means gives
    pseudo-classes, and an episode draws its classes from one of several partitions.

    The encoder is trained on the plain objective of `embedding` first, with half of the budget, and embeds the pool as
    it then is. Meta-training goes on from there: in the paper it begins anew, and the embedding is another network's.

    As in the official code (kylehkhsu/cactus-maml) a task is of one partition chosen at random, and clusters with too
    few images for a task are left out. There k-means of a single partition begins ten times and has up to 3,000
    iterations, and is repeated until more than three quarters of the clusters are large enough; here it begins once,
    has up to 100, and is refused only where too few clusters are left.
    """

    modalities = frozenset({"*"})
    revision = 2

    objectives = frozenset({"episodes"})

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        embedding: component_ref("pretext") = "contrastive",  # type: ignore[valid-type]
        clusters: Annotated[int, Field(ge=2)] | None = None,
        partitions: PositiveInt = 1,
    ):
        """`clusters` a partition: one for 20 images, at most the paper's 500, where it is left out. Of several
        partitions the first is of the features as they are, and each further one of features that are scaled by random
        factors below 1, one a dimension."""
        super().__init__(encoder, sample)
        self.embedding: ComponentRef = embedding
        self.clusters, self.partitions = clusters, partitions
        self.members: list[list[np.ndarray]] = []
        self.pool_name = ""

    def prepare(self, pool: Pool, embed: Encode, rng: Rng) -> None:
        """Embed the pool and cluster it."""
        clusters = self.clusters or max(2, min(500, len(pool) // 20))
        if clusters > len(pool):
            raise BenchbenchError(f"pretext cactus: {clusters} clusters of {pool.name}, which has {len(pool)} samples")
        chunks: list[Tensor] = [embed(pool.samples(part)).cpu() for part in torch.arange(len(pool)).split(1024)]
        z = torch.cat(chunks).numpy()
        self.pool_name, self.members = pool.name, []
        for p in range(self.partitions):
            scales = rng.child(p, "scale").numpy.uniform(size=z.shape[1]) if p else 1.0
            self.members.append(partition(z * scales, clusters, rng.child(p)))

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """Tasks of `ways` clusters of one partition in random order; no image stands twice in a task. Raises
        BenchbenchError where too few clusters have enough images, or for another pool than the clustered one."""
        if pool.name != self.pool_name:
            raise BenchbenchError(f"pretext cactus has clusters of {self.pool_name or 'nothing'}, none of {pool.name}")
        large = [[c for c in clusters if len(c) >= shape.per_class] for clusters in self.members]
        if (fewest := min(len(clusters) for clusters in large)) < shape.ways:
            raise BenchbenchError(
                f"pretext cactus: {fewest} of {len(self.members[0])} clusters have {shape.per_class} images, too few "
                f"for {shape.ways} ways: ask for other clusters, fewer ways or fewer shots and queries"
            )
        state, rows = rng.numpy, np.empty((count, shape.ways, shape.per_class), np.int64)
        for b in range(count):
            clusters = large[state.randint(len(large))]
            for w, c in enumerate(state.permutation(len(clusters))[: shape.ways]):
                rows[b, w] = state.permutation(clusters[c])[: shape.per_class]
        return Episodes.from_classes(pool.samples(torch.from_numpy(rows)), shape)
