"""Another learner on the frozen features of a trained one."""

import pytest

from benchbench import Rng, Target, Trained
from benchbench.components.settings import construct
from benchbench.errors import BenchbenchError
from benchbench_standard.metas.maml import MAML
from benchbench_standard.metas.nearest_centroid import NearestCentroid
from benchbench_standard.metas.nearest_neighbour import NearestNeighbour
from benchbench_standard.protocols.episodic import Episodic
from benchbench_standard.protocols.episodic_frozen import EpisodicFrozen
from tests.evaluation.conftest import SAMPLE, Small

FEW = {"episodes": 20}


def frozen(**settings):
    return construct(EpisodicFrozen, settings=FEW | settings)


@pytest.mark.parametrize(
    ("name", "adapter"), [("nearest-centroid", NearestCentroid), ("nearest-neighbour", NearestNeighbour)]
)
def test_it_scores_as_the_adapter_would(target: Target, name: str, adapter: type) -> None:
    """By what `episodic` makes of the same features: MAML's own adaptation has no part in it."""
    encoder = Small(SAMPLE)
    trained = Trained(encoder, MAML(encoder), SAMPLE)
    found = frozen(adapter=name).evaluate(trained, target, Rng(0))["accuracy"].values
    body = trained.encoder_for(target)
    own = Trained(body, adapter(body), SAMPLE)
    assert found == Episodic(**FEW).evaluate(own, target, Rng(1))["accuracy"].values
    assert trained.adaptations == 0
    assert min(found) < max(found)


def test_an_adapter_trains_nothing() -> None:
    with pytest.raises(BenchbenchError, match="expected a learner that trains nothing, got maml"):
        frozen(adapter="maml")
