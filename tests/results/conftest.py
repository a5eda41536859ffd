from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchbench.keys import content_key
from benchbench.revisions import harness
from benchbench.store.files import Store, read_records
from benchbench.store.records import Cost, Flags, Method, Metric, Record, Summary

#: Trains in a second.
TINY: dict[str, Any] = {
    "name": "tiny",
    "floors": False,
    "axes": {
        "pretext": ["labels"],
        "meta": ["nearest-centroid"],
        "backbone": ["conv4"],
        "source": ["glyphs"],
        "target": ["digits"],
        "protocol": ["5way-1shot"],
    },
    "budget": {"samples": 400},
    "settings": {"backbone": {"conv4": {"width": 4}}, "protocol": {"episodic": {"episodes": 8}}},
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one real record."""
    from benchbench.api import run
    from benchbench.planning.matrix import parse_matrix

    store = tmp_path_factory.mktemp("trained") / "store"
    assert run(parse_matrix(TINY, "tiny"), store, executor="inline").trained == 1
    return store


@pytest.fixture
def genuine(trained: Path) -> Record:
    """A record whose keys, scores and episodes are real."""
    (record,) = read_records(trained)[0]
    return record


def _make(
    counts: tuple[int, ...] | None = (5, 10),
    *,
    pretext: str = "rotation",
    meta: str = "protonet",
    target: str = "digits",
    seed: int = 0,
    revision: int = 1,
    lr: float = 0.1,
    episodes: str | None = "episodes",
    **fields: Any,
) -> Record:
    component = {"name": f"suite:{pretext}", "revision": revision, "settings": {"size": 3}}
    data = {"name": f"suite:{target}", "revision": 1, "settings": {}, "fingerprint": "f"}
    content = {"pretext": component, "target": data, "recipe": {"lr": lr}, "seed": seed, "harness": harness()}
    metric = Metric(values=list(counts or ()), denominator=10)
    method = Method(pretext=pretext, meta=meta, backbone="conv4", regime="pseudo")
    training = content_key([asdict(method), content | {"target": None}])
    given: dict[str, Any] = {
        "key": content_key([training, target]),
        "training_key": training,
        "status": "ok" if counts else "failed",
        "reason": None if counts else "out of memory",
        "matrix": "test",
        "method": method,
        "source": "glyphs",
        "target": target,
        "protocol": "5way-1shot",
        "seed": seed,
        "content": content,
        "scores": {"accuracy": metric} if counts else {},
        "summary": {"accuracy": Summary.of(metric)} if counts else {},
        "episodes_hash": episodes if counts else None,
        "cost": Cost(parameters=1, samples=60, encoder_passes=0, flops=0) if counts else None,
        "flags": Flags(transductive=False, labels="none", selection="last", floor=False),
        "curve": [{"step": 1.0, "samples": 60.0, "loss": 1.0}] if counts else [],
        "environment": {"torch": "2.9.0", "device": "cpu"},
    }
    return Record(**given | fields)


@pytest.fixture(scope="session")
def make() -> Callable[..., Record]:
    """A record of one cell; `counts` are correct queries of ten an episode, None for a failed cell."""
    return _make


@pytest.fixture
def save() -> Callable[..., Path]:
    """Write records into a results folder: (folder, *records) -> folder."""

    def write(folder: Path, *records: Record) -> Path:
        for record in records:
            Store(folder).add(record.training_key, [record])
        return folder

    return write
