"""Features of a pretrained encoder are made once for all trainings that leave it as it came."""

from pathlib import Path

import pytest
import torch

import benchbench
from benchbench.planning.matrix import parse_matrix
from benchbench.store.files import Store
from benchbench_standard.backbones.conv4 import Conv4

CONTENT = {
    "axes": {
        "pretext": ["none"], "meta": ["cosine", "ridge"], "backbone": ["conv4"], "source": ["digits"],
        "target": ["digits"], "protocol": ["5way-1shot", "knn"],
    },
    "meta": {name: {"of": "readout", "by": name} for name in ("cosine", "ridge")},
    "budget": {"samples": 320},
    "floors": False,
    "settings": {"backbone": {"conv4": {"width": 4}}, "protocol": {"episodic": {"episodes": 4}}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def pretrained(monkeypatch) -> None:
    monkeypatch.setattr(Conv4, "pretrained_on", "photographs")


@pytest.fixture
def encoded(monkeypatch) -> list[int]:
    """The sizes of the batches that were encoded."""
    sizes: list[int] = []
    forward = Conv4.forward

    def counted(self: Conv4, x: torch.Tensor) -> torch.Tensor:
        sizes.append(0 if self.training else len(x))
        return forward(self, x)

    monkeypatch.setattr(Conv4, "forward", counted)
    return sizes


def scores(results: Path, **axes: list[str]) -> dict[tuple[str, str], dict]:
    content = {**CONTENT, "axes": {**CONTENT["axes"], **axes}}
    records = benchbench.run(parse_matrix(content, "frozen"), results, executor="inline").records
    return {(r.content["learner"]["settings"]["by"], r.protocol): r.scores for r in records}


def kept(results: Path) -> list[Path]:
    return sorted(Store(results).features.glob("*"))


def test_a_second_reader_finds_them(tmp_path: Path, encoded) -> None:
    both = scores(tmp_path / "both")
    once = sum(encoded)
    assert len(kept(tmp_path / "both")) == 1
    encoded.clear()
    alone = scores(tmp_path / "alone", meta=["ridge"])
    # Besides, each reader looks at a few samples to see that features depend on no batch.
    assert sum(encoded) > once - 20
    assert alone == {name: found for name, found in both.items() if name[0] == "ridge"}


def test_what_is_damaged_is_made_again(tmp_path: Path, encoded) -> None:
    first = scores(tmp_path, meta=["cosine"])
    for path in kept(tmp_path):
        path.write_bytes(path.read_bytes()[:-8])
    assert scores(tmp_path, meta=["ridge"]).keys() == {("ridge", "5way-1shot"), ("ridge", "knn")}
    again = kept(tmp_path)
    encoded.clear()
    record = Store(tmp_path).root / "records"
    for path in record.iterdir():
        path.unlink()
    assert scores(tmp_path, meta=["cosine"]) == first
    assert (kept(tmp_path), sum(encoded) < 20) == (again, True)


def test_other_weights_have_others(tmp_path: Path) -> None:
    """A seed begins with weights of its own."""
    content = {**CONTENT, "seeds": [0, 1], "axes": {**CONTENT["axes"], "protocol": ["5way-1shot"]}}
    benchbench.run(parse_matrix(content, "frozen"), tmp_path, executor="inline")
    assert len(kept(tmp_path)) == 2


def test_where_they_cannot_be_kept_they_are_made(tmp_path: Path, caplog) -> None:
    (tmp_path / "features").write_text("in the way")
    assert len(scores(tmp_path)) == 4
    assert "features are not kept" in caplog.text


def test_a_trained_encoder_keeps_none(tmp_path: Path) -> None:
    scores(tmp_path, pretext=["labels"], meta=["cosine"], source=["glyphs"])
    assert kept(tmp_path) == []


def test_nor_does_one_that_begins_at_random(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Conv4, "pretrained_on", None)
    scores(tmp_path)
    assert kept(tmp_path) == []
