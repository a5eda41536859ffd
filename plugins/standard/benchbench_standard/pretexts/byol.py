from copy import deepcopy
from math import cos, pi
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Encode, Progress, Rng, SampleSpec
from benchbench_standard.pretexts.views import TwoViews, apart, mlp


class BYOL(TwoViews):
    """Predict a moving average's projection of the other view (Grill et al. 2020, arXiv 2006.07733, eq. 2).

    After each step the target's weights become tau * target + (1 - tau) * online, where tau grows from its base to 1 by
    a cosine (section 3.2). The base is .99, for the paper's .996 is for a hundred thousand steps and more. Batch norms
    of the target take statistics of their own batches. As in the official code each view goes through either network by
    itself, so that batch norms never see both, and the last layers have no bias. The loss is the mean over both ways,
    the paper's their sum, and the widths of projector and predictor are a sixteenth and a quarter of the paper's 4,096
    and 256.
    """

    name = "byol"

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        tau: Annotated[float, Field(ge=0, le=1)] = 0.99,
        projection: PositiveInt = 64,
        hidden: PositiveInt = 256,
        **views: Any,
    ):
        """`tau` is the base rate of the average; `hidden` and `projection` are widths of projector and predictor; the
        rest are `TwoViews`' settings."""
        super().__init__(encoder, sample, **views)
        self.tau = tau
        self.project = mlp(encoder.dim, hidden, projection)
        self.predict = mlp(projection, hidden, projection)
        self.target = nn.ModuleList([deepcopy(encoder), deepcopy(self.project)]).requires_grad_(False)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """The mean of 2 - 2 cos(prediction of a view, target of the other), over both ways: x (N, C, H, W) -> a
        scalar. Raises BenchbenchError for a single sample."""
        views = self.pair(x, rng)
        predicted = torch.cat(apart(lambda view: self.predict(self.project(encode(view))), views))
        body, project = self.target
        with torch.no_grad():
            target = torch.cat(apart(lambda view: project(body(view)), views)[::-1])
        return 2 - 2 * F.cosine_similarity(predicted, target, dim=1).mean()

    @torch.no_grad()
    def after_step(self, progress: Progress) -> None:
        """Move the target towards the online network."""
        tau = 1 - (1 - self.tau) * (cos(pi * progress.step / progress.steps) + 1) / 2
        online = [*self.encoder.parameters(), *self.project.parameters()]
        for average, weight in zip(self.target.parameters(), online, strict=True):
            average.lerp_(weight, 1 - tau)
