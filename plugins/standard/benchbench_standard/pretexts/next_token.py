import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import HIDDEN, PADDING, Backbone, Encode, Pretext, Rng, SampleSpec


class NextToken(Pretext):
    """Predict the token that follows the beginning of a sample (Radford, Narasimhan, Salimans & Sutskever 2018,
    Improving language understanding by generative pre-training, eq. 1), from the features of the beginning, so that
    every encoder of tokens can. Each sample is cut at one place at random where a known token follows; the published
    objective sums over all places, which takes an encoder that never looks ahead."""

    modalities = frozenset({"text", "sequence"})
    synonyms = ("gpt", "language-modelling", "causal-lm")
    objectives = frozenset({"plain", "task"})

    def __init__(self, encoder: Backbone, sample: SampleSpec):
        super().__init__(encoder, sample)
        assert sample.vocabulary is not None
        self.predict = nn.Linear(encoder.dim, len(sample.vocabulary))

    @classmethod
    def misfit(cls, sample: SampleSpec) -> str | None:
        """Nothing follows a sample of one token."""
        return "needs samples of two tokens or more" if sample.shape[0] < 2 else None

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """Mean cross-entropy of one following token a sample: ids x (N, T) -> a scalar. A sample without a known token
        behind its first one does not count."""
        draws = torch.rand(x.shape, generator=rng.on(x.device), device=x.device)
        known = x > HIDDEN
        known[:, 0] = False
        at = torch.where(known, draws, -1).argmax(1, keepdim=True)
        beginning = torch.where(torch.arange(x.shape[1], device=x.device) < at, x, PADDING)
        losses = F.cross_entropy(self.predict(encode(beginning)), x.gather(1, at).squeeze(1), reduction="none")
        weights = known.any(1).to(losses.dtype)
        return (losses * weights).sum() / weights.sum().clamp(min=1)
