import csv
import sys

import pandas as pd
import pytest

from benchbench.store.records import Metric, Summary


@pytest.fixture
def results(make, save, tmp_path):
    two = {"accuracy": Metric(values=[5, 10], denominator=10), "loss": Metric(values=[0.5, 1.5])}
    summaries = {name: Summary.of(metric) for name, metric in two.items()}
    records = (make(scores=two, summary=summaries), make(None, pretext="jigsaw", reason="out of, memory"))
    return save(tmp_path / "results", *records)


def test_parquet_holds_every_value(command, results, tmp_path):
    path = tmp_path / "all.parquet"
    assert command("results", "export", results, "--parquet", path)[:2] == (0, f"wrote {path}\n")
    table = pd.read_parquet(path).sort_values(["pretext", "metric"]).reset_index(drop=True)
    assert table.status.tolist() == ["failed", "ok", "ok"]
    assert table.metric.tolist()[1:] == ["accuracy", "loss"]
    assert table["mean"].tolist()[1:] == [0.75, 1.0]
    assert [list(v) for v in table["values"][1:]] == [[5, 10], [0.5, 1.5]]
    assert table.denominator.tolist()[1] == 10
    assert table.reason[0] == "out of, memory"
    first = path.read_bytes()
    command("results", "export", results, "--parquet", path)
    assert path.read_bytes() == first


def test_csv_holds_a_row_a_record_and_metric(command, results, tmp_path):
    path = tmp_path / "all.csv"
    assert command("results", "export", results, "--csv", path)[0] == 0
    rows = {(r["pretext"], r["metric"]): r for r in csv.DictReader(path.open())}
    assert set(rows) == {("rotation", "accuracy"), ("rotation", "loss"), ("jigsaw", "")}
    assert rows["rotation", "accuracy"]["mean"] == "0.75"
    assert rows["jigsaw", ""]["reason"] == "out of, memory"
    assert "values" not in rows["jigsaw", ""]


def test_bad_input(command, results, tmp_path, monkeypatch):
    code, _, err = command("results", "export", results)
    assert (code, err) == (2, "error: results export: expected --parquet FILE or --csv FILE\n")
    assert command("results", "export", tmp_path / "nowhere", "--csv", tmp_path / "x.csv")[0] == 2
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = command("results", "export", results, "--parquet", tmp_path / "x.parquet")
    assert (code, err) == (2, "error: Parquet needs pyarrow: install benchbench-suite[parquet]\n")
    assert not (tmp_path / "x.parquet").exists()
