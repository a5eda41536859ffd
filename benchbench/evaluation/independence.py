"""Whether a sample's features, and a query's scores, depend on nothing beside it: measured, as a plugin that declares
it may be wrong."""

from dataclasses import replace

import torch
from torch import Tensor

from benchbench.encoding.backbone import Backbone
from benchbench.episodes.batch import Episodes
from benchbench.errors import BenchbenchError
from benchbench.rng import Rng, seeded_globals
from benchbench.training.learner import MetaLearner

#: Differences up to this share of the largest feature are rounding. A batch of another size may take another kernel:
#: in float32 they then differ by some 1e-6, in TF32, which GPUs convolve in, by up to 1e-3. What hides below it gains
#: nothing, since batches are in random order.
ROUNDING = 1e-3
#: In units of the last place, where an encoder computes in half precision: 0.03 in bfloat16.
PLACES = 4
#: Scores are compared for tasks of one shape, whose kernels are the same.
SCORES = 1e-4


def differ(a: Tensor, b: Tensor, tolerance: float) -> bool:
    """Whether an entry differs by more than `tolerance` times the largest."""
    return bool(((a - b).abs() > tolerance * torch.maximum(a.abs().max(), b.abs().max())).any())


@torch.no_grad()
def check_alone(encoder: Backbone, x: Tensor, features: Tensor) -> None:
    """Raise BenchbenchError if an encoder in evaluation mode gives samples other features alone than among others.

    x (n, *shape), features (n, dim) as they were among others.
    """
    alone = torch.cat([encoder(one) for one in x.split(1)])
    used = [t.dtype for t in (features, *encoder.parameters()) if t.is_floating_point()]
    if differ(alone, features, max(ROUNDING, *(PLACES * torch.finfo(dtype).eps for dtype in used))):
        raise BenchbenchError(
            f"backbone {type(encoder).__name__}: in evaluation a sample's features depend on the other samples of its "
            "batch, or are drawn at random: expected the same features alone as among others (running statistics, no "
            "sum over the batch)"
        )


@torch.no_grad()
def depends_on_queries(learner: MetaLearner, episode: Episodes, rng: Rng) -> bool:
    """Whether the scores of the first half of a task's queries change with the other half, which copies of the first
    replace. B = 1.

    Queries are replaced and not left out: with the same shapes and stream a learner that draws for each query draws
    the same, and is not taken for one that looks at them. What is added to all ways alike does not count.
    """
    queries = episode.query_x.shape[1]
    kept = (queries + 1) // 2
    copies = torch.cat([episode.query_x[:, :kept], episode.query_x[:, : queries - kept]], 1)
    found = []
    for seen in (episode, replace(episode, query_x=copies)):
        with seeded_globals(rng, copies.device):
            logits = learner.logits(seen, rng.child())[:, :kept]
        found.append(logits - logits.mean(-1, keepdim=True))
    return differ(found[0], found[1], SCORES)
