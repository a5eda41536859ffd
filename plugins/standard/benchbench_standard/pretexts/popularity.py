import torch
from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import HIDDEN, Backbone, Batch, BenchbenchError, Encode, Pool, Pretext, Rng, SampleSpec


class Popularity(Pretext):
    """How popular each value of a field is among those whose taste is known, found in closed form: the floor of every
    recommender, which knows items and nobody's taste. It needs backbone `item-score`; meta-algorithm `prior` ranks by
    it.

    A token's score is the logarithm of how much more often it stands in liked samples than in disliked ones, so an
    item's score, the sum, is naive Bayes' log-odds (Pazzani & Billsus 1997, doi 10.1023/A:1007369909943). `smoothing`
    is how many samples of the average taste are added to those of each token.
    """

    modalities = frozenset({"interaction"})
    requires = frozenset({"scores"})
    objectives = frozenset({"plain"})
    uses_labels = True
    needs_order = True
    closed_form = True

    def __init__(self, encoder: Backbone, sample: SampleSpec, *, smoothing: PositiveFloat = 5.0):
        super().__init__(encoder, sample)
        self.smoothing = smoothing
        self.liked = torch.empty(0, dtype=torch.bool)

    @torch.no_grad()
    def prepare(self, pool: Pool, embed: Encode, rng: Rng) -> None:
        """Set the scores from every sample of the pool. Raises BenchbenchError if nothing is liked, or everything."""
        table = self.encoder.scores
        assert isinstance(table, nn.Embedding)
        self.liked = 2 * pool.places > pool.places.max()  # of each class, whether it is in the upper half
        counts = torch.zeros(2, table.num_embeddings, dtype=torch.float64)
        of = torch.zeros(2, dtype=torch.float64)
        for index in torch.arange(len(pool)).split(4096):
            x, liked = pool.samples(index).cpu(), self.liked[pool.labels[index].cpu()]
            for taste in (0, 1):
                held = x[liked == bool(taste)]
                of[taste] += len(held)
                counts[taste] += torch.bincount(held.flatten(), minlength=table.num_embeddings)
        if not of.all():
            raise BenchbenchError(f"pretext popularity: {pool.name} has no sample that is liked, or none that is not")
        shares = (of / of.sum()).unsqueeze(1)
        odds = ((counts + self.smoothing * shares) / shares).log()
        scores = odds[1] - odds[0]
        scores[: HIDDEN + 1] = 0
        table.weight.copy_(scores.unsqueeze(1))

    def loss(self, batch: Batch, rng: Rng) -> Tensor:
        """The logistic loss of a batch's scores: a scalar."""
        assert batch.y is not None
        liked = self.liked.to(batch.y.device)[batch.y]
        scores = self.encoder(batch.x).squeeze(1)
        return F.binary_cross_entropy_with_logits(scores, liked.to(scores.dtype))
