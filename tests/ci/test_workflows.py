"""Workflows call make targets and nothing else, so that all they do can be done by hand."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from benchbench.planning.matrix import load_matrix

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
JOBS = {
    f"{path.stem}/{name}": job
    for path in WORKFLOWS
    for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items()
}


def runs(job: dict) -> list[str]:
    """The commands of a job."""
    return [step["run"] for step in job["steps"] if "run" in step]


COMMANDS = [command for job in JOBS.values() for command in runs(job)]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):", MAKEFILE, re.MULTILINE))


def test_there_are_jobs_for_tests_matrix_regeneration_and_audit():
    assert set(JOBS) == {
        "tests/tests",
        "tests/lowest",
        "tests/docs",
        "leaderboard/matrix",
        "leaderboard/regenerate",
        "leaderboard/publish",
        "leaderboard/audit",
        "leaderboard/submission",
        "leaderboard/regressions",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_steps_call_one_target_that_exists(command):
    called = re.fullmatch(r"make ([\w-]+)((?: [A-Z_]+=(?:[\w.]+|\$\{\{ [\w.]+ \}\})+)*)", command)
    assert called, command
    assert called[1] in targets()
    variables = re.findall(r"([A-Z_]+)=", called[2])
    assert all(re.search(rf"^(export )?{name}\b", MAKEFILE, re.MULTILINE) for name in variables)


@pytest.mark.parametrize("name", JOBS)
def test_every_step_runs_or_uses_a_pinned_action(name):
    for step in JOBS[name]["steps"]:
        assert ("run" in step) != ("uses" in step), step
        assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/none@v1")), step


def test_what_is_kept_between_runs_is_where_the_matrix_is_trained():
    store = re.search(r"^CI_STORE := (.+)$", MAKEFILE, re.MULTILINE)[1]
    steps = JOBS["leaderboard/matrix"]["steps"]
    (kept,) = (s["with"] for s in steps if s.get("uses", "").startswith("actions/cache@"))
    assert kept["path"] == f"{store}/records"
    assert kept["key"].startswith(kept["restore-keys"])
    site = re.search(r"^SITE := (.+)$", MAKEFILE, re.MULTILINE)[1]
    uploads = [s["with"]["path"] for s in JOBS["leaderboard/regenerate"]["steps"] if "upload" in s.get("uses", "")]
    assert uploads == [site, site]


def test_everything_that_jobs_do_with_results_is_done_by_hand_too():
    prerequisites = re.search(r"^ci-leaderboard: (.+)$", MAKEFILE, re.MULTILINE)[1].split()
    called = {c.split()[1] for name, job in JOBS.items() if name.startswith("leaderboard/") for c in runs(job)}
    assert called - {"ci-compare", "ci-submission"} == set(prerequisites)


def test_jobs_that_compare_with_a_requests_base_have_the_history():
    """They run where there is a base."""
    compared = {name: job for name, job in JOBS.items() if any("BASE=" in c for c in runs(job))}
    assert set(compared) == {"leaderboard/submission", "leaderboard/regressions"}
    for job in compared.values():
        assert job["if"] == "github.event_name == 'pull_request'"
        assert job["steps"][0]["with"] == {"fetch-depth": 0}


def test_a_request_is_audited_whole_and_a_commit_by_sample():
    audits = dict(re.findall(r"^(ci-[a-z]+): connectors\n\t(.+)$", MAKEFILE, re.MULTILINE))
    assert "--since $(BASE)" in audits["ci-submission"]
    assert "--sample" not in audits["ci-submission"]
    assert "--sample $(AUDIT_SAMPLE)" in audits["ci-audit"]


def test_floors_are_lower_bounds_alone_and_at_most_the_pinned_versions():
    """As .ci/lowest reads them."""
    pinned = dict(re.findall(r"^([\w-]+)==(.+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))
    for needed in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]:
        name, floor = re.fullmatch(r"([\w-]+)>=([\d.]+)", needed).groups()
        assert [*map(int, floor.split("."))] <= [*map(int, pinned[name].split("."))], needed


def test_targets_are_phony_and_documented():
    phony = set(re.findall(r"[\w-]+", " ".join(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE))))
    assert targets() == phony
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(target in done.stdout for target in targets() - {"help", "environment"})


def test_the_matrix_is_small_and_needs_no_data():
    matrix = load_matrix("ci")
    assert {*matrix.axes.source, *matrix.axes.target} <= {"glyphs", "digits", "symbols"}
    assert matrix.budget.samples <= 2000
