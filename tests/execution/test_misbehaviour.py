"""A plugin that misbehaves costs its own cells and nothing else."""

import os
from pathlib import Path

import psutil
import pytest

import benchbench
from benchbench.matrix import parse_matrix

from .conftest import lines, wait_for

pytestmark = pytest.mark.usefixtures("faulty")


def run(pretexts: list[str], store: Path, *, metas: tuple[str, ...] = ("nearest-centroid",), **options: object):
    content = {
        "name": "faulty",
        "floors": False,
        "axes": {
            "pretext": pretexts,
            "meta": list(metas),
            "backbone": ["mlp"],
            "source": ["glyphs"],
            "target": ["digits", "symbols"],
            "protocol": ["5way-1shot"],
        },
        "budget": {"steps": 2},
        "training": {"batch_size": 8},
        "settings": {"protocol": {"episodic": {"episodes": 2}}, "backbone": {"mlp": {"width": 8}}},
    }
    done = benchbench.run(parse_matrix(content, "test"), store, jobs=2, **options)
    found = {(r["method"]["pretext"], r["method"]["meta"], r["target"]): r for r in lines(store)}
    assert len(found) == 2 * len(pretexts) * len(metas), "one record a cell"
    return done, found


def test_each_failure_is_one_record_a_cell_with_its_reason_and_the_rest_goes_on(tmp_path):
    reasons = {
        "construct": "OSError: no such licence server",
        "raise": "LocalError: ",
        "segfault": "its process was killed by SIGSEGV",
        "nan": "non-finite loss at step 1 of 2",
        "print": "RuntimeError: after many words",
        "exit": "a plugin ended its process: sys.exit(0)",
        "end": "its process ended before its training, with exit code 0",
        "kill": "its process was killed by SIGKILL, as the kernel does where memory is short",
    }
    pretexts = [f"faulty-{name}" for name in reasons]
    done, found = run([*pretexts, "rotation"], tmp_path, metas=("nearest-centroid", "faulty-evaluate"))
    assert (done.trained, len(done.failed)) == (1, 2 * len(pretexts) + 1)
    for name, reason in reasons.items():
        for target in ("digits", "symbols"):
            record = found[f"faulty-{name}", "nearest-centroid", target]
            assert record["status"] == "failed"
            assert record["reason"].startswith(reason)
    assert found["rotation", "nearest-centroid", "digits"]["status"] == "ok"
    assert found["rotation", "faulty-evaluate", "digits"]["reason"] == "ZeroDivisionError: nothing to divide"

    def failure(name: str, meta: str = "nearest-centroid") -> dict[str, str]:
        return found[name, meta, "digits"]["environment"]["failure"]

    assert 'raise OSError("no such licence server")' in failure("faulty-construct")["traceback"]
    assert "nothing to divide" in failure("rotation", "faulty-evaluate")["traceback"]
    # faulthandler says where.
    assert "benchbench_faulty.py" in failure("faulty-segfault")["output"]
    assert 'in harm' in failure("faulty-segfault")["output"]
    assert "the last line" in failure("faulty-print")["output"]
    log = (tmp_path / failure("faulty-print")["log"]).read_bytes()
    assert log.startswith(b"the first line\n")
    assert b"is left out" in log
    assert log.rstrip().endswith(b"RuntimeError: after many words")
    assert 2 * 2**20 < len(log) < 3 * 2**20 + 200
    assert not list((tmp_path / "leases").iterdir())


def test_what_hangs_is_ended_with_all_its_children(tmp_path, monkeypatch):
    monkeypatch.setenv("FAULTY_CHILDREN", str(tmp_path / "children"))
    done, found = run(["faulty-hang"], tmp_path / "hang", limits={"timeout": 4})
    assert [r["reason"] for r in found.values()] == ["it took longer than the timeout of 4 s"] * 2
    assert [r["timing"]["failed_seconds"] >= 4 for r in found.values()] == [True] * 2
    assert (done.trained, len(done.failed)) == (0, 1)


def test_what_a_plugin_forks_dies_with_its_training(tmp_path, monkeypatch):
    monkeypatch.setenv("FAULTY_CHILDREN", str(tmp_path / "children"))
    # The server of processes may run already, with the environment of its time.
    monkeypatch.setattr("benchbench.execution.worker.work", _with_children(tmp_path / "children"), raising=True)
    done, found = run(["faulty-fork"], tmp_path / "runs")
    assert {r["status"] for r in found.values()} == {"ok"}
    children = [int(n) for n in (tmp_path / "children").read_text().split()]
    assert len(children) == 2
    wait_for(lambda: not any(psutil.pid_exists(c) and _sleeps(c) for c in children), 10)


def test_memory_is_limited(tmp_path):
    done, found = run(["faulty-leak"], tmp_path, limits={"memory": 1})
    assert all("more than the limit of 1 GiB of memory" in r["reason"] for r in found.values())
