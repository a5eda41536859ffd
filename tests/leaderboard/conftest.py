from collections.abc import Callable
from typing import Any

import pytest

from benchbench.keys import content_key
from benchbench.revisions import harness
from benchbench.store.records import Cost, Flags, Method, Metric, Record, Summary


def _make(
    pretext: str = "rotation",
    meta: str = "protonet",
    target: str = "glyphs",
    counts: tuple[int, ...] | None = (5, 10),
    *,
    seed: int = 0,
    backbone: str = "conv4",
    regime: str = "pseudo",
    source: str = "glyphs",
    floor: bool = False,
    reason: str | None = None,
    recipe: dict[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
) -> Record:
    content = {"recipe": recipe or {}, "target": {"name": target}, "protocol": {"name": "episodic"}}
    content["harness"] = harness()
    training = content_key([pretext, meta, backbone, regime, source, seed, recipe])
    metric = Metric(values=list(counts or ()), denominator=10)
    return Record(
        key=content_key([training, target]),
        training_key=training,
        status="ok" if counts else "failed",
        reason=reason,
        matrix="test",
        method=Method(pretext=pretext, meta=meta, backbone=backbone, regime=regime),
        source=source,
        target=target,
        protocol="5way-1shot",
        seed=seed,
        content=content,
        scores={"accuracy": metric} if counts else {},
        summary={"accuracy": Summary.of(metric)} if counts else {},
        cost=Cost(parameters=112_000, samples=60_000, encoder_passes=0, flops=0) if counts else None,
        flags=Flags(
            transductive=meta == "maml",
            labels="source" if pretext == "labels" else "none",
            selection="last",
            floor=floor,
        ),
        timing={"train_seconds": 41.4} if counts else {},
        environment=environment or {"torch": "2.9.0", "device": "cpu"},
    )


@pytest.fixture(scope="session")
def make() -> Callable[..., Record]:
    """A record of one cell; `counts` are correct queries of ten an episode, None for a failed cell."""
    return _make
