from importlib import import_module
from typing import Any, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, Episodes, MetaLearner, Rng


def gpytorch() -> Any:
    """GPyTorch, imported where it is used: that takes as long as importing torch, and warns. Raises BenchbenchError
    where it is missing."""
    try:
        return import_module("gpytorch")
    except ModuleNotFoundError:
        raise BenchbenchError("meta dkt needs GPyTorch: install benchbench-suite[dkt]") from None


class DKT(MetaLearner):
    """Deep kernel transfer (Patacchiola, Turner, Crowley, O'Boyle & Storkey 2020, arXiv 1910.05199, section 3.2); needs
    ``benchbench-suite[dkt]``, which is GPyTorch.

    Every class has a Gaussian-process regressor on labels 1 and -1, whose kernel is a function of the features.
    Meta-training maximises the marginal likelihood of all of a task's labels, support and query: there is no inner
    loop, and at test the posterior given the support set is in closed form.

    A class scores the logarithm of P(y > 0) under its predictive distribution. Classes share kernel and noise here,
    where the paper gives each class position its own: so ways may differ at test, the order is that of the posterior
    means, as in the paper, and the softmax of the scores is a probability that knows its uncertainty. ``cosine`` is the
    paper's best kernel on images, without the batch norm before it. Protocol ``calibration`` scores how far that
    probability is to be trusted.

    Labels, loss (all of a task's samples at once) and the posterior at test agree with the official code. There the
    Gaussian processes' own parameters learn at a tenth of the encoder's rate (0.0001 and 0.001), which the matrix's
    one rate leaves out here.
    """

    synonyms = ("deep-kernel-transfer",)
    frozen_features = True

    def __init__(
        self,
        encoder: Backbone,
        *,
        kernel: Literal["cosine", "linear", "rbf"] = "cosine",
        initial_noise: PositiveFloat = 0.1,
        **norm: Any,
    ):
        super().__init__(encoder, **norm)
        gp = gpytorch()
        base = gp.kernels.LinearKernel()
        if kernel == "rbf":
            base = gp.kernels.RBFKernel()
            base.lengthscale = encoder.dim**0.5
        else:
            # The scale around it is its variance.
            base.variance = 1.0
            base.raw_variance.requires_grad_(False)
        self.unit_length = kernel == "cosine"
        self.kernel = gp.kernels.ScaleKernel(base)
        self.mean = gp.means.ConstantMean()
        self.likelihood = gp.likelihoods.GaussianLikelihood()
        self.likelihood.noise = initial_noise

    def process(self, x: Tensor, y: Tensor, ways: int) -> Any:
        """One regressor a class, conditioned on features (B, S, dim) with labels (B, S): batch shape (B, ways)."""
        learner, gp = self, gpytorch()
        exact: Any = gp.models.ExactGP

        class Process(exact):  # type: ignore[misc]
            def __init__(self, x: Tensor, y: Tensor):
                super().__init__(x, y, learner.likelihood)
                self.mean, self.kernel = learner.mean, learner.kernel

            def forward(self, x: Tensor) -> Any:
                return gp.distributions.MultivariateNormal(self.mean(x), self.kernel(x))

        return Process(self.inputs(x, ways), 2 * F.one_hot(y, ways).mT.to(x.dtype) - 1)

    def inputs(self, x: Tensor, ways: int) -> Tensor:
        """Features (B, n, dim) as each class's regressor takes them: (B, ways, n, dim)."""
        x = F.normalize(x, dim=-1) if self.unit_length else x
        return x.unsqueeze(1).expand(-1, ways, -1, -1)

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """log P(y > 0) of each class at each query: (B, Q, ways)."""
        return self.posterior_scores(self.encode(episodes.all_x, support=episodes.shots), episodes)

    def posterior_scores(self, features: Tensor, episodes: Episodes) -> Tensor:
        """The same from features (B, S + Q, dim)."""
        support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        process = self.process(support, episodes.support_y, episodes.ways).eval()
        predicted = self.likelihood(process(self.inputs(query, episodes.ways)))
        return torch.special.log_ndtr(predicted.mean / predicted.stddev).mT

    def loss(self, episodes: Episodes, rng: Rng) -> tuple[Tensor, Tensor]:
        """Minus the log marginal likelihood of support and query labels, a label; the logits have no gradient."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        labels = torch.cat([episodes.support_y, episodes.labels()], 1)
        process = self.process(features, labels, episodes.ways).train()
        marginal = gpytorch().mlls.ExactMarginalLogLikelihood(self.likelihood, process)
        loss = -marginal(process(*process.train_inputs), process.train_targets).mean()
        with torch.no_grad():
            return loss, self.posterior_scores(features, episodes)
