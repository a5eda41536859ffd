import json
import shutil
import subprocess

import pytest
from scipy import stats

from benchbench.store.records import Cost, Flags

#: Counts of ten: B is lower by 1 to 3 in every episode.
HIGH = (9, 8, 9, 10, 8, 9, 10, 9)
LOW = (7, 6, 8, 8, 5, 7, 8, 7)


@pytest.fixture
def folders(make, save, tmp_path):
    """B is worse on digits, and the same on glyphs."""
    a = save(tmp_path / "a", make(HIGH), make(HIGH, target="glyphs"), make(HIGH, pretext="jigsaw"))
    b = save(tmp_path / "b", make(LOW), make(HIGH, target="glyphs"))
    return a, b


def rows(command, *arguments):
    code, out, _ = command("compare", *arguments, "--format", "json")
    content = json.loads(out)
    return code, {r["target"]: r for r in content["rows"]}, content


def test_differences_are_over_the_same_episodes(command, folders):
    code, found, content = rows(command, *folders)
    assert code == 0
    assert (content["only_a"], content["only_b"]) == (1, 0)
    digits, glyphs = found["digits"], found["glyphs"]
    # 9.0 and 7.0 of ten correct.
    assert (digits["a"], digits["b"]) == (90, 70)
    assert digits["difference"]["mean"] == pytest.approx(-20)
    assert digits["difference"]["high"] < -10
    assert digits["difference"]["p"] == pytest.approx(stats.ttest_rel(LOW, HIGH).pvalue)
    # Holm over two rows, of which this is the smaller.
    assert digits["difference"]["p_holm"] == pytest.approx(2 * digits["difference"]["p"])
    assert digits["verdict"] == "worse"
    assert glyphs["difference"]["mean"] == 0
    assert glyphs["verdict"] == "no difference"


def test_the_other_way_round_it_is_better(command, folders):
    _, found, _ = rows(command, *reversed(folders))
    assert found["digits"]["verdict"] == "better"
    assert found["digits"]["difference"]["mean"] == pytest.approx(20)


@pytest.mark.parametrize(("margin", "code"), [("0", 1), ("19.9", 1), ("20.1", 0)])
def test_a_regression_beyond_the_margin_fails(command, folders, margin, code):
    found, _, err = command("compare", *folders, "--fail-on-regression", "--margin", margin)
    assert found == code
    assert ("regression: rotation × protonet (conv4, pseudo, glyphs) on digits 5way-1shot: -20.00" in err) == bool(code)
    assert command("compare", *folders)[0] == 0
    assert command("compare", *reversed(folders), "--fail-on-regression")[0] == 0


def test_noise_is_no_regression(command, make, save, tmp_path):
    a = save(tmp_path / "a", make((5, 6, 4, 7, 5, 6)))
    b = save(tmp_path / "b", make((6, 4, 5, 6, 6, 5)))
    assert command("compare", a, b, "--fail-on-regression")[0] == 0


def test_a_training_that_fails_now_is_a_regression(command, make, save, tmp_path):
    a, b = save(tmp_path / "a", make(HIGH)), save(tmp_path / "b", make(None))
    code, _, err = command("compare", a, b, "--fail-on-regression")
    assert code == 1
    assert "lost in B: rotation × protonet (conv4, pseudo, glyphs) digits 5way-1shot: failed: out of memory" in err


def test_other_test_episodes_are_refused(command, make, save, tmp_path):
    a = save(tmp_path / "a", make(HIGH), make(HIGH, target="glyphs"))
    b = save(tmp_path / "b", make(LOW, episodes="others"))
    code, out, err = command("compare", a, b)
    assert (code, out) == (2, "")
    assert err.endswith("digits 5way-1shot: they were scored on different test episodes\n")
    save(b, make(HIGH, target="glyphs"))
    code, _, err = command("compare", a, b)
    assert code == 0
    assert "not compared: rotation × protonet (conv4, pseudo, glyphs) digits 5way-1shot: they were scored" in err
    assert command("compare", a, b, "--fail-on-regression")[0] == 1, "what is not compared has not been shown to hold"


def test_several_seeds_are_paired_and_unpaired_ones_left_out(command, make, save, tmp_path):
    a = save(tmp_path / "a", *(make(HIGH, seed=s) for s in (0, 1, 2)), make((0,) * 8, seed=3))
    b = save(tmp_path / "b", *(make(LOW, seed=s) for s in (0, 1, 2)))
    difference = rows(command, a, b)[1]["digits"]["difference"]
    assert difference["mean"] == pytest.approx(-20)
    assert (difference["seeds"], difference["pairing"], difference["over"]) == (3, "seeds", "seeds")


