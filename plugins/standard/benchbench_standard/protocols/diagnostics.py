"""Measures of a representation that explain its scores. All are of at most `MOST` images, spread over the classes."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

#: The measures compare every image with every other.
MOST = 2000
#: Images whose pairs are kept, and how many are compared with each other: 1,920 pairs say more of a target than all
#: 1,953 pairs of 63 images do.
PAIRED, TOGETHER = 256, 16
#: Similarities are kept as whole numbers up to this: a byte each, and a CKA that is right to three digits.
LEVELS = 127


def diagnose(x: Tensor, y: Tensor) -> dict[str, float]:
    """All measures of features (n, dim), sorted by class, with labels (n,)."""
    chosen = torch.linspace(0, len(x) - 1, min(len(x), MOST), dtype=torch.float64).long().to(x.device)
    x, y = x[chosen].double(), y[chosen]
    return {
        "effective_rank": effective_rank(x),
        "alignment": alignment(x, y),
        "uniformity": uniformity(x),
        "within_variance": within_variance(x, y),
    }


def effective_rank(x: Tensor) -> float:
    """exp of the entropy of the singular values of x (n, dim), their sum being 1: from 1, all features on a line, to
    the smaller of n and dim (Roy & Vetterli 2007; Garrido et al. 2023, arXiv 2210.02885, eq. 1)."""
    values = torch.linalg.svdvals(x)
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp()) if values.sum() > 0 else 1.0


def alignment(x: Tensor, y: Tensor) -> float:
    """Mean squared distance between unit features of one class (Wang & Isola 2020, arXiv 2005.10242, eq. 1, with
    classmates as the positive pairs): from 0, all equal, to 4. 0 where no class has two images."""
    unit = F.normalize(x, dim=1)
    pairs = y[:, None] == y[None]
    pairs.fill_diagonal_(False)
    return float((2 - 2 * unit @ unit.mT)[pairs].mean()) if pairs.any() else 0.0


def uniformity(x: Tensor) -> float:
    """Logarithm of the mean of exp(-2 d²) over all pairs of unit features at distance d (Wang & Isola 2020, eq. 2):
    0 where all are equal, lower the more evenly they fill the sphere."""
    return float(torch.pdist(F.normalize(x, dim=1)).square().mul(-2).exp().mean().log()) if len(x) > 1 else 0.0


def within_variance(x: Tensor, y: Tensor) -> float:
    """The share of the variance of features that lies within classes: 0 where classes are points, 1 where their means
    are equal (the inverse of Fisher's criterion, as neural collapse measures it: Papyan et al. 2020)."""
    _, y = y.unique(return_inverse=True)
    membership = F.one_hot(y).to(x.dtype)
    means = membership.mT @ x / membership.sum(0)[:, None]
    total = (x - x.mean(0)).square().sum()
    return float((x - means[y]).square().sum() / total) if total > 0 else 1.0


def relations(x: Tensor) -> list[int]:
    """How alike the features (n, dim) of at most `PAIRED` images are, pair by pair: with those of another encoder, of
    the same images in the same order, all that linear centred kernel alignment needs (CKA: Kornblith et al. 2019, arXiv
    1905.00414), which is then the cosine of the two lists.

    The images are compared in batches (Nguyen et al. 2021, arXiv 2010.15327, eq. 4). The values are the Gram matrix of
    each, so centred that products of two add up to the unbiased estimator of Song et al. 2012; the plain one calls any
    two wide representations of few images alike. Rounded to `LEVELS`; all 0 where features are equal, and empty for
    fewer than 4 images, which cannot be centred.
    """
    if len(x) < 4:
        return []
    x = x[:PAIRED].double()
    values = torch.cat([_centred(part) for part in x.tensor_split(max(1, len(x) // TOGETHER))])
    largest = float(values.abs().max())
    # What centring leaves of equal features is rounding.
    if largest <= 1e-12 * float(x.square().sum(1).max()):
        return [0] * len(values)
    return (values * (LEVELS / largest)).round().int().tolist()


def _centred(x: Tensor) -> Tensor:
    """The pairs (n (n - 1) / 2,) of x (n, dim) under U-centring (Székely & Rizzo 2014), the diagonal left out."""
    n = len(x)
    gram = (x @ x.mT).fill_diagonal_(0)
    rows = gram.sum(1) / (n - 2)
    centred = gram - rows[:, None] - rows + rows.sum() / (n - 1)
    above = torch.triu_indices(n, n, 1)
    return centred[above[0], above[1]] / math.sqrt(n * (n - 3))
