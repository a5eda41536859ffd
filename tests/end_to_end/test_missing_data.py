"""A matrix that runs on the data that are there and lists the others."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import run
from benchbench.cli import main
from benchbench.packaged import tasks_folder
from benchbench.planning.matrix import load_matrix
from benchbench.planning.plan import plan

MATRIX = """
name = "some"
missing = "skip"
[axes]
pretext = ["labels"]
meta = ["protonet"]
backbone = ["conv4"]
source = ["union"]
target = ["omniglot", "digits"]
protocol = ["meta-dataset"]
[budget]
steps = 2
[episodes]
ways = 4
queries = 2
[settings.backbone.conv4]
width = 4
[settings.dataset.union]
size = 16
grey = true
parts = [{{ name = "omniglot", split = "meta-dataset" }}, {{ name = "imagefolder", path = {path}, split = {split} }}]
[settings.protocol.meta-dataset]
episodes = 4
"""


@pytest.fixture
def some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its union's Omniglot is missing, its tree of five classes is there."""
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    for c in range(5):
        for i in range(4):
            path = tmp_path / "tree" / f"class{c}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((16, 16), 50 * c + i, np.uint8)).save(path)
    (tmp_path / "split.json").write_text(json.dumps({"train": [f"class{c}" for c in range(5)]}))
    path = tmp_path / "some.toml"
    path.write_text(MATRIX.format(path=json.dumps("tree"), split=json.dumps("split.json")))
    return path


def test_it_runs_on_what_is_there(some: Path, tmp_path: Path) -> None:
    outcome = run(some, tmp_path / "runs", executor="inline")
    # The method and two floors, on the target that is there.
    assert (outcome.trained, outcome.failed) == (3, [])
    assert {(r.target, r.protocol, r.status) for r in outcome.records} == {("digits", "meta-dataset", "ok")}
    (trained,) = (r for r in outcome.records if not r.flags.floor)
    # The record tells what the union was.
    (part,) = trained.content["source"]["settings"]["parts"]
    assert part["name"].endswith(":imagefolder")
    scores = trained.scores["accuracy"]
    assert scores.denominator is None
    assert len(scores.values) == trained.summary["accuracy"].n == 4
    assert all(0 <= v <= 1 for v in scores.values)


@pytest.mark.parametrize("dry", [["--dry-run"], ["--quiet", "--executor", "inline"]])
def test_what_is_missing_is_listed_once_with_where_to_put_it(
    some: Path, tmp_path: Path, dry: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", "--matrix", str(some), "--results", str(tmp_path / "runs"), *dry])
    shown = capsys.readouterr().err
    assert shown.count("data missing, left out: omniglot: ") == 1
    assert "BENCHBENCH_DATA/omniglot-py/images_background" in shown
    assert "https://github.com/brendenlake/omniglot" in shown


def test_nothing_is_there(some: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some.write_text(some.read_text().replace('"omniglot", "digits"', '"omniglot"'))
    with pytest.raises(SystemExit) as done:
        main(["run", "--matrix", str(some), "--results", str(tmp_path / "runs")])
    assert done.value.code == 2
    shown = capsys.readouterr().err
    assert "no dataset of its axis 'target' is there" in shown
    assert "BENCHBENCH_DATA/omniglot-py" in shown


def test_missing_data_are_an_error_by_default(some: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some.write_text(some.read_text().replace('missing = "skip"\n', ""))
    with pytest.raises(SystemExit) as done:
        main(["run", "--matrix", str(some), "--results", str(tmp_path / "runs")])
    assert done.value.code == 2
    assert "error: dataset omniglot: expected" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["meta-dataset", "meta-dataset-records"])
def test_the_packaged_matrices_name_datasets_that_exist(name: str, some: Path, tmp_path: Path) -> None:
    # With one more target that needs no files; everything else is missing, and a name that is wrong would be an error.
    matrix = load_matrix(tasks_folder() / "matrices" / f"{name}.toml")
    axes = matrix.axes.model_copy(update={"source": ["symbols"], "target": [*matrix.axes.target, "digits"]})
    made = plan(matrix.model_copy(update={"axes": axes}), prepare_data=False)
    assert {c.target.name for t in made.trainings for c in t.cells} == {"benchbench-suite:digits"}
    listed = {lack for lack, _ in made.missing}
    # Thirteen targets; the union's parts are among them.
    assert listed == set(matrix.axes.target)
    assert len(listed) == 13


def test_transfer_asks_for_omniglot_and_cifar_fs_where_their_files_are(tmp_path: Path, monkeypatch) -> None:
    """Both as sources and as targets, with every embedded target; without them it is whole on embedded data."""
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path))
    matrix = load_matrix("transfer")

    def places() -> tuple[dict[str, set[str]], set[str]]:
        made = plan(matrix, prepare_data=False)
        targets: dict[str, set[str]] = {}
        for training in made.trainings:
            found = {cell.target.name.removeprefix("benchbench-suite:") for cell in training.cells}
            targets.setdefault(training.source_name, set()).update(found)
        return targets, {name for name, _ in made.missing}

    embedded = {"glyphs", "symbols", "digits", "glyph-scenes"}
    real = {"omniglot", "cifar-fs"}
    assert places() == (dict.fromkeys(("glyphs", "symbols"), embedded), real)
    for image in (
        "omniglot-py/images_background/Greek/character01/1.png", "omniglot-py/images_evaluation/N_Ko/character01/1.png",
        "cifar100/apple/1.png",
    ):  # fmt: skip
        (tmp_path / image).parent.mkdir(parents=True)
        (tmp_path / image).touch()
    assert places() == (dict.fromkeys(("glyphs", "symbols", *real), embedded | real), set())
