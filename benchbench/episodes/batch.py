"""Episodes, the common currency: every source of tasks makes them, every meta-algorithm learns from them."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchbench.rng import Rng


@dataclass(frozen=True)
class EpisodeShape:
    """How large an episode is: `ways` classes, `shots` support and `queries` query samples per class."""

    ways: int
    shots: int
    queries: int

    @property
    def per_class(self) -> int:
        """Samples of one class, support and query together."""
        return self.shots + self.queries

    @property
    def samples(self) -> int:
        """Samples of one episode."""
        return self.ways * self.per_class


@dataclass(frozen=True)
class Episodes:
    """A batch of B few-shot tasks of one shape.

    support_x: (B, S, *shape) float; support_y: (B, S) int64 below `ways`; query_x: (B, Q, *shape);
    query_y: (B, Q) int64, or None if the labels are withheld. Shots may differ between classes. Tasks of unequal size
    are passed as a list of batches with B = 1.
    """

    support_x: Tensor
    support_y: Tensor
    query_x: Tensor
    query_y: Tensor | None
    ways: int

    @classmethod
    def from_classes(cls, x: Tensor, shape: EpisodeShape) -> "Episodes":
        """Episodes from samples grouped by class: x (B, ways, shots + queries, *sample); class i gets label i."""
        if x.shape[1:3] != (shape.ways, shape.per_class):
            raise ValueError(f"expected (B, {shape.ways}, {shape.per_class}, ...), got {tuple(x.shape)}")
        labels = torch.arange(shape.ways, device=x.device)
        return cls(
            support_x=x[:, :, : shape.shots].flatten(1, 2),
            support_y=labels.repeat_interleave(shape.shots).expand(len(x), -1),
            query_x=x[:, :, shape.shots :].flatten(1, 2),
            query_y=labels.repeat_interleave(shape.queries).expand(len(x), -1),
            ways=shape.ways,
        )

    def __len__(self) -> int:
        return len(self.support_x)

    @property
    def shots(self) -> int:
        """Support samples of one task (all classes): where the queries start in `all_x`."""
        return self.support_x.shape[1]

    @property
    def all_x(self) -> Tensor:
        """(B, S + Q, *shape): support first, then query."""
        return torch.cat([self.support_x, self.query_x], 1)

    @property
    def samples(self) -> int:
        """Samples in the batch, support and query."""
        return len(self) * (self.support_x.shape[1] + self.query_x.shape[1])

    def labels(self) -> Tensor:
        """The query labels (B, Q); raises ValueError if they are withheld."""
        if self.query_y is None:
            raise ValueError("the query labels of these episodes are withheld: a learner may not read them at test")
        return self.query_y

    def withheld(self) -> "Episodes":
        """What a learner sees at test: the same tasks without query labels.

        Test episodes have their queries in random order (`benchbench.episodes.fixed`), so position reveals nothing.
        """
        return replace(self, query_y=None)

    def shuffled(self, rng: Rng) -> "Episodes":
        """The same tasks with support and queries each in random order, so that no place tells a class."""
        support = torch.from_numpy(rng.child("support").numpy.permutation(self.shots)).to(self.support_y.device)
        query = torch.from_numpy(rng.child("query").numpy.permutation(self.query_x.shape[1])).to(self.query_x.device)
        return Episodes(
            self.support_x[:, support],
            self.support_y[:, support],
            self.query_x[:, query],
            None if self.query_y is None else self.query_y[:, query],
            self.ways,
        )

    def chunks(self, size: int) -> "list[Episodes]":
        """The batch in pieces of at most `size` tasks."""
        return [
            Episodes(
                self.support_x[i : i + size],
                self.support_y[i : i + size],
                self.query_x[i : i + size],
                None if self.query_y is None else self.query_y[i : i + size],
                self.ways,
            )
            for i in range(0, len(self), size)
        ]

    @staticmethod
    def cat(parts: "list[Episodes]") -> "Episodes":
        """One batch from several of the same shape."""
        return Episodes(
            torch.cat([p.support_x for p in parts]),
            torch.cat([p.support_y for p in parts]),
            torch.cat([p.query_x for p in parts]),
            None if any(p.query_y is None for p in parts) else torch.cat([p.labels() for p in parts]),
            parts[0].ways,
        )
