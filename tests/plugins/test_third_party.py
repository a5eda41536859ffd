"""Somebody else's installed distributions join a matrix without a change here, and break only themselves."""

import json
from pathlib import Path


def records(results: Path) -> list[dict]:
    lines = [line for path in sorted((results / "records").rglob("*.jsonl")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def test_plugins_lists_third_party_and_broken_offers(working):
    done = working.benchbench("plugins", "--json")
    assert done.returncode == 0, done.stderr
    rows = {(r["kind"], r["name"]): (r["distribution"], r["version"]) for r in json.loads(done.stdout)}
    assert rows["pretext", "inversion"] == ("benchbench-good", "1.2.0")
    assert rows["meta", "inner-product"] == ("benchbench-good", "1.2.0")
    assert rows["backbone", "random-features"] == ("benchbench-good", "1.2.0")
    assert rows["meta", "broken-meta"] == ("benchbench-broken", "0.3")
    assert rows["meta", "protonet"][0] == "benchbench-suite"


def test_check_names_the_broken_plugin_and_its_reason(working):
    done = working.benchbench("plugins", "--check", "--json")
    states = {(r["kind"], r["name"]): r["state"] for r in json.loads(done.stdout)}
    reason = states.pop(("meta", "broken-meta"))
    assert reason.startswith("broken: ")
    assert "plugin benchbench-broken 0.3" in reason
    assert "ImportError: this plugin needs something that is not here" in reason
    assert {name: state for name, state in states.items() if state != "ok"} == {}


def test_third_party_components_run_beside_standard_ones(working, finished_run):
    assert finished_run.returncode == 0, finished_run.stderr
    found = records(working.folder / "results")
    assert {r["status"] for r in found} == {"ok"}
    methods = {(r["method"]["pretext"], r["method"]["meta"], r["method"]["backbone"]) for r in found}
    wanted = {
        (pretext, meta, backbone)
        for pretext in ("rotation", "inversion")
        for meta in ("protonet", "inner-product", "nearest-centroid")
        for backbone in ("conv4", "random-features")
    }
    assert wanted <= methods


def test_leaderboard_shows_third_party_names(working, finished_run):
    for name in ("inversion", "inner-product", "random-features"):
        assert name in finished_run.stdout


def test_only_what_needs_a_broken_plugin_is_left_out(working):
    matrix = working.matrix(["rotation"], ["broken-meta", "nearest-centroid"], ["random-features"])
    results = working.folder / "beside-broken"
    done = working.benchbench("run", "--matrix", matrix, "--results", results, "--executor", "inline")
    assert "benchbench-broken 0.3" in done.stderr
    assert "ImportError: this plugin needs something that is not here" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)
    methods = {(r["method"]["pretext"], r["method"]["meta"]) for r in records(results) if r["status"] == "ok"}
    assert ("rotation", "nearest-centroid") in methods
    assert all(meta != "broken-meta" for _, meta in methods)


def test_showing_a_broken_plugin_says_why(working):
    done = working.benchbench("plugins", "show", "broken-meta")
    assert done.returncode == 2
    assert done.stderr.startswith("error: plugin benchbench-broken 0.3: meta 'broken-meta' cannot be imported from ")


def test_unknown_component_suggests_a_third_party_name(working):
    matrix = working.matrix(["inversoin"], ["protonet"], ["conv4"])
    done = working.benchbench("run", "--matrix", matrix, "--results", working.folder / "unknown", "--dry-run")
    assert done.returncode == 2
    assert "unknown pretext 'inversoin'; did you mean 'inversion'?" in done.stderr


def test_bare_name_of_two_plugins_is_refused(colliding):
    matrix = colliding.matrix(["rotation"], ["nearest-centroid"], ["conv4"])
    results = colliding.folder / "bare"
    done = colliding.benchbench("run", "--matrix", matrix, "--results", results)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "error: pretext 'rotation' is offered by 2 plugins: "
        "write 'benchbench-colliding:rotation' or 'benchbench-suite:rotation'"
    )
    assert not list(results.rglob("*.jsonl"))


def test_qualified_names_tell_colliding_plugins_apart(colliding):
    both = ["benchbench-suite:rotation", "benchbench-colliding:rotation"]
    matrix = colliding.matrix(both, ["nearest-centroid"], ["mlp"])
    results = colliding.folder / "qualified"
    done = colliding.benchbench("run", "--matrix", matrix, "--results", results, "--executor", "inline")
    assert done.returncode == 0, done.stderr
    trained = {r["training_key"] for r in records(results) if "rotation" in r["method"]["pretext"]}
    assert len(trained) == 2


def test_collision_leaves_other_components_alone(colliding):
    matrix = colliding.matrix(["none"], ["nearest-centroid"], ["mlp"])
    done = colliding.benchbench("run", "--matrix", matrix, "--results", colliding.folder / "others", "--dry-run")
    assert done.returncode == 0, done.stderr
