import warnings
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, PositiveInt
from sklearn.exceptions import ConvergenceWarning

from benchbench import Backbone, BenchbenchError, Episodes, EpisodeShape, Pool, Pretext, Rng, SampleSpec
from benchbench_standard.pretexts.cactus import partition

#: Draws of columns after which a task is given up.
TRIES = 200


class Columns(Pretext):
    """Tasks from the columns of a table (STUNT: Nam, Tack, Lee, Lee & Shin 2023, arXiv 2303.00918, section 3.1): what
    some columns say is a label for the others.

    For each task a share between `least` and `most` of the columns is drawn, k-means of these alone divides the pool
    into `clusters`, as many as there are ways unless said otherwise, and the clusters are the task's classes. Then the
    samples lose what made the labels: every value in those columns is replaced by that column's value in a row drawn at
    random, so that each column keeps its marginal distribution and tells nothing of a class. Where a cluster is too
    small for a task, columns are drawn anew, as in the official code. Clusters are of at most `rows` rows, drawn anew
    for each task.
    """

    modalities = frozenset({"tabular"})
    synonyms = ("stunt",)
    objectives = frozenset({"episodes"})

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        least: Annotated[float, Field(gt=0, lt=1)] = 0.2,
        most: Annotated[float, Field(gt=0, lt=1)] = 0.5,
        clusters: Annotated[int, Field(ge=2)] | None = None,
        rows: PositiveInt = 10_000,
    ):
        super().__init__(encoder, sample)
        if least > most:
            raise BenchbenchError(f"pretext columns: setting 'least' is {least}: expected at most 'most', {most}")
        self.least, self.most, self.clusters, self.rows = least, most, clusters, rows

    @classmethod
    def misfit(cls, sample: SampleSpec) -> str | None:
        """One column has no others."""
        return "needs samples of two columns or more" if sample.shape[0] < 2 else None

    def chosen(self, state: np.random.RandomState) -> np.ndarray:
        """The columns that make a task's labels, ascending: at least one, and one fewer than all at most."""
        (columns,) = self.sample.shape
        count = round(state.uniform(self.least, self.most) * columns)
        return np.sort(state.permutation(columns)[: min(max(1, count), columns - 1)])

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """Tasks of `ways` clusters in random order; no row stands twice in a task. Raises BenchbenchError where no draw
        of columns gives clusters that are large enough."""
        clusters = self.clusters or shape.ways
        if clusters < shape.ways or clusters > len(pool):
            raise BenchbenchError(
                f"pretext columns: {clusters} clusters of the {len(pool)} rows of {pool.name} are too few for "
                f"{shape.ways} ways, or too many rows"
            )
        tasks = [self._task(pool, shape, clusters, rng.child(b)) for b in range(count)]
        return Episodes.from_classes(torch.stack(tasks).to(pool.device), shape)

    def _task(self, pool: Pool, shape: EpisodeShape, clusters: int, rng: Rng) -> Any:
        state = rng.numpy
        held = torch.from_numpy(state.permutation(len(pool))[: self.rows])
        x = pool.samples(held).cpu()
        for _ in range(TRIES):
            columns = self.chosen(state)
            with warnings.catch_warnings():
                # Rows that are alike in these columns may be of fewer kinds than clusters.
                warnings.simplefilter("ignore", ConvergenceWarning)
                found = partition(x[:, columns].numpy(), clusters, rng)
            members = [c for c in found if len(c) >= shape.per_class]
            if len(members) >= shape.ways:
                break
        else:
            raise BenchbenchError(
                f"pretext columns: of {pool.name} no {TRIES} draws of columns gave {shape.ways} clusters of "
                f"{shape.per_class} rows: ask for other clusters, fewer ways or fewer shots and queries"
            )
        order = state.permutation(len(members))[: shape.ways]
        rows = np.stack([state.permutation(members[c])[: shape.per_class] for c in order])
        task = x[torch.from_numpy(rows)].clone()
        for column in columns:
            task[..., column] = x[torch.from_numpy(state.randint(len(x), size=rows.shape)), column]
        return task
