"""`benchbench results audit`: a record is repeated from what it holds."""

import subprocess

import numpy as np
import pytest
from PIL import Image

from benchbench.results.audit import Verdict, audit, matrix_of, sample
from benchbench.store.files import read_records
from benchbench.store.records import Metric, Provenance, Summary


@pytest.fixture(scope="module")
def other_scores():
    """The same record with one query more in each episode: 1/75 more."""

    def change(record, more=1):
        metric = record.scores["accuracy"]
        raised = Metric(values=[v + more for v in metric.values], denominator=metric.denominator)
        return record.model_copy(
            update={"scores": {"accuracy": raised}, "summary": {"accuracy": Summary.of(raised)}}, deep=True
        )

    return change


def test_a_true_record_is_repeated_to_the_last_episode(command, trained, genuine):
    code, out, err = command("results", "audit", trained, "--sample", 1)
    assert (code, err) == (0, "")
    assert out.splitlines()[-2:] == [
        f"       same  {genuine.key[:12]} labels × nearest-centroid (conv4, joint) on digits 5way-1shot, seed 0: "
        "every score is the same",
        "repeated 1 of 1 records, 0 differ",
    ]


def test_scores_that_nobody_obtains_again_are_named(command, genuine, other_scores, save, tmp_path):
    forged = save(tmp_path / "forged", other_scores(genuine))
    code, out, _ = command("results", "audit", forged, "--sample", 1)
    assert code == 1
    mean = 100 * genuine.summary["accuracy"].mean
    # 100/75 points more were recorded.
    said = f"accuracy {mean + 100 / 75:.2f} was recorded, {mean:.2f} repeated (-1.33 points; allowed 0 on the same"
    assert said in out
    assert "1 differ" in out
    code, out, _ = command("results", "audit", forged, "--sample", 1, "--tolerance", 2)
    assert code == 0
    assert "near" in out


def test_another_platform_is_allowed_the_stated_tolerance(genuine, other_scores):
    elsewhere = {**genuine.environment, "torch": "2.6.0"}
    near = other_scores(genuine, 1).model_copy(update={"environment": elsewhere})
    far = other_scores(genuine, 2).model_copy(update={"environment": elsewhere})
    assert [audit([r], 1)[0].state for r in (near, far)] == ["near", "different"]


def test_what_is_not_here_is_passed_over_and_named(genuine, make, monkeypatch):
    foreign = genuine.model_copy(deep=True, update={"key": "1" * 64})
    foreign.content["pretext"]["name"] = "other-suite:cubism"
    absent = genuine.model_copy(deep=True, update={"key": "2" * 64})
    absent.content["target"] = {"name": "benchbench-suite:omniglot", "settings": {}}
    monkeypatch.delenv("BENCHBENCH_DATA", raising=False)
    verdicts = audit([foreign, absent, genuine, make(None)], 3)
    states = {v.record.key: v for v in verdicts}
    assert states[foreign.key].state == states[absent.key].state == "unavailable"
    assert "unknown pretext 'other-suite:cubism'" in states[foreign.key].detail
    assert "BENCHBENCH_DATA" in states[absent.key].detail
    assert states[genuine.key].state == "same"
    assert len(verdicts) == 3, "a failed record has no scores to repeat"


def test_where_nothing_can_be_repeated_it_fails(command, genuine, save, tmp_path):
    foreign = genuine.model_copy(deep=True)
    foreign.content["learner"]["name"] = "other-suite:learner"
    code, out, err = command("results", "audit", save(tmp_path / "r", foreign), "--sample", 1)
    assert code == 1
    assert "unavailable" in out
    assert err == "no record could be repeated here\n"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("backbone", "settings", "width"), 8, "its training key is not what its settings give"),
        (("backbone", "revision"), 9, "backbone is {'name': 'benchbench-suite:conv4', 'revision': "),
        (("pretext", "revision"), 9, "pretext is "),
        (("protocol", "revision"), 9, "protocol is "),
        (("source", "fingerprint"), "0", "source is "),
        (("recipe", "budget"), {"samples": 500}, "its training key is not what its settings give"),
        (("target", "settings", "size"), 20, "its key is not what its settings give with the target's data"),
        (("recipe", "budget"), {}, "cannot be planned: record "),
        (("backbone", "settings", "depth"), 8, "cannot be planned: backbone "),
    ],
)
def test_a_record_that_does_not_describe_its_training_is_told_so(genuine, path, value, message):
    record = genuine.model_copy(deep=True)
    place = record.content
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    (verdict,) = audit([record], 1)
    assert verdict.state == "different"
    assert verdict.detail.startswith(message)


