import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Encode, Episodes, EpisodeShape, Pool, Pretext, Rng, SampleSpec
from benchbench_standard.modalities.letters import complements
from benchbench_standard.pretexts.sequence_views import reverse_complement


class ReverseComplement(Pretext):
    """Tell which strand of DNA a piece is read from: as it stands, or its reverse complement. Source: own; it is for
    sequences what `rotation` is for images.

    It can be learnt only where pieces have a direction, as genes and splice sites have, and not where a set holds both
    strands of things: there it is noise, as are palindromes, such as GAATTC, which are their own reverse complement.
    Palindromes are not removed: a sample that is one has the same ids in both classes, and counts as a half right
    guess. They are rare: of random pieces of even length T one in 2 to the T is one, of odd length none. Proteins have
    no other strand: the planner leaves the pair out.
    """

    modalities = frozenset({"sequence"})
    objectives = frozenset({"plain", "task", "episodes"})
    max_ways = 2
    views = 2

    def __init__(self, encoder: Backbone, sample: SampleSpec):
        super().__init__(encoder, sample)
        assert sample.vocabulary is not None
        pairs = complements(sample.vocabulary)
        assert pairs is not None  # or it is a misfit
        self.pairs: Tensor
        self.register_buffer("pairs", torch.tensor(pairs), persistent=False)
        self.classifier = nn.Linear(encoder.dim, 2)

    @classmethod
    def misfit(cls, sample: SampleSpec) -> str | None:
        """Proteins are."""
        if sample.vocabulary is None or complements(sample.vocabulary) is None:
            return "reverse-complement is of DNA and RNA: its letters are none that pair, such as A with T"
        return None

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """Cross-entropy over both strands of each sample: ids x (N, T) -> a scalar."""
        strand = torch.arange(2, device=x.device).repeat_interleave(len(x))
        return F.cross_entropy(self.classifier(encode(torch.cat([x, reverse_complement(x, self.pairs)]))), strand)

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """Tasks of both strands in random order; no sample stands twice in a task."""
        strand = rng.choices(2, shape.ways, count).repeat_interleave(shape.per_class, 1).to(pool.device)
        x = pool.draw(count, shape.samples, rng)
        other = reverse_complement(x.flatten(0, 1), self.pairs).view_as(x)
        x = torch.where((strand == 1).unsqueeze(-1), other, x)
        return Episodes.from_classes(x.unflatten(1, (shape.ways, shape.per_class)), shape)
