from typing import Any, Literal

from benchbench import Backbone
from benchbench_standard.metas.maml import MAML


class FOMAML(MAML):
    """First-order MAML (Finn, Abbeel & Levine 2017, arXiv 1703.03400, section 5.2): the inner gradients count as
    constants, so the meta-gradient is the query gradient at the adapted weights.

    It takes that for the gradient at the initial ones, so steps must stay small: no second order can teach it a start
    from which large ones are right (Omniglot's validation classes, 5-way 1-shot, 12,000 samples, three steps in
    training and five at test: 87.6 % at 0.1, 60.6 at 0.4, 25.2 at 2.0). The official 0.4, 2.0 on a mean loss, goes with
    one step in training and the strided Conv-4, whose averaged features are small; with max-pools and one step, more
    than that one at test end near chance (26.1 % after five).
    """

    synonyms = ("first-order-maml",)

    def __init__(
        self,
        encoder: Backbone,
        *,
        first_order: Literal[True] = True,
        **maml: Any,
    ):
        super().__init__(encoder, first_order=first_order, **maml)
