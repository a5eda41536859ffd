"""Measures of a representation that explain its scores. All are of at most `MOST` images, spread over the classes."""

import torch
from torch import Tensor
from torch.nn import functional as F

#: The measures compare every image with every other.
MOST = 2000


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
