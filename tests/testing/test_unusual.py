"""Unusual components that are right: the suite asks for the contract, not for a habit."""

from itertools import pairwise
from typing import Annotated, Any

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import (
    Backbone,
    Batch,
    Episodes,
    EpisodeShape,
    MetaLearner,
    Pool,
    Pretext,
    Progress,
    Rng,
    SampleSpec,
    class_means,
    component_ref,
    similarity,
)


class Moments(Backbone):
    """Mean and deviation of each channel: no parameters. Source: own."""

    trainable = False

    def __init__(self, sample: SampleSpec):
        super().__init__()
        self.dim = 2 * sample.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)


def test_no_parameters(conforms):
    conforms(Moments)


class Layout(BaseModel):
    """Nested settings."""

    widths: list[Annotated[int, Field(ge=1)]] = [8, 4]
    activation: dict[str, float] = {"slope": 0.1}


class Configured(Backbone):
    """Layers as `layout` says, scaled by `scale`, beside another component, `teacher`. Source: own."""

    def __init__(
        self,
        sample: SampleSpec,
        *,
        layout: Layout = Layout(),  # noqa: B008
        scale: float | None = None,
        teacher: component_ref("pretext") | None = None,  # type: ignore[valid-type]
    ):
        super().__init__()
        sizes = [sample.shape[0] * sample.shape[1] * sample.shape[2], *layout.widths]
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        self.layers = nn.ModuleList(layers)
        self.slope, self.scale, self.dim = layout.activation["slope"], scale or 1.0, sizes[-1]

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), self.slope)
        return self.scale * x


def test_complex_settings(conforms):
    conforms(Configured, layout={"widths": [5, 3], "activation": {"slope": 0.2}}, teacher="rotation")


class Reversed(Pretext):
    """Tell a series from its reverse: samples are (channels, time), no images. Source: own."""

    modalities = frozenset({"series"})
    objectives = frozenset({"plain", "episodes"})
    max_ways = 2
    views = 2

    def __init__(self, encoder: Backbone, sample: SampleSpec):
        super().__init__(encoder, sample)
        self.classifier = nn.Linear(encoder.dim, 2)

    def loss(self, batch: Batch, rng: Rng) -> Tensor:
        y = torch.arange(2, device=batch.x.device).repeat_interleave(len(batch.x))
        return F.cross_entropy(self.classifier(self.encoder(torch.cat([batch.x, batch.x.flip(-1)]))), y)

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """A list of single tasks, joined."""
        return Episodes.cat([self.task(pool, shape, rng.child(b)) for b in range(count)])

    def task(self, pool: Pool, shape: EpisodeShape, rng: Rng) -> Episodes:
        x = pool.draw(1, shape.samples, rng).unflatten(1, (shape.ways, shape.per_class))
        turned = rng.choices(2, shape.ways)[0].tolist()
        classes = [x[:, i].flip(-1) if turned[i] else x[:, i] for i in range(shape.ways)]
        return Episodes.from_classes(torch.stack(classes, 1), shape)


def test_another_modality_and_episodes_from_a_list(conforms):
    conforms(Reversed, samples=[SampleSpec("series", (2, 30)), SampleSpec("series", (1, 17))])


class OneByOne(MetaLearner):
    """Class means, a list of tasks of B = 1 at a time. Source: own."""

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        return torch.cat([self.single(task) for task in episodes.chunks(1)])

    def single(self, task: Episodes) -> Tensor:
        support, query = self.encode(task.all_x, support=task.shots).split([task.shots, task.query_x.shape[1]], 1)
        return similarity(query, class_means(support, task.support_y, task.ways), "cosine")


def test_a_list_of_tasks(conforms):
    conforms(OneByOne)


class Moving(MetaLearner):
    """Steps of its own in `after_step`, by a velocity that it keeps; the core's optimiser leaves its weights where they
    are. The `rate` is fixed. Source: own."""

    def __init__(self, encoder: Backbone, *, rate: float = 0.1, **norm: Any):
        super().__init__(encoder, **norm)
        self.rate = rate
        for name, w in encoder.named_parameters():
            self.register_buffer(self.slot(name), torch.zeros_like(w))

    @staticmethod
    def slot(name: str) -> str:
        return f"velocity_{name.replace('.', '_')}"

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{**group, "lr": 0.0} for group in super().parameter_groups()]

    @torch.no_grad()
    def after_step(self, progress: Progress) -> None:
        for name, w in self.encoder.named_parameters():
            if w.grad is not None:
                velocity = getattr(self, self.slot(name)).mul_(0.9).add_(w.grad)
                w -= self.rate * velocity

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        features = self.encode(episodes.all_x, support=episodes.shots)
        means = class_means(features[:, : episodes.shots], episodes.support_y, episodes.ways)
        return similarity(features[:, episodes.shots :], means)


def test_its_own_optimiser(conforms):
    conforms(Moving, rate=0.05)
