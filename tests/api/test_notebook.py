"""What a notebook meets: short texts, tables, progress, pivots that mix nothing, and the notebook of the tutorial."""

import ast
import json
import sys
import types
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

import benchbench
from benchbench.execution.job import Event
from benchbench.execution.notebook import NotebookProgress, in_notebook
from benchbench.keys import content_key

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorials" / "first-study.ipynb"
MATRIX = {
    "name": "tiny",
    "floors": False,
    "axes": {
        "pretext": ["labels", "none"],
        "meta": ["nearest-centroid"],
        "backbone": ["conv4"],
        "source": ["glyphs"],
        "target": ["digits"],
        "protocol": ["5way-1shot"],
    },
    "budget": {"samples": 400},
    "settings": {"backbone": {"conv4": {"width": 4}}, "protocol": {"episodic": {"episodes": 8}}},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return benchbench.run(MATRIX, tmp_path_factory.mktemp("runs"), executor="inline")


def test_a_dictionary_is_a_matrix_and_stays_as_it_was(done):
    assert (done.trained, done.failed) == (2, [])
    assert MATRIX["axes"]["pretext"] == ["labels", "none"]
    assert repr(done).startswith("Run(tiny: trained 2, reused 0, failed 0; records in ")
    with pytest.raises(benchbench.BenchbenchError, match=r"^benchbench\.run: .*budget"):
        benchbench.run({**MATRIX, "budget": {}})


def test_a_run_and_its_records_make_tables(done, tmp_path):
    frame = done.leaderboard()
    assert list(frame["pretext"]) == list(done.records.leaderboard()["pretext"])
    assert frame.loc[frame["pretext"] == "labels", "digits 5way-1shot"].item() == pytest.approx(
        100 * next(r for r in done.records if r.method.pretext == "labels").summary["accuracy"].mean
    )
    assert "digits 5way-1shot ci95" in frame
    assert not [name for name in frame if name.endswith((" status", " seed se"))]
    compared = done.compare("labels/nearest-centroid", "none/nearest-centroid").to_frame()
    assert compared["difference"].item() == pytest.approx(compared["b"].item() - compared["a"].item())
    # One argument: the same methods elsewhere.
    again = benchbench.run(MATRIX, tmp_path, only={"pretext": ["labels"]}, executor="inline")
    assert done.compare(again.records).to_frame()["difference"].tolist() == [0.0]
    assert done.to_frame()["label"].tolist() == ["labels × nearest-centroid", "none × nearest-centroid"]


def test_a_leaderboard_is_called_by_folder_view_and_filter(done):
    results = done.store.root
    assert isinstance(benchbench.leaderboard(results), pd.DataFrame)
    text = benchbench.leaderboard(results, form="text")
    assert set(text["method"]) == {"labels × nearest-centroid", "none × nearest-centroid (floor)"}
    assert benchbench.leaderboard(results, labels="none")["pretext"].tolist() == ["none"]
    effects = benchbench.leaderboard(results, view="effects")
    assert effects[["axis", "value"]].values.tolist() == [["pretext", "labels"]]
    assert any("paired differences" in note for note in effects.attrs["notes"])
    full = benchbench.leaderboard(results, form="full")
    assert "digits 5way-1shot status" in full
    for options, message in (
        ({"view": "efects"}, "unknown view 'efects'; did you mean 'effects'"),
        ({"form": "csv"}, "form 'csv': expected one of numbers, text, full"),
        ({"label": "none"}, "unknown filter 'label'; did you mean 'labels'"),
    ):
        with pytest.raises(benchbench.BenchbenchError, match=message):
            benchbench.leaderboard(results, **options)
    # Importing what is in the folder leaves the name callable.
    assert import_module("benchbench.leaderboard.grid").grid
    assert callable(benchbench.leaderboard)


@pytest.mark.parametrize("long", [False, True])
def test_texts_are_short_and_escaped(done, make, long):
    evil = "<img src=x onerror=alert(1)>" * (40 if long else 1)
    records = benchbench.Records([make(pretext=evil), make(None, pretext=evil, reason=evil, seed=1)])
    model = benchbench.train(pretext="none", meta="nearest-centroid", samples=100)
    shown = [done, done.records, done.records[0], model, records, *records]
    shown += [done.compare("labels/nearest-centroid", "none/nearest-centroid")]
    for each in shown:
        assert 10 < len(repr(each)) < 300
        assert "\n" not in repr(each)
        assert 10 < len(each._repr_html_()) < 300
        assert "<img" not in each._repr_html_()
    assert "none × nearest-centroid" in repr(model)
    assert f"accuracy {done.records[0].summary['accuracy'].mean:.4f}" in repr(done.records[0])
    assert isinstance(done.records[:1], benchbench.Records)


def dataset(name, path, fingerprint="f"):
    return {"name": "suite:imagefolder", "revision": 1, "settings": {"path": path}, "fingerprint": fingerprint}


def placed(make, counts, path, *, own=None, fingerprint="f", **fields):
    """A record on a folder of images, which its matrix may call by a name of its own."""
    made = make(counts, target="imagefolder", **fields)
    content = {**made.content, "target": dataset("imagefolder", path, fingerprint)}
    content |= {"names": {"target": own}} if own else {}
    return made.model_copy(update={"content": content, "key": content_key([made.key, path, own, fingerprint])})


def pivot(records):
    frame = benchbench.Records(records).to_frame()
    return frame.pivot_table(index="label", columns=["target", "protocol"], values="mean")


def test_a_pivot_mixes_no_datasets(make):
    named = pivot([placed(make, (1, 1), "birds", own="birds"), placed(make, (9, 9), "cars", own="cars")])
    assert named.loc["rotation × protonet"].to_dict() == {
        ("birds", "5way-1shot"): pytest.approx(0.1),
        ("cars", "5way-1shot"): pytest.approx(0.9),
    }
    unnamed = pivot([placed(make, (1, 1), "birds"), placed(make, (9, 9), "cars")])
    assert sorted(unnamed.loc["rotation × protonet"]) == [pytest.approx(0.1), pytest.approx(0.9)]
    assert {target for target, _ in unnamed.columns} == {"imagefolder (path birds)", "imagefolder (path cars)"}
    # The same folder, whose files changed in between.
    changed = pivot([placed(make, (1, 1), "birds"), placed(make, (9, 9), "birds", fingerprint="g")])
    assert {target for target, _ in changed.columns} == {"imagefolder (content 1)", "imagefolder (content 2)"}
    # Two names of one thing, and two seeds, are what a mean is for.
    same = pivot([placed(make, (1, 1), "birds", own="birds"), placed(make, (3, 3), "birds", own="vögel", seed=1)])
    assert same.values.tolist() == [[pytest.approx(0.2)]]


def test_a_pivot_mixes_no_metrics(make):
    from benchbench.store.records import Metric, Summary

    two = {"accuracy": Metric(values=[5, 10], denominator=10), "loss": Metric(values=[4.0, 6.0])}
    record = make(scores=two, summary={name: Summary.of(metric) for name, metric in two.items()})
    records = benchbench.Records([record])
    assert records.to_frame()["mean"].tolist() == [0.75]
    assert records.to_frame(every_metric=True)["mean"].tolist() == [0.75, 5.0]


class ZMQInteractiveShell:
    pass


@pytest.fixture
def notebook(monkeypatch):
    """A stand-in for a kernel: what each display was told."""
    told = []
    handle = types.SimpleNamespace(update=lambda shown: told.append(shown._repr_html_()))

    def display(shown, display_id):
        assert display_id is True
        told.append(shown._repr_html_())
        return handle

    kernel = types.ModuleType("IPython")
    kernel.get_ipython = ZMQInteractiveShell
    kernel.display = types.ModuleType("IPython.display")
    kernel.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", kernel.display)
    return told


def executed(path):
    """Run the code cells of a notebook in one namespace: it, and what each cell shows, by its source."""
    names, shown = {}, {}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            body = ast.parse(source).body
            last = ast.Expression(body.pop().value) if isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), path.name, "exec"), names)
            shown[source] = eval(compile(last, path.name, "eval"), names) if last else None
    return names, shown


