from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, SampleSpec
from benchbench_standard.backbones.ngram_places import GramsOfCharacters, GramsOfWords
from benchbench_standard.backbones.token_shares import vocabulary_of


class NGrams(Backbone):
    """tf-idf of n-grams, the `shortest` to `longest` characters in a row within a word, a space at either end of a word
    counting as one (scikit-learn's ``char_wb``), to length 1. A raw floor: nothing to train; it is made for each target
    with the target's own vocabulary.

    Up to `width` different n-grams have a dimension each; more are hashed into `width`, with a sign each (Weinberger et
    al. 2009, arXiv 0902.2206, section 2). `GramsOfWords` and `GramsOfCharacters` say what their idf is.
    """

    modalities = frozenset({"text"})
    trainable = False
    of_target = True

    def __init__(
        self,
        sample: SampleSpec,
        *,
        shortest: Annotated[int, Field(ge=1, le=8)] = 1,
        longest: Annotated[int, Field(ge=1, le=8)] = 4,
        width: Annotated[int, Field(ge=16)] = 8192,
    ):
        super().__init__()
        if longest < shortest:
            raise BenchbenchError(f"backbone ngrams: longest, {longest}, is less than shortest, {shortest}")
        vocabulary = vocabulary_of(sample)
        kind = GramsOfCharacters if vocabulary.single else GramsOfWords
        self.grams = kind(vocabulary, range(shortest, longest + 1), width)
        self.dim = width

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T) int64 -> (N, width)."""
        places, weights = self.grams(x)
        return F.normalize(weights.new_zeros(len(x), self.dim).scatter_add_(1, places, weights), dim=1)
