from typing import Any, Literal

from benchbench import Backbone
from benchbench_standard.metas.maml import MAML


class FOMAML(MAML):
    """First-order MAML (Finn, Abbeel & Levine 2017, arXiv 1703.03400, section 5.2): the inner gradients count as
    constants, so the meta-gradient is the query gradient at the adapted weights."""

    def __init__(self, encoder: Backbone, *, first_order: Literal[True] = True, **maml: Any):
        super().__init__(encoder, first_order=first_order, **maml)