def test_the_tutorials_notebook_runs_and_shows_progress_and_a_terminal_none(notebook, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert in_notebook()
    names, shown = executed(NOTEBOOK)
    assert "0 of 8 trainings" in notebook[0]
    assert any("8 of 8 trainings" in text for text in notebook)
    assert any("contrastive × protonet" in text for text in notebook)
    # The floors are there already.
    assert "4 of 4 trainings" in notebook[-1]
    assert (names["longer"].trained, names["longer"].reused) == (4, 4)
    added = names["effects"].query("axis == 'meta'")
    assert set(added["value"]) == {"protonet (pseudo)"}
    assert set(added["verdict"]) <= {"tie", "better", "worse"}
    assert names["scaling"]["budget"].tolist() == [400, 1600] * 2
    pivot = next(frame for source, frame in shown.items() if "pivot_table" in source)
    assert {*pivot.columns} == {("digits", "5way-1shot"), ("glyphs", "5way-1shot")}
    assert "contrastive × protonet (samples 1600)" in pivot.index
    # With a listener of one's own, and where nothing is left to do.
    count = len(notebook)
    benchbench.run(MATRIX, tmp_path / "b", only={"pretext": ["none"]}, executor="inline", report=lambda event: None)
    benchbench.run(names["matrix"], "study", executor="inline")
    assert len(notebook) == count
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()
    printed = capsys.readouterr().out
    assert printed.startswith("Scores in percent")
    assert len(printed.splitlines()) == 2


def test_the_tutorials_notebook_is_valid_and_holds_no_outputs():
    content = json.loads(NOTEBOOK.read_text("utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    pytest.importorskip("nbformat", reason="nbformat is not installed: the notebook's form is not checked").validate(
        content
    )


def test_progress_names_what_runs_as_text(notebook):
    progress = NotebookProgress(9)
    for number in range(6):
        training = types.SimpleNamespace(key=str(number), label=f"<i>{number}</i>")
        progress(Event("started", training))
    progress(Event("progress", training, {"step": 3, "steps": 10, "seconds_left": 61.4}))
    progress(Event("failed", training, "why"))
    assert "<i>" not in progress._repr_html_()
    assert "&lt;i&gt;0" in notebook[-1]
    assert "1 of 9 trainings, 1 failed" in notebook[-1]
    assert "and 1 more" in notebook[-1]
