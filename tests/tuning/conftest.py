import pytest
import tomli_w

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


@pytest.fixture
def tune(command, tmp_path):
    """Run ``benchbench tune`` on a space, as text, and the content of a matrix: exit code, standard output, standard
    error and the file that it writes."""

    def run(space, matrix, trials=1):
        space_file, matrix_file, output = (tmp_path / f"{name}.toml" for name in ("space", "matrix", "tuned"))
        space_file.write_text(space)
        matrix_file.write_text(tomli_w.dumps(matrix))
        given = ["--matrix", matrix_file, "--trials", trials, "--results", tmp_path, "--output", output]
        return *command("tune", space_file, *given, "--device", "cpu"), output

    return run
