"""Somebody else's installed distributions join a matrix without a change here, and break only themselves."""

import json
from pathlib import Path


def records(results: Path) -> list[dict]:
    lines = [line for path in sorted((results / "records").rglob("*.jsonl")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def test_plugins_lists_third_party_and_broken_offers(done):
    assert done["list"].returncode == 0, done["list"].stderr
    rows = {(r["kind"], r["name"]): (r["distribution"], r["version"]) for r in json.loads(done["list"].stdout)}
    assert rows["pretext", "inversion"] == ("benchbench-good", "1.2.0")
    assert rows["meta", "inner-product"] == ("benchbench-good", "1.2.0")
    assert rows["backbone", "random-features"] == ("benchbench-good", "1.2.0")
    assert rows["meta", "broken-meta"] == ("benchbench-broken", "0.3")
    assert rows["meta", "protonet"][0] == "benchbench-suite"


def test_check_names_the_broken_plugin_and_its_reason(done):
    # Others may be installed here, whose state is not this test's business.
    ours = ("benchbench-suite", "benchbench-good", "benchbench-broken")
    rows = [r for r in json.loads(done["check"].stdout) if r["distribution"] in ours]
    states = {(r["kind"], r["name"]): r["state"] for r in rows}
    reason = states.pop(("meta", "broken-meta"))
    assert reason.startswith("broken: ")
    assert "plugin benchbench-broken 0.3" in reason
    assert "ImportError: this plugin needs something that is not here" in reason
    assert {name: state for name, state in states.items() if state != "ok"} == {}


def test_third_party_components_run_beside_standard_ones(installed, done):
    assert done["run"].returncode == 0, done["run"].stderr
    found = records(installed.folder / "results" / "run")
    assert {r["status"] for r in found} == {"ok"}
    methods = {(r["method"]["pretext"], r["method"]["meta"], r["method"]["backbone"]) for r in found}
    wanted = {
        (pretext, meta, backbone)
        for pretext in ("jigsaw", "inversion")
        for meta in ("protonet", "inner-product", "nearest-centroid")
        for backbone in ("mlp", "random-features")
    }
    assert wanted <= methods


def test_leaderboard_shows_third_party_names(done):
    for name in ("inversion", "inner-product", "random-features"):
        assert name in done["run"].stdout


def test_only_what_needs_a_broken_plugin_is_left_out(installed, done):
    broken = done["broken"]
    assert "benchbench-broken 0.3" in broken.stderr
    assert "ImportError: this plugin needs something that is not here" in broken.stderr
    assert "Traceback" not in broken.stderr
    assert broken.returncode in (0, 1)
    good = [r for r in records(installed.folder / "results" / "broken") if r["status"] == "ok"]
    methods = {(r["method"]["pretext"], r["method"]["meta"]) for r in good}
    assert ("jigsaw", "nearest-centroid") in methods
    assert all(meta != "broken-meta" for _, meta in methods)


def test_showing_a_broken_plugin_says_why(done):
    assert done["show"].returncode == 2
    said = "error: plugin benchbench-broken 0.3: meta 'broken-meta' cannot be imported from "
    assert done["show"].stderr.startswith(said)


def test_unknown_component_suggests_a_third_party_name(done):
    assert done["unknown"].returncode == 2
    assert "unknown pretext 'inversoin'; did you mean 'inversion'?" in done["unknown"].stderr


def test_bare_name_of_two_plugins_is_refused(installed, done):
    assert done["bare"].returncode == 2
    assert done["bare"].stderr.strip() == (
        "error: matrix 'third-party': axes.pretext: pretext 'rotation' is offered by 2 plugins: "
        "write 'benchbench-colliding:rotation' or 'benchbench-suite:rotation'"
    )
    assert not list((installed.folder / "results" / "bare").rglob("*.jsonl"))


def test_qualified_names_tell_colliding_plugins_apart(installed, done):
    # That the others run, beside these, is what the other tests see.
    assert done["qualified"].returncode == 0, done["qualified"].stderr
    found = records(installed.folder / "results" / "qualified")
    assert len({r["training_key"] for r in found if "rotation" in r["method"]["pretext"]}) == 2
