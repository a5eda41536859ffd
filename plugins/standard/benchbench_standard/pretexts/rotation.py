import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, Encode, Episodes, EpisodeShape, Pool, Pretext, Rng, SampleSpec


def rotated(x: Tensor, turns: Tensor) -> Tensor:
    """Quarter turns counter-clockwise: x (N, C, S, S), turns (N,) in 0..3 -> (N, C, S, S)."""
    turns = turns.view(-1, 1, 1, 1)
    once = torch.where(turns % 2 == 1, x.mT.flip(-2), x)
    return torch.where(turns >= 2, once.flip(-1, -2), once)


class Rotation(Pretext):
    """Predict by how many quarter turns an image was rotated (Gidaris, Singh & Komodakis 2018, arXiv 1803.07728).

    The plain objective is eq. 2-3: the mean of -log p(t | rot(x, t)) over each image x in all four rotations t. An
    episode's classes are distinct rotations. It cannot be learnt where rotated copies are classes of their own
    (Omniglot's 'vinyals' split) or things have no upright pose.
    """

    synonyms = ("rotnet",)
    objectives = frozenset({"plain", "task", "episodes"})
    max_ways = 4
    views = 4

    def __init__(self, encoder: Backbone, sample: SampleSpec):
        super().__init__(encoder, sample)
        if sample.shape[-1] != sample.shape[-2]:
            raise BenchbenchError(f"pretext rotation: images must be square to be turned, got (C, H, W) {sample.shape}")
        self.classifier = nn.Linear(encoder.dim, 4)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """Cross-entropy over the four rotations of each image: x (N, C, S, S) -> a scalar."""
        turns = torch.arange(4, device=x.device).repeat_interleave(len(x))
        return F.cross_entropy(self.classifier(encode(rotated(x.repeat(4, 1, 1, 1), turns))), turns)

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """Tasks of `ways` distinct rotations in random order; no image stands twice in a task."""
        turns = rng.choices(4, shape.ways, count).repeat_interleave(shape.per_class, 1).to(pool.device)
        x = rotated(pool.draw(count, shape.samples, rng).flatten(0, 1), turns.flatten())
        return Episodes.from_classes(x.unflatten(0, (count, shape.ways, shape.per_class)), shape)
