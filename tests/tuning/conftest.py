import pytest

from benchbench.store.files import Store
from benchbench.tuning import search as searching


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "tuning").open()


@pytest.fixture
def judged(monkeypatch):
    """Trials are judged by their inner rate, best at 0.1, without training; the trials so far."""
    seen = []

    def judge(training, *_):
        rate = training.content["learner"]["settings"]["inner_lr"]
        seen.append(rate)
        return -abs(rate - 0.1)

    monkeypatch.setattr(searching, "_score", judge)
    return seen
