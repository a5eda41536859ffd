"""The table of published numbers beside ours, from records made by hand."""

import pytest

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.render import markdown
from benchbench.leaderboard.stated.published import load_published
from benchbench.leaderboard.stated.reproduction import reproduction
from benchbench.planning.matrix import load_matrix
from benchbench.store.files import Store

ROW = """[[row]]
method = "{0}"
protocol = "5-way 1-shot"
published = 98.8
source = "A paper"
band = [{1}, {2}]
cell = {{ matrix = "test", pretext = "{0}", meta = "protonet", protocol = "5way-1shot" }}
"""


@pytest.fixture
def published(tmp_path):
    """A file of published numbers with bands by pretext."""

    def write(**bands):
        path = tmp_path / "published.toml"
        path.write_text("".join(ROW.format(name, low, high) for name, (low, high) in bands.items()))
        return path

    return write


def rows(table):
    return {row["method"]: row for row in table.rows.to_dict("records")}


def test_every_number_has_its_verdict(make, published):
    path = published(labels=(80, 90), rotation=(80.5, 90.0), jigsaw=(10, 30), contrastive=(1, 2), mixture=(1, 2))
    records = [
        # Means .8 and .9 of two seeds: together .85.
        make("labels", counts=(7, 9), seed=0),
        make("labels", counts=(9, 9), seed=1),
        make("rotation", counts=(8, 8)),
        make("jigsaw", counts=(4, 4)),
        make("contrastive", counts=None, reason="out of memory"),
        make("labels", meta="maml", counts=(1, 1)),
    ]
    table = rows(reproduction(reversed(records), load_published(path).row))
    assert list(table) == ["labels", "rotation", "jigsaw", "contrastive", "mixture"]
    assert table["labels"]["ours"] == "85.00"
    assert table["labels"]["verdict"] == "within"
    # Student's interval of two means a tenth apart: 12.706 * .05.
    assert float(table["labels"]["± seeds"]) == pytest.approx(63.53, abs=0.01)
    assert table["labels"]["seeds"] == "2"
    assert table["labels"]["train s"] == "41"
    assert table["rotation"]["verdict"] == "missed: 0.50 below"
    assert table["rotation"]["± seeds"] == "–"
    assert table["jigsaw"]["verdict"] == "missed: 10.00 above"
    assert table["contrastive"]["verdict"] == "failed"
    assert table["mixture"]["verdict"] == "not run"
    assert table["mixture"]["ours"] == "–"


def test_the_spread_over_episodes(make, published):
    """Scores .7 and .9: standard deviation .1, standard error .1 / sqrt(2)."""
    table = rows(reproduction([make("labels", counts=(7, 9))], load_published(published(labels=(0, 100))).row))
    assert float(table["labels"]["± episodes"]) == pytest.approx(100 * 1.96 * 0.1 / 2**0.5, abs=0.005)


def test_a_failed_seed_is_told(make, published):
    records = [make("labels", counts=(8, 8)), make("labels", counts=None, reason="killed", seed=1)]
    table = rows(reproduction(records, load_published(published(labels=(80, 90))).row))
    assert table["labels"]["verdict"] == "within; 1 failed"


def test_two_records_of_one_seed_are_refused(make, published):
    records = [make("labels"), make("labels", recipe={"lr": 1})]
    with pytest.raises(BenchbenchError, match="several records of one seed"):
        reproduction(records, load_published(published(labels=(80, 90))).row)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("band = [80, 90]", "band = [90, 80]", "must rise"),
        ("published = 98.8", "publish = 98.8", "publish"),
        ("meta =", "metas =", "did you mean 'meta'"),
        ("published = 98.8", "published = 988", "less than or equal to 100"),
        ("[[row]]", "[[row]", "TOML syntax"),
    ],
)
def test_a_faulty_file_is_named(before, after, message, published):
    path = published(labels=(80, 90))
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(BenchbenchError, match=message) as error:
        load_published(path)
    assert str(path) in str(error.value)


def test_the_packaged_numbers_are_cells_of_packaged_matrices():
    for row in load_published().row:
        axes = load_matrix(row.cell.matrix).axes
        assert row.cell.pretext in axes.pretext
        assert row.cell.meta in axes.meta
        assert row.cell.protocol in axes.protocol


def test_the_command_writes_the_table(make, published, tmp_path, command):
    store, output = Store(tmp_path / "results").open(), tmp_path / "REPRODUCTION.md"
    record = make("labels", counts=(8, 9))
    store.add(record.training_key, [record])
    path = published(labels=(80, 90), rotation=(80, 90))
    code, out, _ = command("reproduce", store.root, "--published", path, "--output", output)
    assert code == 0
    assert "not run" in out
    first = output.read_text()
    assert first == markdown(reproduction([record], load_published(path).row))
    assert "| labels" in first
    assert "85.00" in first
    command("reproduce", store.root, "--published", path, "--output", output)
    assert output.read_text() == first
    code, _, err = command("reproduce", tmp_path / "nowhere")
    assert code == 2
    assert "no results folder" in err