def test_two_methods_of_a_folder(command, make, save, tmp_path):
    results = save(
        tmp_path / "results", *(make(c, pretext=p) for p, c in (("rotation", HIGH), ("jigsaw", LOW), ("labels", HIGH)))
    )
    for a, b in (("rotation/protonet", "jigsaw/protonet"), ("rotation × protonet", "jigsaw × protonet/conv4")):
        _, found, _ = rows(command, a, b, "--results", results)
        assert found["digits"]["difference"]["mean"] == pytest.approx(-20)
        assert found["digits"]["what"] == "conv4, glyphs"
    code, _, err = command("compare", "rotation/protonet", "jigsaw/protone", "--results", results)
    assert (code, err.strip()) == (2, "error: no records of method 'jigsaw/protone'; did you mean 'jigsaw/protonet'?")


def test_three_lines_say_what_stands_behind_the_two_sides(command, make, save, tmp_path):
    flags = {"labels": "none", "selection": "last"}
    cost = {"parameters": 1, "encoder_passes": 0}
    alike = {"seed": 0, "pretext": "rotation"}
    of_maml = {
        "flags": Flags(transductive=True, floor=False, **flags),
        "cost": Cost(samples=12_000, flops=3_400_000, **cost),
    }
    floor = Flags(transductive=False, floor=True, **flags)
    made = [
        make(HIGH, meta="maml", **of_maml, **alike),
        make(LOW, meta="protonet", cost=Cost(samples=60, flops=0, **cost), **alike),
        make((8,) * 8, pretext="none", meta="nearest-centroid", flags=floor),
    ]
    results = save(tmp_path / "runs", *made)
    _, out, _ = command("compare", "--results", results, "rotation/maml", "rotation/protonet")
    lines = out.splitlines()
    assert "transductive: A yes; B no." in lines
    assert "cost of a training: A 12,000 samples, 3.4M FLOPs; B 60 samples, 0 FLOPs." in lines
    # Of ten: 9.0, 7.0 and the floor's 8.0.
    below = "B is below one on digits 5way-1shot (70.00, none × nearest-centroid 80.00)."
    assert f"floors (by means): A is below none; {below}" in lines
    assert any(
        line.startswith("95% interval: of the difference, over the draw of test episodes alone") for line in lines
    )
    _, _, content = rows(command, "--results", results, "rotation/maml", "none/nearest-centroid")
    assert content["sides"][1]["methods"] == 0
    _, out, _ = command("compare", "--results", results, "rotation/maml", "none/nearest-centroid")
    assert "B is a floor." in out
    assert "B nothing (not trained)." in out


def test_without_floors_and_with_seeds_the_lines_say_so(command, make, save, tmp_path):
    made = [make(c, meta=meta, seed=s) for meta, c in (("maml", HIGH), ("protonet", LOW)) for s in (0, 1, 2)]
    results = save(tmp_path / "runs", *made)
    _, out, _ = command("compare", "--results", results, "rotation/maml", "rotation/protonet")
    assert "A has no floor beside it; B has no floor beside it." in out
    assert "over other training seeds (3 a side) and other test episodes." in out


def test_several_settings_are_compared_apart(command, make, save, tmp_path):
    a = save(tmp_path / "a", make(HIGH, lr=0.1), make(LOW, lr=0.5))
    b = save(tmp_path / "b", make(HIGH, lr=0.1, revision=2), make(LOW, lr=0.5))
    _, _, content = rows(command, a, b)
    assert [r["difference"]["mean"] for r in content["rows"]] == [0, 0]
    assert len({r["what"] for r in content["rows"]}) == 2


def test_seeds_of_several_settings_are_paired(command, make, save, tmp_path):
    a, b = (save(tmp_path / n, *(make(HIGH, seed=s, lr=lr) for s in (0, 1) for lr in (0.1, 0.5))) for n in "ab")
    _, _, content = rows(command, a, b)
    assert [r["difference"]["seeds"] for r in content["rows"]] == [2, 2]


def test_each_setting_of_a_method_against_each_of_the_other(command, make, save, tmp_path):
    rotation = [make(HIGH, pretext="rotation", seed=s) for s in (0, 1)]
    jigsaw = [make(c, pretext="jigsaw", lr=lr, seed=s) for c, lr in ((LOW, 0.1), (HIGH, 0.5)) for s in (0, 1)]
    results = save(tmp_path / "results", *rotation, *jigsaw)
    _, _, content = rows(command, "rotation/protonet", "jigsaw/protonet", "--results", results)
    assert sorted(r["difference"]["mean"] for r in content["rows"]) == pytest.approx([-20, 0])
    assert len({r["what"] for r in content["rows"]}) == 2
    assert (content["only_a"], content["only_b"]) == (0, 0)


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_revisions_of_a_folder(command, make, save, tmp_path, monkeypatch):
    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    folder = save(tmp_path / "results" / "quick", make(HIGH))
    git("add", ".")
    git("commit", "-q", "-m", "first")
    save(folder, make(LOW))
    monkeypatch.chdir(folder)
    _, found, _ = rows(command, "HEAD:results/quick", folder)
    assert found["digits"]["difference"]["mean"] == pytest.approx(-20)
    code, _, err = command("compare", "HEAD:results/quack", folder)
    assert (code, err.strip()) == (
        2,
        "error: git HEAD:results/quack: fatal: not a valid object name: HEAD:results/quack",
    )


