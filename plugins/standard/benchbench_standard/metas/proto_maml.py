from typing import ClassVar

from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from benchbench import Backbone, Episodes, NormMode
from benchbench_standard.metas.heads import prototype_head
from benchbench_standard.metas.maml import MAML


class ProtoMAML(MAML):
    """First-order proto-MAML (Triantafillou et al. 2020, arXiv 1903.03096, section 3): every task's head begins as the
    linear form of its prototypes, weight 2 mu and bias -|mu|^2, and encoder and head then descend as in first-order
    MAML. The meta-gradient flows through that beginning.

    Steps are those of Meta-Dataset's ImageNet configuration (6, at 0.005 on the mean support loss); batch statistics,
    as there, are the support set's: inductive.
    """

    #: MAML's third changed its head, which is not so here.
    revision = 2
    #: Everything adapts: MAML's setting is none here.
    neutral: ClassVar = {}

    def __init__(
        self,
        encoder: Backbone,
        *,
        inner_lr: PositiveFloat = 0.005,
        train_steps: PositiveInt = 6,
        test_steps: PositiveInt = 6,
        train_norm: NormMode = "support",
        test_norm: NormMode = "support",
    ):
        super().__init__(
            encoder,
            inner_lr=inner_lr,
            train_steps=train_steps,
            test_steps=test_steps,
            first_order=True,
            train_norm=train_norm,
            test_norm=test_norm,
        )
        del self.head  # a task's own support set gives it

    def initial(self, ways: int) -> dict[str, Tensor]:
        """What all tasks begin with: the encoder."""
        return self.body()

    def begin(self, episodes: Episodes) -> dict[str, Tensor]:
        """The encoder's weights for each task, and a head from its prototypes."""
        x = episodes.all_x if self.norm == "episode" else episodes.support_x
        features = self.encode(x, support=episodes.shots)[:, : episodes.shots]
        weight, bias = prototype_head(features, episodes.support_y, episodes.ways)
        return super().begin(episodes) | {"head.weight": weight, "head.bias": bias}
