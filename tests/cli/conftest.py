import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchbench.keys import content_key
from benchbench.store.files import Store
from benchbench.store.records import Flags, Method, Metric, Record, Summary
from tests.results.conftest import make, save  # noqa: F401


def record(pretext: str, status: str = "ok") -> Record:
    metric = Metric(values=[3, 4], denominator=5)
    return Record(
        key=content_key(pretext),
        training_key=content_key([pretext]),
        status=status,
        reason=None if status == "ok" else "out of memory",
        matrix="tiny",
        method=Method(pretext=pretext, meta="protonet", backbone="conv4", regime="pseudo"),
        source="glyphs",
        target="digits",
        protocol="5way-1shot",
        seed=0,
        content={},
        scores={"accuracy": metric} if status == "ok" else {},
        summary={"accuracy": Summary.of(metric)} if status == "ok" else {},
        flags=Flags(transductive=False, labels="none", selection="last", floor=False),
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A store with one cell done, one failed and one waiting."""
    store = Store(tmp_path / "my runs").open()
    records = [record("rotation"), record("jigsaw", "failed")]
    for r in records:
        store.add(r.training_key, [r])
    trainings = [
        {
            "key": r.training_key,
            "label": r.method.label,
            "method": asdict(r.method),
            "source": r.source,
            "seed": r.seed,
            "stages": [content_key(r.method.label)],
            "cells": [{"key": r.key, "target": r.target, "protocol": r.protocol}],
        }
        for r in [*records, record("waiting")]
    ]
    (store.root / "plans").mkdir()
    (store.root / "plans" / "tiny.json").write_text(json.dumps({"matrix": "tiny", "trainings": trainings}))
    return store.root
