"""A matrix from the command line: records, reuse, determinism, crashes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def stable_records(store: Path) -> dict[str, dict]:
    """Records by key without what is volatile."""
    found = {}
    for path in sorted((store / "records").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            del record["timing"], record["environment"]
            found[record["key"]] = record
    return found


def test_same_seed_same_records_with_one_job_and_two_and_a_second_run_trains_nothing(benchbench, tiny, tmp_path):
    one = benchbench("run", "--matrix", tiny, "--results", tmp_path / "one", "--executor", "inline", "--quiet")
    assert one.returncode == 0, one.stderr
    assert "trained 6, reused 0" in one.stdout
    two = benchbench("run", "--matrix", tiny, "--results", tmp_path / "two", "--jobs", 2, "--quiet")
    assert "trained 6, reused 0" in two.stdout, two.stderr
    records = stable_records(tmp_path / "one")
    assert len(records) == 6
    assert records == stable_records(tmp_path / "two")
    again = benchbench("run", "--matrix", tiny, "--results", tmp_path / "two", "--quiet")
    assert "trained 0, reused 6" in again.stdout
    assert {r["status"] for r in records.values()} == {"ok"}
    assert all(len(r["scores"]["accuracy"]["values"]) == 10 for r in records.values())
    episodes = {r["episodes_hash"] for r in records.values()}
    assert len(episodes) == 1, "every method is scored on the same episodes"
    status = benchbench("status", tmp_path / "two")
    assert "tiny" in status.stdout


def test_precision_is_in_keys_records_and_tables_and_a_record_of_it_comes_out_again(benchbench, tiny, tmp_path):
    base = ("run", "--matrix", tiny, "--only", "pretext=labels", "--executor", "inline", "--quiet")
    base = (*base, "--set", "floors=false", "--results", tmp_path / "runs")
    for precision in ("float32", "bfloat16"):
        done = benchbench(*base, "--set", f"training.precision={precision}")
        assert "trained 2, reused 0" in done.stdout, done.stderr
    assert "trained 0, reused 2" in benchbench(*base).stdout
    records = stable_records(tmp_path / "runs").values()
    assert sorted(r["content"]["recipe"]["precision"] for r in records) == ["bfloat16"] * 2 + ["float32"] * 2
    for method in ("nearest-centroid", "protonet"):
        two = [r["scores"] for r in records if r["method"]["meta"] == method]
        assert two[0] != two[1]
    table = benchbench("leaderboard", tmp_path / "runs", "--output", tmp_path).stdout
    assert "precision bfloat16" in table
    assert "precision float32" in table
    again = benchbench("results", "audit", tmp_path / "runs", "--sample", 4)
    assert again.returncode == 0, again.stdout
    assert "repeated 4 of 4 records, 0 differ" in again.stdout


def test_killed_in_the_middle_it_resumes_to_the_same_records(benchbench, tiny, tmp_path):
    tiny.write_text(tiny.read_text().replace("samples = 1200", "samples = 12000").replace('"rotation"', '"none"'))
    only = ("--only", "pretext=labels", "--only", "meta=protonet")
    base = ("run", "--matrix", tiny, *only, "--quiet")
    whole = benchbench(*base, "--results", tmp_path / "whole", "--executor", "inline")
    assert whole.returncode == 0, whole.stderr
    store = tmp_path / "killed"
    command = [sys.executable, "-m", "benchbench", *map(str, base), "--results", str(store), "--executor", "inline"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(store.glob("checkpoints/*/resume.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(store.glob("records/*.jsonl")), "killed before it ended"
    resumed = benchbench(*base, "--results", store, "--executor", "inline")
    assert resumed.returncode == 0, resumed.stderr
    assert stable_records(store) == stable_records(tmp_path / "whole")


def test_a_training_that_diverges_fails_alone(benchbench, tiny, tmp_path):
    text = tiny.read_text() + '\n[[when]]\nmeta = "protonet"\npretext = "labels"\n'
    tiny.write_text(text + 'training = { optimiser = "sgd", lr = 1e30 }\n')
    done = benchbench("run", "--matrix", tiny, "--results", tmp_path / "runs", "--only", "pretext=labels", "--jobs", 2)
    assert done.returncode == 1
    assert "non-finite loss at step" in done.stderr
    states = [r["status"] for r in stable_records(tmp_path / "runs").values()]
    assert sorted(states) == ["failed", "ok"]
    assert "failed" in done.stdout


def test_a_record_file_cut_in_half_is_reported_and_the_rest_used(benchbench, tiny, tmp_path):
    store = tmp_path / "runs"
    done = benchbench("run", "--matrix", tiny, "--results", store, "--only", "pretext=labels", "--executor", "inline")
    assert done.returncode == 0, done.stderr
    path = sorted((store / "records").glob("*.jsonl"))[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    shown = benchbench("leaderboard", store)
    assert shown.returncode == 0
    assert f"{path.name}:1: not a whole record" in shown.stderr


def test_reuse_across_changed_code_is_announced_and_can_be_refused(benchbench, tiny, tmp_path):
    store = tmp_path / "runs"
    base = ("run", "--matrix", tiny, "--results", store, "--only", "pretext=rotation", "--quiet")
    assert "trained 2, reused 0" in benchbench(*base).stdout
    assert "reused across code change" not in benchbench(*base).stderr
    path = next(p for p in (store / "records").glob("*.jsonl") if '"meta":"protonet"' in p.read_text())
    record = json.loads(path.read_text())
    sources = record["environment"]["source_hashes"]
    current = sources["benchbench-suite:rotation"]
    sources["benchbench-suite:rotation"] = "of other code"
    path.write_text(json.dumps(record) + "\n")
    again = benchbench(*base)
    assert "trained 0, reused 2" in again.stdout
    assert "reused across code change (rotation): rotation × protonet" in again.stderr
    assert "trained 1, reused 1" in benchbench(*base, "--rerun-changed").stdout
    assert json.loads(path.read_text())["environment"]["source_hashes"]["benchbench-suite:rotation"] == current
    assert not list((store / "progress").glob("*.json")), "nothing runs any more"
