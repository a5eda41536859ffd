"""Bad input: one clear message, exit code 2, nothing written."""

import os

import pytest

from benchbench.cli import main

CASES = {
    "unknown matrix": (["run", "--matrix", "quik"], "", "unknown matrix 'quik'; did you mean 'quick'?"),
    "unknown axis": ([], 'pretexts = ["none"]', "unknown axis 'axes.pretexts'; did you mean 'pretext'?"),
    "unknown component": (
        ["--set", 'axes.pretext=["rotatoin"]'],
        "",
        "unknown pretext 'rotatoin'; did you mean 'rotation'?",
    ),
    "unknown dataset": (["--set", 'axes.target=["digts"]'], "", "unknown dataset 'digts'; did you mean 'digits'?"),
    "unknown setting": (
        ["--set", "settings.meta.maml.inner_rl=0.1"],
        "",
        "unknown setting 'inner_rl'; did you mean 'inner_lr'?",
    ),
    "wrong type": (
        ["--set", 'settings.meta.maml.inner_lr="fast"'],
        "",
        "meta maml: setting 'inner_lr': input should be a valid number",
    ),
    "out of range": (["--set", "settings.meta.maml.inner_lr=-1.0"], "", "should be greater than 0"),
    "too many ways": (
        ["--set", "settings.protocol.episodic.ways=11"],
        "",
        "11-way episodes need 11 classes, but it has 10",
    ),
    "too few images": (["--set", "settings.protocol.episodic.queries=200"], "", "but its smallest class has 174"),
    "too few source images": (
        ["--strict", "--set", "episodes.queries=30"],
        "",
        "1 shots + 30 queries need 31 images a class",
    ),
    "empty matrix": (["--set", "floors=false"], '[[exclude]]\nsource = "glyphs"\n', "is empty"),
    "syntax": ([], "axes = [", "TOML syntax error"),
    "missing data": (["--set", 'axes.source=["omniglot"]'], "", "omniglot-py"),
    "bad only": (["--only", "pretext=rotatio"], "", "not in this matrix; did you mean 'rotation'?"),
    "bad set": (["--set", "seeds"], "", "expected KEY=VALUE"),
    "bad set key": (["--set", "training..lr=1"], "", "expected names with single dots between them"),
    "bad set lines": (["--set", "seeds=[1]\nthreads=2"], "", "expected KEY=VALUE, on one line"),
    "too long a number": (["--set", f"seeds=[{'9' * 5_000}]"], "", "a number is too long"),
    "bad seeds": (["--seeds", "a"], "", "expected whole numbers"),
    "other digits": (["--seeds", "²"], "", "expected whole numbers"),
    "repeated seeds": (["--seeds", "0,0,0"], "", "seeds: each must be given once, and 0 is given 3 times"),
    "other digits of a shard": (["--shard", "1/١"], "", "expected I/N with I from 1 to N"),
    "no device": (["--device", "cuda:99"], "", "--device cuda:99: expected auto, cpu"),
    "unknown precision": (["--set", "training.precision=float16"], "", "training.precision: input should be 'float32'"),
    "precision of other devices": (
        ["--set", "training.precision=tf32", "--device", "cpu"],
        "",
        "training.precision: tf32 is a precision of CUDA devices, and this is to run on cpu",
    ),
    "not finite": (["--set", "training.lr=inf"], "", "--set: training.lr: a finite number is expected, got inf"),
    "not finite within": (["--set", "settings.meta.maml.inner_lr=nan"], "", "a finite number is expected, got nan"),
    "no time": (["--timeout", "nan"], "", "'--timeout': 'nan' is not a finite number"),
    "no time for an executor": (["--executor-option", "timeout=inf"], "", "timeout: a finite number is expected"),
    "empty path": (["--matrix", ""], "", "--matrix '': expected a value"),
    "empty value": (["--only="], "", "--only '': expected a value"),
    "null byte": (["--matrix", "a\0b"], "", "--matrix 'a\\x00b': expected UTF-8 text"),
    "no UTF-8": (["--matrix", "\udcff"], "", "--matrix '\\udcff': expected UTF-8 text"),
    "folder": (["--matrix", "/tmp"], "", "matrix /tmp: expected a .toml file"),
    "device as matrix": (["--matrix", "/dev/zero"], "", "matrix /dev/zero: expected a .toml file"),
    "too many episodes": (
        ["--set", "settings.protocol.episodic.episodes=1_000_000_000"],
        "",
        "settings.protocol.episodic.episodes: at most 10,000 is expected",
    ),
    "too large images": (["--set", "settings.dataset.glyphs.size=100_000"], "", "size: at most 1,024 is expected"),
    "too many ways in training": (["--set", "episodes.ways=2_000"], "", "episodes.ways: at most 1,000 is expected"),
    "too many points": (
        [],
        "[[include]]\n"
        + "".join(f"{axis} = {[f'x{i}' for i in range(60)]}\n" for axis in ("pretext", "meta", "source", "target")),
        "points, more than 10,000,000",
    ),
    "rule of a wrong type": (
        [],
        "[[include]]\npretext = 1",
        "include.0.pretext: expected a name or a list of names, got 1",
    ),
    "rule of no regime": ([], "[[include]]\nregime = 'jiont'", "unknown regime 'jiont'; did you mean 'joint'?"),
    "rule of a wrong section": (
        [],
        "[[when]]\nmeta = 'maml'\ntraining = {lr = 0.0}",
        "when.0.training: lr: input should be greater than 0",
    ),
    "deep": (
        [],
        "[settings.meta.maml]\nx = " + "[" * 100 + "]" * 100,
        "settings.meta.maml...: nested more than 64 deep",
    ),
    "very deep": ([], "[settings.meta.maml]\nx = " + "[" * 5_000, "nested more than 64 deep"),
    "deep key": ([], f"[settings.{'a.' * 5_000}b]", "nested more than 64 deep"),
    "settings that do not go together": (
        ["--set", 'axes.pretext=["contrastive"]', "--set", "settings.pretext.contrastive.min_scale=2.0"],
        "",
        "min_scale 2.0 is above max_scale 1.4",
    ),
    "too small for the backbone": (
        ["--set", "settings.dataset.glyphs.size=8", "--set", "settings.dataset.glyphs.per_class=2"],
        "",
        "on samples of shape (1, 8, 8): conv4 halves an image four times and needs 16 px",
    ),
    "nothing left": (
        ["--set", "floors=false", "--only", "pretext=labels", "--set", 'axes.regime=["pipeline"]'],
        "",
        "leave no cell; labels × nearest-centroid (conv4, glyphs, pipeline): nearest-centroid only adapts",
    ),
    "both budgets": (["--set", "budget.steps=3"], "", "exactly one of 'samples' and 'steps'"),
    "test-only source": (["--set", 'axes.source=["digits"]'], "", "it can only be a target"),
}