def test_what_the_content_lacks_is_named(genuine):
    record = genuine.model_copy(deep=True)
    del record.content["learner"]
    assert audit([record], 1) == [Verdict(record, "different", "cannot be planned: its content lacks learner")]


def test_components_that_settings_name_are_the_installed_ones(genuine):
    record = genuine.model_copy(deep=True)
    nested = {"kind": "pretext", "name": "suite:jigsaw", "revision": 7, "settings": {"permutations": 8}}
    record.content["pretext"] = {"name": "suite:mixture", "revision": 1, "settings": {"parts": [nested]}}
    written = matrix_of(record).settings["pretext"]["suite:mixture"]
    assert written == {"parts": [{"name": "suite:jigsaw", "permutations": 8}]}


def test_data_read_from_a_path_are_unavailable_not_different(genuine, monkeypatch):
    """A source's record holds no path, and a target's only its last part."""
    monkeypatch.delenv("BENCHBENCH_DATA", raising=False)
    named = {"name": "benchbench-suite:imagefolder", "revision": 1, "settings": {"size": 28, "grey": True}}
    of_source, of_part, of_target = (genuine.model_copy(deep=True) for _ in range(3))
    of_source.content["source"] = named
    of_part.content["source"]["settings"] = {"parts": [{"kind": "dataset", **named}]}
    of_part.content["source"]["name"] = "benchbench-suite:union"
    of_target.content["target"] |= {"name": named["name"], "settings": {**named["settings"], "path": "birds"}}
    for record, said in (
        (of_source, "read from a path, and records hold none: imagefolder: path"),
        (of_part, "read from a path, and records hold none: imagefolder: path"),
        (of_target, "no folder birds"),
    ):
        (verdict,) = audit([record], 1)
        assert verdict.state == "unavailable"
        assert said in verdict.detail


def test_data_are_found_where_the_audit_is_told(command, tmp_path, monkeypatch):
    """A run on a folder of pictures, which then has another place and another name."""
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    for c in range(6):
        (tmp_path / "birds" / f"c{c}").mkdir(parents=True)
        for k in range(3):
            picture = np.random.RandomState(10 * c + k).randint(0, 256, (28, 28)).astype(np.uint8)
            Image.fromarray(picture).save(tmp_path / "birds" / f"c{c}" / f"{k}.png")
    (tmp_path / "m.toml").write_text(f"""floors = false
axes.pretext = ["rotation"]
axes.meta = ["nearest-centroid"]
axes.backbone = ["linear"]
axes.source = ["imagefolder"]
axes.target = ["imagefolder", "digits"]
axes.protocol = ["episodic"]
budget.samples = 64
settings.dataset.imagefolder = {{ path = "{tmp_path}/birds", split = "auto:3:50/0/50", size = 28, grey = true }}
settings.protocol.episodic = {{ ways = 2, shots = 1, queries = 1, episodes = 4 }}
""")
    runs = tmp_path / "runs"
    assert command("run", "--matrix", tmp_path / "m.toml", "--results", runs, "--quiet", "--executor", "inline")[0] == 0
    held = "".join(f.read_text() for f in (runs / "records").rglob("*.jsonl"))
    assert str(tmp_path) not in held
    (tmp_path / "birds").rename(tmp_path / "moved")
    audited = ("results", "audit", runs, "--sample", 2)
    code, out, _ = command(*audited)
    assert (code, out.count("unavailable")) == (1, 2)
    here = ("--path", f"imagefolder.path={tmp_path}/moved")
    code, out, err = command(*audited, *here, "--path", "imagefolder.split=auto:3:50/0/50")
    assert (code, out.count("same  "), err) == (0, 2, "")
    # Another split is other data, which the key shows.
    code, out, _ = command(*audited, *here, "--path", "imagefolder.split=auto:4:50/0/50")
    assert (code, out.count("different  ")) == (1, 2)
    for given, said in (
        (
            "imagefolder.size=14",
            "--path imagefolder.size: dataset imagefolder has no such path; expected one of: path, split",
        ),
        ("imagefoldr.path=x", "imagefoldr"),
        ("imagefolder.path", "--path imagefolder.path: expected KEY=VALUE"),
    ):
        code, _, err = command(*audited, "--path", given)
        assert code == 2
        assert said in err


