"""A GPU without memory for a meta-batch: its tasks are split, never a self-supervised batch."""

from pathlib import Path

import pytest
import torch

from benchbench import Episodes
from benchbench.data.prepare import prepare
from benchbench.execution import job
from benchbench.execution.job import Job, run_job
from benchbench.planning.matrix import parse_matrix
from benchbench.planning.plan import plan
from benchbench.store.files import Store
from benchbench.training.stage import StageRun

FITS = 2


def training(meta: str):
    content = {
        "axes": {
            "pretext": ["rotation"],
            "meta": [meta],
            "backbone": ["mlp"],
            "source": ["glyphs"],
            "target": ["digits"],
            "protocol": ["5way-1shot"],
        },
        "floors": False,
        "budget": {"steps": 4},
        "episodes": {"meta_batch": 4, "queries": 2},
        "training": {"batch_size": 8},
        "settings": {"protocol": {"episodic": {"episodes": 2}}, "backbone": {"mlp": {"width": 8}}},
    }
    return plan(parse_matrix(content, "test")).trainings[0]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A device that holds the graphs of two tasks at once, and runs out of memory after it added a gradient."""
    from benchbench.training.learner import MetaLearner

    sizes: list[int] = []
    whole = MetaLearner.backward

    def backward(self: MetaLearner, episodes: Episodes, rng: object, weight: float = 1.0):
        sizes.append(len(episodes))
        if len(episodes) > FITS:
            whole(self, episodes, rng, weight)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, episodes, rng, weight)

    monkeypatch.setattr(MetaLearner, "backward", backward)
    return sizes


def test_tasks_are_split_and_the_result_is_that_of_chunks_that_fit(small, monkeypatch):
    work = training("protonet")
    trained, (result,) = job.train(work, prepare(work.source), None, "cpu", lambda m: None)
    # Four classes where five were asked for: five tasks a step instead of four.
    assert small == [4, *4 * [2, 2, 1]], "asked once for too much, then never again"
    assert result.chunk == FITS
    monkeypatch.setattr("benchbench.training.stage.CHUNK", FITS)
    expected, (plain,) = job.train(work, prepare(work.source), None, "cpu", lambda m: None)
    for name, value in expected.encoder.state_dict().items():
        assert torch.equal(trained.encoder.state_dict()[name], value), name
    assert (result.flops, result.encoder_passes) == (plain.flops, plain.encoder_passes)


def test_it_is_recorded_beside_what_is_volatile(small, tmp_path: Path):
    work = training("protonet")
    run_job(Job(work, work.cells, tmp_path), lambda event: None)
    (record,) = Store(tmp_path).records(work.key).values()
    assert (record.status, record.environment["tasks_at_once"]) == ("ok", FITS)


def test_a_single_task_that_does_not_fit_fails(small, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(f"{__name__}.FITS", 0)
    work = training("protonet")
    run_job(Job(work, work.cells, tmp_path), lambda event: None)
    (record,) = Store(tmp_path).records(work.key).values()
    assert record.reason == "OutOfMemoryError: CUDA out of memory"
    assert small == [4, 2, 1]


def test_a_self_supervised_batch_is_never_split(monkeypatch, tmp_path: Path):
    asked: list[int] = []

    def plain(self: StageRun, rng: object, weight: float = 1.0) -> dict[str, float]:
        asked.append(self.batch_size)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(StageRun, "_plain", plain)
    work = training("nearest-centroid")
    run_job(Job(work, work.cells, tmp_path), lambda event: None)
    (record,) = Store(tmp_path).records(work.key).values()
    assert (record.status, asked) == ("failed", [8])
