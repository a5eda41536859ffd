"""How rare the tokens of a vocabulary are, from the shares of training samples that hold them."""

import numpy as np
import torch
from torch import Tensor

from benchbench import BenchbenchError, SampleSpec, Vocabulary


def vocabulary_of(sample: SampleSpec) -> Vocabulary:
    """Its vocabulary. Raises BenchbenchError for samples that have none."""
    if sample.vocabulary is None:
        raise BenchbenchError("expected samples of tokens, with a vocabulary")
    return sample.vocabulary


def smoothed_idf(shares: np.ndarray, known: np.ndarray) -> np.ndarray:
    """scikit-learn's smoothed inverse document frequency ln((1 + n) / (1 + df)) + 1, from shares df / n.

    Shares do not tell the number of documents n. It is taken as 1 / the smallest share above zero among those `known`,
    of the vocabulary's tokens: exact if some token stands in one training sample alone, as in any natural corpus, else
    too small. It matters for smoothing alone. With no share above zero every idf is 1.
    """
    above = known[known > 0]
    n = 1 / above.min() if len(above) else 0.0
    return np.log((1 + n) / (1 + n * shares)) + 1


def token_idf(vocabulary: Vocabulary) -> Tensor:
    """`smoothed_idf` of each id (V,), of torch's default dtype; 0 for padding and for unknown or hidden tokens."""
    shares = np.array(vocabulary.shares)
    idf = smoothed_idf(shares, shares)
    idf[:2] = 0
    return torch.from_numpy(idf).to(torch.get_default_dtype())
