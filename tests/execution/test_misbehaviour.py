"""A plugin that misbehaves costs its own cells and nothing else."""

import json
import multiprocessing
from dataclasses import replace

import psutil

from benchbench.execution import local
from benchbench.execution.job import Event, Job
from benchbench.planning.matrix import load_matrix
from benchbench.planning.plan import plan

from .conftest import lines, outcome, wait_for

MATRIX = """
name = "faulty"
floors = false
[axes]
pretext = {pretexts}
meta = ["nearest-centroid"]
backbone = ["mlp"]
source = ["glyphs"]
target = ["digits", "symbols"]
protocol = ["5way-1shot"]
[budget]
steps = 2
[training]
batch_size = 8
[settings.backbone.mlp]
width = 8
[settings.protocol.episodic]
episodes = 2
[[include]]
pretext = "rotation"
meta = "faulty-evaluate"
"""

REASONS = {
    "construct": "OSError: no such licence server",
    "raise": "LocalError: ",
    "segfault": "its process was killed by SIGSEGV",
    "nan": "non-finite loss at step 1 of 2",
    "print": "RuntimeError: after many words",
    "exit": "a plugin ended its process: sys.exit(0)",
    "end": "its process ended before its training, with exit code 0",
    "kill": "its process was killed by SIGKILL, as the kernel does where memory is short",
    "hang": "it took longer than the timeout of 20 s",
    "leak": "it held ",
}


def test_each_failure_is_one_record_a_cell_with_its_reason_and_the_rest_goes_on(start, tmp_path, monkeypatch):
    monkeypatch.setenv("FAULTY_CHILDREN", str(tmp_path / "children"))
    # What hangs begins first: the others run beside it.
    pretexts = ["faulty-hang", *(f"faulty-{name}" for name in REASONS if name != "hang"), "faulty-fork", "rotation"]
    matrix = tmp_path / "matrix.toml"
    matrix.write_text(MATRIX.format(pretexts=json.dumps(pretexts)))
    limits = {"timeout": 20, "memory": 2.5}
    done = outcome(start(matrix, tmp_path / "runs", jobs=2, executor_settings=limits))
    found = {(r["method"]["pretext"], r["method"]["meta"], r["target"]): r for r in lines(tmp_path / "runs")}
    assert len(found) == 2 * (len(pretexts) + 1), "one record a cell"
    assert (done["trained"], len(done["failed"])) == (2, len(REASONS) + 1)
    for name, reason in REASONS.items():
        for target in ("digits", "symbols"):
            record = found[f"faulty-{name}", "nearest-centroid", target]
            assert record["status"] == "failed"
            assert record["reason"].startswith(reason)
    assert "more than the limit of 2.5 GiB of memory" in found["faulty-leak", "nearest-centroid", "digits"]["reason"]
    assert found["faulty-hang", "nearest-centroid", "digits"]["timing"]["failed_seconds"] >= 20
    assert found["rotation", "nearest-centroid", "digits"]["status"] == "ok"
    assert found["rotation", "faulty-evaluate", "digits"]["reason"] == "ZeroDivisionError: nothing to divide"

    def failure(pretext: str, meta: str = "nearest-centroid") -> dict[str, str]:
        return found[pretext, meta, "digits"]["environment"]["failure"]

    assert 'raise OSError("no such licence server")' in failure("faulty-construct")["traceback"]
    assert "nothing to divide" in failure("rotation", "faulty-evaluate")["traceback"]
    # faulthandler says where.
    assert "benchbench_faulty.py" in failure("faulty-segfault")["output"]
    assert "in harm" in failure("faulty-segfault")["output"]
    # Of 100 MB the beginning and the end.
    assert "the last line" in failure("faulty-print")["output"]
    log = (tmp_path / "runs" / failure("faulty-print")["log"]).read_bytes()
    assert log.startswith(b"the first line\n")
    assert b"is left out" in log
    assert log.rstrip().endswith(b"RuntimeError: after many words")
    assert 2 * 2**20 < len(log) < 3 * 2**20 + 200
    # Children that a plugin forked died with it.
    assert found["faulty-fork", "nearest-centroid", "digits"]["status"] == "ok"
    children = [int(n) for n in (tmp_path / "children").read_text().split()]
    assert len(children) == 2
    wait_for(lambda: not any(map(psutil.pid_exists, children)), 10)
    assert not list((tmp_path / "runs" / "leases").iterdir())


def test_settings_that_no_process_can_be_sent_fail_their_training(matrix, tmp_path, monkeypatch):
    training = plan(load_matrix(matrix, {"seeds": [0]})).trainings[0]
    odd = replace(training, source=training.source.model_copy(update={"settings": {"draw": lambda: 0}}))
    # It computes nothing, so it may be forked from here.
    monkeypatch.setattr(local, "_server", lambda jobs: multiprocessing.get_context("fork"))
    heard: list[Event] = []
    local.Local().run([Job(odd, odd.cells, tmp_path)], heard.append)
    assert [e.kind for e in heard] == ["started", "failed"]
    records = lines(tmp_path)
    assert {r["key"] for r in records} == {c.key for c in odd.cells}
    assert {r["status"] for r in records} == {"failed"}
    assert all("<lambda>" in r["reason"] for r in records)
