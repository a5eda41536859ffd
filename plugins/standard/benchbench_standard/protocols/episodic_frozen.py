from typing import Any

from benchbench import BenchbenchError, Rng, Scores, Target, Trained, component_ref
from benchbench_standard.protocols.episodic import Episodic


class EpisodicFrozen(Episodic):
    """The fixed episodes of `episodic` without the learner: `adapter`, a learner that trains nothing, on frozen
    features. By cosine to class means it is the NIL test (no inner loop; Raghu, Raghu, Bengio & Vinyals 2020, arXiv
    1909.09157, section 5), which tells what a meta-algorithm left in the features from what its inner loop does.

    Batch statistics are the running ones, or the target's fit part's where training moved none: no query bears on
    another.
    """

    def __init__(
        self,
        *,
        adapter: component_ref("meta") = "nearest-centroid",  # type: ignore[valid-type]
        **episodes: Any,
    ):
        super().__init__(**episodes)
        if not adapter.load().adapter_only:
            name = adapter.bare
            raise BenchbenchError(f"setting 'adapter': expected a learner that trains nothing, got {name}")
        self.adapter = adapter

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """Correct queries of each episode."""
        encoder = trained.encoder_for(target)
        frozen = Trained(encoder, self.adapter.build(encoder), trained.sample, str(trained.device))
        scores = super().evaluate(frozen, target, rng)
        if frozen.transductive or frozen.dependences:
            raise BenchbenchError(
                f"setting 'adapter': {self.adapter.bare} scores queries by one another: expected one that is not "
                "transductive, as the records of this protocol say of themselves"
            )
        return scores
