from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Batch, Episodes, EpisodeShape, Pool, Pretext, Rng


class Labels(Pretext):
    """The supervised oracle: true classes where a pretext invents its own; the upper end of every comparison.

    The plain objective is the cross-entropy of a linear head over all training classes (the 'baseline' of Chen et al.
    2019, arXiv 1904.04232); episodes are the usual labelled ones.
    """

    modalities = frozenset({"*"})
    synonyms = ("supervised",)
    uses_labels = True
    true_classes = True
    classifier: nn.Linear

    def prepare(self, pool: Pool, embed: Callable[[Tensor], Tensor], rng: Rng) -> None:
        """Make the head, now that the number of classes is known; the core runs this under a seed of its own."""
        self.classifier = nn.Linear(self.encoder.dim, pool.classes)

    def loss(self, batch: Batch, rng: Rng) -> Tensor:
        """Cross-entropy over the pool's classes: batch.x (N, *shape), batch.y (N,) -> a scalar."""
        assert batch.y is not None
        return F.cross_entropy(self.classifier(self.encoder(batch.x)), batch.y)

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """Tasks of true classes, labels in random order."""
        return pool.labelled_episodes(shape, count, rng)
