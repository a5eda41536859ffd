"""Tables divided by rows: scikit-learn's, and a user's own."""

import numpy as np
import pytest
import sklearn.datasets

from benchbench import BenchbenchError, DataMissing
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import prepare

READERS = {"wine": "load_wine", "cancer": "load_breast_cancer", "iris": "load_iris", "digits-table": "load_digits"}


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path))


def made(name, **settings):
    return prepare(resolve_component("dataset", name, settings))


@pytest.mark.parametrize("name", READERS)
def test_rows_are_divided_within_each_class(name):
    data, own = made(name), getattr(sklearn.datasets, READERS[name])()
    classes = [str(c) for c in own.target_names]
    held = [data.table.class_names[label].split("/") for label in data.table.labels]
    assert [of for _, of in held] == [classes[y] for y in own.target]
    tested = np.array([part == "test" for part, _ in held])
    for y in range(len(classes)):
        assert tested[own.target == y].sum() == round(0.2 * (own.target == y).sum())
    assert {data.table.class_names[c] for c in data.split.test} == {f"test/{c}" for c in classes}
    assert {data.table.class_names[c] for c in data.split.train} == {f"train/{c}" for c in classes}


@pytest.mark.parametrize("name", READERS)
def test_values_are_standardised_by_the_training_rows(name):
    data, own = made(name), getattr(sklearn.datasets, READERS[name])().data
    trained = np.isin(data.table.labels, data.split.train)
    x, spread = np.asarray(data.table.x), own[trained].std(0)
    expected = (own - own[trained].mean(0)) / np.where(spread > 0, spread, 1)
    np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-4)
    assert abs(x[~trained].mean(0)).max() > 0.01  # not by the testing rows


def test_another_share():
    counts = np.bincount(made("iris", test=0.5).table.labels)
    assert counts.tolist() == [25] * 6


HEADER = "colour,size,note,kind\n"


def table(folder, rows, header=HEADER):
    (folder / "own.csv").write_text(header + "".join(f"{row}\n" for row in rows))
    return made("table", path="own.csv", target="kind", categorical=["colour"], ignored=["note"], test=0.4)


def test_a_users_table(tmp_path):
    data = table(tmp_path, [f"{'red' if i % 3 else 'blue'},{i},x{i},{'ab'[i % 2]}" for i in range(20)])
    trained = np.isin(data.table.labels, data.split.train)
    assert trained.sum() == 12
    raw = np.array([[i % 3 == 0, i % 3 > 0, i] for i in range(20)], float)  # blue, red, size
    np.testing.assert_allclose(data.table.x, (raw - raw[trained].mean(0)) / raw[trained].std(0), rtol=1e-5)
    assert data.table.class_names == ("test/a", "test/b", "train/a", "train/b")


def test_categories_are_those_of_training_rows(tmp_path):
    rows = [f"red,{i},x,{'ab'[i % 2]}" for i in range(20)]
    tested = np.isin((whole := table(tmp_path, rows)).table.labels, whole.split.test)
    where = int(np.flatnonzero(tested)[0])
    rows[where] = rows[where].replace("red", "green")
    data = table(tmp_path, rows)
    assert data.table.shape == (2,)  # green is no column
    assert data.table.x[where, 0] == -1  # its red is 0, and the mean 1


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["red,1,x,a"] * 5 + ["red,1,x,b"], HEADER, "class 'b' has one row: expected 2"),
        (["red,big,x,a"] * 5, HEADER, "own.csv: row 1: column 'size' holds 'big', no finite number"),
        (["red,1,x,a"] * 4 + ["red,,x,a"], HEADER, "row 5: column 'size' holds '', no finite number"),
        (["red,nan,x,a"] * 4, HEADER, "holds 'nan', no finite number"),
        (["red,1,x,"] * 5, HEADER, "line 2 has no value for 'kind'"),
        (["red,1,x,a"] * 5, HEADER.replace("kind", "kinds"), "no column 'kind'; did you mean 'kinds'"),
        (["red,1,x,a"] * 5, HEADER.replace("note", "notes"), "no column 'note'; did you mean 'notes'"),
        (["red,1,x,a"] * 5, HEADER.replace("colour", "color"), "no column 'colour'; did you mean 'color'"),
        (["red,1,x,a,7"] * 5, HEADER, "row 1: has more cells than the header has names"),
        (["red,1,x,a/b"] * 5, HEADER, "class 'a/b' has a slash"),
        ([], HEADER, "expected rows below the header"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, rows, header, message):
    with pytest.raises(BenchbenchError, match=message):
        table(tmp_path, rows, header)


def test_what_settings_say_twice():
    with pytest.raises(BenchbenchError, match="column 'kind' is given two meanings"):
        made("table", path="own.csv", target="kind", categorical=["kind"])
    with pytest.raises(DataMissing, match=r"no file .*none.csv: expected a CSV file with a header"):
        made("table", path="none.csv", target="kind")
