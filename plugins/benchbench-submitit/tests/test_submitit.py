"""Jobs on this machine and of a stand-in for SLURM: the same records as without, whatever happens to a job."""

import json
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

import benchbench
from benchbench.testing import installed

pytest.importorskip("submitit", reason="submitit is not installed: pip install submitit")
import benchbench_submitit
from benchbench_submitit import Submitit

MATRIX = """
name = "jobs"
floors = false
[axes]
pretext = ["labels"]
meta = ["nearest-centroid", "protonet"]
backbone = ["mlp"]
source = ["glyphs"]
target = ["digits"]
protocol = ["5way-1shot"]
[budget]
steps = STEPS
[episodes]
meta_batch = 2
queries = 2
[settings.protocol.episodic]
episodes = 5
[settings.backbone.mlp]
width = 8
depth = 1
"""
#: The second training fails: its loss is soon not finite.
DIVERGES = """
[[when]]
meta = "protonet"
training = {optimiser = "sgd", lr = 1e30}
"""
#: Does for submitit what SLURM's commands do: jobs are processes here, and a file tells how each is.
SLURM = """#!PYTHON
import json, os, pathlib, re, shlex, signal, subprocess, sys
here, command, arguments = pathlib.Path(__file__).parent, pathlib.Path(sys.argv[0]).name, sys.argv[1:]
with open(here / "asked", "a") as file:
    print(command, *arguments, file=file)
if command == "sbatch":
    if (here / "refuses").exists():
        sys.exit("sbatch: error: invalid partition specified: gpu")
    number = str(100 + len(list(here.glob("*.job"))))
    (here / f"{number}.sh").write_text(pathlib.Path(arguments[0]).read_text())
    code = f"({sys.executable} {here / 'sbatchd'} {number}) >/dev/null 2>&1 &"
    subprocess.run(code, shell=True, check=True)
    (here / f"{number}.job").write_text("PENDING")
    print(f"Submitted batch job {number}")
elif command == "sbatchd":
    (number,) = arguments
    environment = {**os.environ, "SLURM_JOB_ID": number}
    with open(here / f"{number}.pid", "w") as file:
        file.write(str(os.getpid()))
    code = subprocess.call(["bash", here / f"{number}.sh"], env=environment)
    (here / f"{number}.job").write_text("COMPLETED" if code == 0 else "OUT_OF_MEMORY")
elif command == "srun":
    number = os.environ["SLURM_JOB_ID"]
    where = {name: arguments[arguments.index(name) + 1] for name in ("--output", "--error")}
    out, error = (open(w.replace("%j", number).replace("%t", "0"), "a") for w in where.values())
    rest = arguments[arguments.index("--error") + 2 :]
    os.dup2(out.fileno(), 1); os.dup2(error.fileno(), 2)
    os.execvpe(rest[0], rest, {**os.environ, "SLURM_PROCID": "0", "SLURM_LOCALID": "0"})
elif command == "sacct":
    print("JobID|State|NodeList")
    for path in here.glob("*.job"):
        print(f"{path.stem}|{path.read_text()}|here")
elif command == "scancel":
    (here / f"{arguments[0]}.job").write_text("CANCELLED by 0")
"""


@pytest.fixture(autouse=True)
def executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The executor as `run` finds it once it is installed, here and in the processes that it starts."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with installed(Path(benchbench_submitit.__file__).parent):
        yield


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the commands of `SLURM`."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name in ("sbatch", "sbatchd", "srun", "sacct", "scancel"):
        (folder / name).write_text(SLURM.replace("PYTHON", sys.executable))
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def matrix(tmp_path: Path, steps: int = 20, more: str = "") -> Path:
    path = tmp_path / "jobs.toml"
    path.write_text(MATRIX.replace("STEPS", str(steps)) + more)
    return path


def run(path: Path, store: Path, report: Callable[[Any], None] | None = None, **settings: Any) -> Any:
    only = settings.pop("only", None)
    return benchbench.run(
        path, store, executor="submitit", executor_settings=settings, report=report, only=only and {"meta": [only]}
    )


def lasting(store: Path) -> dict[str, Any]:
    """Records by key, without what is volatile."""
    lines = [line for path in (store / "records").glob("*.jsonl") for line in path.read_text().splitlines()]
    return {
        r["key"]: {k: v for k, v in r.items() if k not in ("timing", "environment")} for r in map(json.loads, lines)
    }