def test_the_sample_depends_on_the_seed_and_the_keys_alone(make):
    records = [make(pretext=f"p{i}") for i in range(20)]
    chosen = [r.key for r in sample(records, 0)]
    assert chosen == [r.key for r in sample(reversed(records), 0)]
    assert chosen != [r.key for r in sample(records, 1)]
    assert chosen != [r.key for r in records]
    fewer = [r.key for r in sample(records[:10], 0)]
    assert fewer == [key for key in chosen if key in fewer]


@pytest.mark.parametrize("arguments", [["nowhere", "--sample", "1"], ["."], [".", "--sample", "0"]])
def test_bad_input(command, arguments):
    assert command("results", "audit", *arguments)[0] == 2


def test_what_a_request_adds_is_audited_and_marked(command, genuine, other_scores, save, tmp_path, monkeypatch):
    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    provenance = Provenance(who="A. Nother", contact="https://example.org", when="2026-11-28")
    submitted = genuine.model_copy(update={"origin": "external", "provenance": provenance})
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "before")
    theirs = save(tmp_path / "results", submitted)
    code, out, _ = command("results", "audit", theirs, "--since", "HEAD", "--mark")
    assert code == 0
    assert out.splitlines()[-2:] == ["repeated 1 of 1 records, 0 differ", f"{theirs}: 1 records are verified now"]
    (held,) = read_records(theirs)[0]
    assert (held.origin, held.provenance) == ("verified", provenance)
    git("add", ".")
    git("commit", "-q", "-m", "with it")
    assert command("results", "audit", theirs, "--since", "HEAD")[:2] == (0, "no scored record was added since HEAD\n")
    save(theirs, other_scores(submitted))
    code, out, _ = command("results", "audit", theirs, "--since", "HEAD", "--mark")
    assert code == 1
    assert read_records(theirs)[0][0].origin == "external", "what does not come out again is not verified"


def test_a_sample_or_a_revision(command, trained, tmp_path, monkeypatch):
    assert "expected --sample COUNT or --since REV" in command("results", "audit", trained)[2]
    assert command("results", "audit", trained, "--sample", 1, "--since", "HEAD")[0] == 2
    monkeypatch.chdir(tmp_path)
    assert command("results", "audit", trained, "--since", "HEAD")[0] == 2


def test_a_floor_whose_source_needs_settings_is_unavailable_not_different(genuine):
    """Nothing of its source is in its key, nor in the record: that it cannot be planned says nothing against it."""
    content = {name: value for name, value in genuine.content.items() if name != "source"}
    content |= {"sample": [3, 84, 84], "stages": []}
    floor = genuine.model_copy(
        update={"source": "union", "content": content, "flags": genuine.flags.model_copy(update={"floor": True})}
    )
    (verdict,) = audit([floor], 1)
    assert verdict.state == "unavailable"
    assert "setting 'parts' must be given" in verdict.detail


def test_a_record_of_an_earlier_harness_is_unavailable_not_different(genuine):
    old = genuine.model_copy(update={"content": {k: v for k, v in genuine.content.items() if k != "harness"}})
    (verdict,) = audit([old], 1)
    assert verdict.state == "unavailable"
    assert "earlier revision of the harness" in verdict.detail