@pytest.mark.parametrize("case", CASES)
def test_message_and_exit_code(case, tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("BENCHBENCH_DATA", raising=False)
    arguments, extra, message = CASES[case]
    if extra:
        text = tiny.read_text()
        tiny.write_text(
            text.replace("[axes]", f"[axes]\n{extra}") if extra.startswith("pretexts") else text + "\n" + extra
        )
    if case.startswith(("too many", "too few images")):
        # The preset fixes its ways and shots: the plain component takes the matrix's.
        tiny.write_text(tiny.read_text().replace("5way-1shot", "episodic"))
    if arguments[:1] != ["run"]:
        arguments = ["run", "--matrix", str(tiny), *arguments]
    results = tmp_path / "runs"
    with pytest.raises(SystemExit) as exit_:
        main([*arguments, "--results", str(results)])
    shown = capsys.readouterr().err
    assert exit_.value.code == 2, shown
    assert message in shown
    assert "Traceback" not in shown
    assert not list(results.glob("records/*"))


def test_unwritable_results(tiny, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SystemExit) as exit_:
        main(["run", "--matrix", str(tiny), "--results", str(blocked / "runs")])
    assert exit_.value.code == 2
    assert "cannot be written" in capsys.readouterr().err


def test_no_command_of_that_name(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["leaderbord"])
    assert exit_.value.code == 2
    assert "did you mean 'leaderboard'?" in capsys.readouterr().err


def test_dry_run_writes_nothing(tiny, tmp_path, capsys):
    main(["run", "--matrix", str(tiny), "--results", str(tmp_path / "runs"), "--dry-run"])
    assert "6 trainings, 6 cells" in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()
    assert os.listdir(tmp_path) == ["tiny.toml"]