def test_names_are_escaped_in_markdown(command, make, save, tmp_path):
    results = save(tmp_path / "results", make(HIGH, pretext="<b>|x"))
    out = command("compare", results, results, "--format", "markdown")[1]
    assert "&lt;b&gt;\\|x × protonet" in out
    assert "<b>" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nowhere", "nowhere"],
            "error: no results at nowhere: expected a results folder, or REV:path in a git repository; two methods are "
            "compared with --results FOLDER",
        ),
        (["a"], "Missing argument 'B'"),
        (["a", "b", "--margin", "1"], "error: --margin: says what --fail-on-regression lets pass"),
        (["a", "b", "--margin", "-1"], "-1.0 is not in the range"),
        (["--results", "nowhere", "a/b", "c/d"], "error: no results at nowhere"),
    ],
)
def test_bad_input(command, arguments, message):
    code, out, err = command("compare", *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_a_row_is_never_compared_with_itself(command, make, save, tmp_path):
    rates = [make(c, lr=lr, seed=s) for c, lr in ((LOW, 0.1), (HIGH, 0.5)) for s in (0, 1)]
    results = save(tmp_path / "results", *rates)
    same = ("rotation/protonet", "rotation/protonet", "--results", results)
    _, _, content = rows(command, *same)
    (row,) = content["rows"]
    assert row["what"] == "conv4, glyphs [rotation × protonet (lr 0.1) with rotation × protonet (lr 0.5)]"
    assert row["difference"]["mean"] == pytest.approx(20)
    alone = save(tmp_path / "alone", make())
    code, _, err = command("compare", *same[:2], "--results", alone)
    assert code == 2
    assert "are one row, 'rotation × protonet': name another to compare it with" in err


@pytest.mark.parametrize(
    "written", ["rotation × protonet (lr 0.5)", "rotation/protonet/lr 0.5", "rotation/protonet/lr=0.5"]
)
def test_a_variant_is_picked_as_tables_name_it(command, make, save, tmp_path, written):
    results = save(tmp_path / "results", make(LOW, lr=0.1), make(HIGH, lr=0.5), make(HIGH, pretext="jigsaw"))
    _, _, content = rows(command, written, "rotation/protonet/lr 0.1", "--results", results)
    (row,) = content["rows"]
    assert (row["a"], row["b"]) == (90, 70)
    code, _, err = command("compare", "rotation/protonet/lr 0.7", "jigsaw/protonet", "--results", results)
    assert (code, "no records of method" in err) == (2, True)


def test_names_of_the_matrix_and_of_components(command, make, save, tmp_path):
    one, two = make(LOW, lr=0.1), make(HIGH, lr=0.5)
    one.content["names"], two.content["names"] = {"meta": "slow"}, {"meta": "fast", "target": "mine"}
    one.content["names"]["target"] = "mine"
    results = save(tmp_path / "results", one, two, make(HIGH, pretext="contrastive"))
    _, found, _ = rows(command, "rotation/slow", "rotation/fast", "--results", results)
    assert found["mine"]["difference"]["mean"] == pytest.approx(20)
    _, _, content = rows(command, "rotation/protonet", "rotation/protonet", "--results", results)
    assert [r["what"] for r in content["rows"]] == ["conv4, glyphs [rotation × fast with rotation × slow]"]
    _, _, content = rows(command, "RotNet/slow", "benchbench-suite:rotation/fast/conv4", "--results", results)
    assert content["rows"][0]["difference"]["mean"] == pytest.approx(20), "each part in any spelling"
    code, _, err = command("compare", "SimCLR/ProtoNet", "rotation/fas", "--results", results)
    assert (code, "did you mean 'rotation/fast'" in err) == (2, True)


def test_folders_are_compared_by_what_a_name_stands_for(command, make, save, tmp_path):
    one, two = make(HIGH), make(LOW)
    one.content["names"], two.content["names"] = {"meta": "old name"}, {"meta": "new name"}
    _, found, _ = rows(command, save(tmp_path / "a", one), save(tmp_path / "b", two))
    assert found["digits"]["what"] == "rotation × old name (conv4, pseudo, glyphs)"
    assert found["digits"]["difference"]["mean"] == pytest.approx(-20)