def tasks(store: Path) -> list[psutil.Process]:
    """The processes that train for a store."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "submitit.core._submit" in words and str(store / "submitit") in words:
            found.append(process)
    return found


@pytest.mark.parametrize("cluster", ["local", "debug"])
def test_jobs_make_the_records_that_one_process_makes(tmp_path: Path, cluster: str) -> None:
    asked, heard = matrix(tmp_path, more=DIVERGES), []  # type: ignore[var-annotated]
    benchbench.run(asked, tmp_path / "alone", executor="inline")
    done = run(asked, tmp_path / "jobs", heard.append, cluster=cluster)
    assert done.trained == 1
    assert [reason[:15] for _, reason in done.failed] == ["non-finite loss"]
    assert lasting(tmp_path / "jobs") == lasting(tmp_path / "alone")
    kinds = {kind: sum(e.kind == kind for e in heard) for kind in ("started", "record", "finished", "failed")}
    assert kinds == {"started": 2, "record": 1, "finished": 1, "failed": 1}
    assert any("loss" in e.data for e in heard if e.kind == "progress")
    (record,) = (e.data for e in heard if e.kind == "record")
    assert record.status == "ok"
    assert not list((tmp_path / "jobs" / "submitit").glob("*.pkl"))
    assert not list((tmp_path / "jobs" / "submitit").glob("*.events"))


def signalled(store: Path, signum: int) -> Callable[[Any], None]:
    """Signals the first job that takes a step, once."""
    done: list[int] = []

    def hear(event: Any) -> None:
        if event.kind == "progress" and "step" in event.data and not done:
            (process,) = tasks(store)
            process.send_signal(signum)
            done.append(process.pid)

    return hear


def test_a_job_that_is_killed_becomes_a_failed_record(tmp_path: Path) -> None:
    store = tmp_path / "jobs"
    done = run(matrix(tmp_path, 4000), store, signalled(store, signal.SIGKILL), cluster="local", only="protonet")
    ((_, reason),) = done.failed
    assert reason.startswith("its job ")
    assert reason.endswith(" ended before its training")
    (record,) = done.records
    assert (record.status, record.reason) == ("failed", reason)
    assert record.environment["failure"]["log"].startswith("submitit/")


@pytest.mark.full
def test_a_job_over_its_limit_becomes_a_failed_record(tmp_path: Path) -> None:
    # submitit takes its signal for a time limit of minutes, where there are few.
    store = tmp_path / "jobs"
    hear = signalled(store, signal.SIGUSR2)
    done = run(matrix(tmp_path, 4000), store, hear, cluster="local", minutes=5, only="protonet")
    assert [reason for _, reason in done.failed] == ["it took longer than the limit of 5 minutes"]


def test_a_job_that_is_preempted_resumes_at_its_checkpoint(tmp_path: Path) -> None:
    store, heard, asked = tmp_path / "jobs", [], matrix(tmp_path, 300)  # type: ignore[var-annotated]
    preempt = signalled(store, signal.SIGUSR2)

    def hear(event: Any) -> None:
        heard.append(event)
        preempt(event)

    done = run(asked, store, hear, cluster="local", only="protonet")
    assert (done.trained, done.failed) == (1, [])
    assert sum(e.kind == "started" for e in heard) == 1
    steps = [e.data["step"] for e in heard if e.kind == "progress" and "step" in e.data]
    assert steps == sorted(set(steps)), "it began anew"
    benchbench.run(asked, tmp_path / "alone", executor="inline", only={"meta": ["protonet"]})
    assert lasting(store) == lasting(tmp_path / "alone")


def test_ctrl_c_cancels_the_jobs_and_the_next_run_takes_them_up(tmp_path: Path) -> None:
    store, heard, asked = tmp_path / "jobs", [], matrix(tmp_path, 4000)  # type: ignore[var-annotated]

    def hear(event: Any) -> None:
        heard.append(event.kind)
        if event.kind == "progress" and heard.count("progress") == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(asked, store, hear, cluster="local", only="protonet")
    assert heard[-1] == "stopped"
    deadline = time.monotonic() + 30
    while tasks(store) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not tasks(store)
    assert lasting(store) == {}


def test_slurm_is_asked_for_what_is_set(tmp_path: Path, slurm: Path) -> None:
    settings = {"partition": "gpu", "minutes": 30, "memory": 2.5, "cpus": 3, "jobs": 1}
    asked = matrix(tmp_path)
    done = run(asked, tmp_path / "jobs", **settings)
    assert (done.trained, done.failed) == (2, [])
    benchbench.run(asked, tmp_path / "alone", executor="inline")
    assert lasting(tmp_path / "jobs") == lasting(tmp_path / "alone")
    for number in ("100", "101"):
        script = (slurm / f"{number}.sh").read_text()
        for line in ("partition=gpu", "time=30", "mem=2560MB", "cpus-per-task=3"):
            assert f"#SBATCH --{line}\n" in script
        assert "gpus" not in script


def test_a_gpu_is_asked_for_on_cuda_alone(tmp_path: Path) -> None:
    training: Any = SimpleNamespace(key="0123456789abcdef", recipe={"threads": 1})
    asked = {d: Submitit(gpus=2).asks(benchbench.Job(training, (), tmp_path, d)) for d in ("cpu", "cuda")}
    about = {"name": f"benchbench-{training.key[:8]}", "timeout_min": 240, "cpus_per_task": 1}
    assert asked == {"cpu": about, "cuda": {**about, "gpus_per_node": 2}}


@pytest.mark.full
def test_a_job_that_slurm_kills_is_named_by_its_state(
    tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(benchbench_submitit.GRACE, "slurm", 0.5)
    monkeypatch.setattr(benchbench_submitit, "ASK", 1.0)
    store = tmp_path / "jobs"
    done = run(matrix(tmp_path, 4000), store, signalled(store, signal.SIGKILL), only="protonet")
    assert [reason for _, reason in done.failed] == ["its job 100 ended before its training (OUT_OF_MEMORY)"]


@pytest.mark.full
def test_ctrl_c_cancels_what_waits_at_slurm(tmp_path: Path, slurm: Path) -> None:
    heard: list[str] = []

    def hear(event: Any) -> None:
        heard.append(event.kind)
        if len(heard) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(matrix(tmp_path), tmp_path / "jobs", hear)
    asked = (slurm / "asked").read_text().splitlines()
    assert {line for line in asked if line.startswith("scancel")} == {"scancel 100", "scancel 101"}


def test_what_is_wrong_is_said(tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (slurm / "refuses").touch()
    with pytest.raises(benchbench.BenchbenchError, match=r"executor submitit: a job was refused: .*invalid partition"):
        run(matrix(tmp_path), tmp_path / "jobs", partition="gpu")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(benchbench.BenchbenchError, match=r"on a slurm cluster.*executor-option cluster=local"):
        run(matrix(tmp_path), tmp_path / "jobs")
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(benchbench.BenchbenchError, match="pip install benchbench-submitit"):
        run(matrix(tmp_path), tmp_path / "jobs")
