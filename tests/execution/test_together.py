"""Several runs of one matrix on one store, and parts of a matrix."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import benchbench
from benchbench.execution import claims
from benchbench.execution.claims import JobQueue
from benchbench.execution.job import Event, Job, digest, fail_job
from benchbench.execution.run import sharded
from benchbench.execution.schedule import costs, ordered
from benchbench.planning.matrix import load_matrix
from benchbench.planning.plan import plan
from benchbench.results.merge import merge
from benchbench.store.briefs import Brief
from benchbench.store.files import Store

from .conftest import lines, outcome, wait_for, workers


@pytest.mark.parametrize(("runs", "seeds"), [(2, [0, 1]), pytest.param(4, [0, 1, 2, 3, 4], marks=pytest.mark.full)])
def test_concurrent_runs_train_everything_once(matrix, start, tmp_path, runs, seeds):
    drivers = [start(matrix, tmp_path / "runs", jobs=1, seeds=seeds) for _ in range(runs)]
    done = [outcome(driver) for driver in drivers]
    trainings = 5 * len(seeds)
    assert sum(d["trained"] for d in done) == trainings
    assert [d["trained"] + d["reused"] for d in done] == [trainings] * runs
    assert len(lines(tmp_path / "runs")) == 2 * trainings
    assert not list((tmp_path / "runs" / "leases").iterdir())


@pytest.mark.full
@pytest.mark.parametrize("runs", [2, 4])
def test_what_a_killed_run_held_is_taken_over(matrix, start, tmp_path, runs):
    drivers = [start(matrix, tmp_path / "runs", jobs=1) for _ in range(runs)]
    wait_for(lambda: workers(drivers[0]))
    drivers[0].kill()
    done = [outcome(driver) for driver in drivers[1:]]
    assert [d["trained"] + d["reused"] for d in done] == [25] * (runs - 1)
    assert {r["status"] for r in lines(tmp_path / "runs")} == {"ok"}
    assert len(lines(tmp_path / "runs")) == 50


@pytest.fixture
def jobs(matrix, tmp_path) -> list[Job]:
    """Those of a matrix whose trainings of each seed hold two that share a stage."""
    todo = plan(load_matrix(matrix, {"seeds": [0]}))
    return [Job(t, t.cells, tmp_path / "store") for t in todo.trainings]


def taken(queue: JobQueue) -> list[Job]:
    found = []
    while job := queue.next():
        found.append(job)
    return found


def test_a_job_is_handed_out_once_and_a_stage_never_twice_at_a_time(jobs):
    heard: list[Event] = []
    with JobQueue(jobs, heard.append) as first, JobQueue(jobs, heard.append) as second:
        ours = taken(first)
        stages = [stage.key for job in ours for stage in job.training.stages]
        assert len(set(stages)) == len(stages)
        # One of the two pipelines waits for the stage that they share.
        assert len(ours) == len(jobs) - 1
        assert taken(second) == []
        # It is handed out when the other is done.
        waits = first.waiting[0].training.key
        first.done(next(j for j in ours if len(j.training.stages) == 2))
        assert [j.training.key for j in taken(first)] == [waits]
    assert heard == []


def test_a_trained_stage_is_shared_at_a_time(jobs):
    store = Store(jobs[0].store)
    shared = next(j for j in jobs if len(j.training.stages) == 2).training.stages[0]
    final = store.checkpoint(shared.key, "final")
    final.parent.mkdir(parents=True)
    final.touch()
    with JobQueue(jobs, lambda event: None) as queue:
        assert len(taken(queue)) == len(jobs)


def test_more_jobs_at_a_time_than_a_process_may_usually_open_files(tmp_path):
    resource = pytest.importorskip("resource", reason="this system limits no files")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = len(os.listdir("/proc/self/fd")) + 16 if os.path.exists("/proc/self/fd") else 64
    if before[1] != resource.RLIM_INFINITY and before[1] < few + 100:
        pytest.skip("this system allows no more files")
    todo = plan(load_matrix("ci", {"seeds": list(range(60))}), prepare_data=False)
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, before[1]))
    try:
        with JobQueue([Job(t, t.cells, tmp_path) for t in todo.trainings], lambda event: None) as queue:
            assert len(taken(queue)) >= 60
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_what_another_run_did_meanwhile_is_not_done_again(jobs):
    heard: list[Event] = []
    first, second = jobs[:2]
    with JobQueue([first, second], heard.append) as queue:
        fail_job(first, "by another run", lambda event: None)
        assert [j.training.key for j in taken(queue)] == [second.training.key]
        assert queue.waiting == []
    assert [(e.kind, e.training.key) for e in heard] == [("elsewhere", first.training.key)]


def test_a_failure_that_is_to_be_tried_again_is_left_to_do_until_somebody_did(jobs):
    job = jobs[0]
    fail_job(job, "first", lambda event: None)
    held = Store(job.store).records(job.training.key)
    again = replace(job, replaces=frozenset(digest(r) for r in held.values()))
    assert job.left() == ()
    assert again.left() == job.cells
    fail_job(again, "second", lambda event: None)
    assert again.left() == ()


def test_a_lease_names_its_holder_and_outlives_no_process(jobs, tmp_path, caplog):
    code = "import sys, time; from benchbench.store.files import Store; from pathlib import Path\n"
    code += "lease = Store(Path(sys.argv[1])).lease(sys.argv[2]); lease.acquire(); print(flush=True); time.sleep(1000)"
    command = [sys.executable, "-c", code, str(jobs[0].store), jobs[0].training.key]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()
    try:
        with JobQueue(jobs[:1], lambda event: None) as queue:
            assert queue.next() is None
            assert f"process {holder.pid} on" in caplog.text
            holder.kill()
            holder.wait()
            assert wait_for(queue.next, 10).training == jobs[0].training
    finally:
        holder.kill()
        holder.stdout.close()


def test_a_lease_that_names_nobody_is_taken_over(jobs, monkeypatch):
    """Its maker was killed before it could write its name."""
    monkeypatch.setattr(claims, "NAMELESS", 0.2)
    path = Path(Store(jobs[0].store).lease(jobs[0].training.key).lock_file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with JobQueue(jobs[:1], lambda event: None) as queue:
        assert queue.next() is None
        assert path.exists()
        assert wait_for(queue.next, 10).training == jobs[0].training


def test_shards_are_the_whole_and_their_records_merge(matrix, tmp_path):
    trainings = plan(load_matrix(str(matrix))).trainings
    parts = [sharded(trainings, (i, 3)) for i in (1, 2, 3)]
    assert sorted(t.key for part in parts for t in part) == sorted(t.key for t in trainings)
    assert all(parts)
    for i in (1, 2):
        done = benchbench.run(matrix, tmp_path / f"{i}", executor="inline", shard=(i, 2), seeds=[0])
        assert done.trained == len(sharded(plan(load_matrix(str(matrix), {"seeds": [0]})).trainings, (i, 2)))
    assert merge([tmp_path / "1", tmp_path / "2"], tmp_path / "both") == (10, [])


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/2/3"])
def test_a_shard_that_is_none_is_refused(command, tmp_path, text):
    code, _, err = command("run", "--matrix", "ci", "--results", tmp_path, "--shard", text)
    assert (code, err.count("expected I/N")) == (2, 1)


def test_the_longest_come_first_and_sources_stand_together(jobs):
    def costing(job: Job, seconds: float) -> Brief:
        t = job.training
        return Brief(t.key, t.key, "ok", t.method, t.source_name, seconds)

    short, long, unknown = jobs[0], jobs[2], jobs[3]
    known = costs([costing(short, 10.0), costing(replace(short), 10.0), costing(long, 100.0)])
    assert set(known.values()) == {10.0, 100.0}
    assert ordered([short, long, unknown], known) == [unknown, long, short]
    other = replace(short, training=replace(short.training, source_name="another"))
    known |= {(kind, "another"): 12.0 for kind, _ in known}
    assert [j.training.source_name for j in ordered([short, other, short, other], known)] == ["another"] * 2 + [
        "glyphs"
    ] * 2
