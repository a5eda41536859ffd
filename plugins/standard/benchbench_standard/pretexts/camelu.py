from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from benchbench import Backbone, ComponentRef, Episodes, EpisodeShape, Pool, Rng, SampleSpec, component_ref
from benchbench_standard.pretexts.views import TwoViews


class CAMeLU(TwoViews):
    """Tasks of single images whose queries are mixed with others (Vettoruzzo, Braccaioli, Vanschoren & Nowaczyk 2025,
    arXiv 2405.16124, section 3.1), for an in-context learner such as `caml`.

    A class is one image. Its support samples are views of it; a query is (1 - lambda) times another view of it plus
    lambda times some other image of the pool, and keeps its class: lambda, one a task, is uniform between 0 and
    `mixing`, so that the class's image always has the larger share. As in the official code (bracca95/CAMeLU) images
    that are mixed in are not augmented, each is used once a task, and all support samples are views. There they are
    drawn apart from those of the classes and may be the same; here no image stands twice in a task. Views are those of
    `TwoViews`, where the paper takes three of seven transformations at random.

    The encoder is trained on the plain objective of `embedding` first, with half of the budget, as the paper takes an
    encoder that is pretrained. `embedding` "encoder" leaves that stage out: for a backbone with pretrained weights.
    """

    name = "camelu"
    #: Pixels can be mixed; ids of tokens cannot.
    modalities = frozenset({"image"})
    revision = 1
    objectives = frozenset({"episodes"})

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        embedding: Literal["encoder"] | component_ref("pretext") = "contrastive",  # type: ignore[valid-type]
        mixing: Annotated[float, Field(ge=0, le=0.5)] = 0.5,
        **views: Any,
    ):
        """`mixing` is the largest share of the other image; the rest are the settings of `TwoViews`."""
        super().__init__(encoder, sample, **views)
        self.embedding: ComponentRef | Literal["encoder"] = embedding
        self.mixing = mixing

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """Tasks of `ways` images in random order, each query mixed with an image of no class. Raises BenchbenchError if
        the pool has fewer than ways times (1 + queries) samples."""
        drawn = pool.draw(count, shape.ways * (1 + shape.queries), rng)
        clean, others = drawn[:, : shape.ways].unsqueeze(2), drawn[:, shape.ways :]
        repeated = clean.expand(-1, -1, shape.per_class, *clean.shape[3:])
        views: Tensor = self.augment(repeated.flatten(0, 2), rng).view(repeated.shape)
        share = self.mixing * torch.rand((count, 1, 1, 1, 1, 1), generator=rng.cpu, dtype=views.dtype).to(views.device)
        support, query = views[:, :, : shape.shots], views[:, :, shape.shots :]
        mixed = (1 - share) * query + share * others.unflatten(1, (shape.ways, shape.queries))
        return Episodes.from_classes(torch.cat([support, mixed], 2), shape)
