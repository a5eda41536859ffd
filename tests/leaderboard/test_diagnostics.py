"""What explains the scores, beside them: as a table, as a plot and on the page."""

import math

import pytest

from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.grid import grid
from benchbench.leaderboard.page.embedded import payload
from benchbench.leaderboard.plots.drawn import diagnostics as plot
from benchbench.leaderboard.plots.figures import styled, svg
from benchbench.leaderboard.views import view
from benchbench.store.records import Metric, Summary


@pytest.fixture(scope="module")
def measured(make):
    """A record of `make` with measures of its representation and how alike it takes pairs of images."""

    def measured(*arguments, rank=3.0, pairs=(1, 0), images="images", **settings):
        record = make(*arguments, **settings)
        scores = record.scores | {
            "effective_rank": Metric(values=[rank], unit="target"),
            "pairs": Metric(values=list(pairs), unit="pair"),
        }
        summary = {name: Summary.of(metric) for name, metric in scores.items()}
        return record.model_copy(update={"scores": scores, "summary": summary, "episodes_hash": images})

    return measured


def rows(records):
    return {r["method"]: r for r in plain_rows(view("diagnostics", records))}


def test_cka_is_the_cosine_with_the_best_method_that_learned_from_labels(measured, make):
    records = [
        measured("labels", "protonet", counts=(9, 9), pairs=(3, 4)),
        measured("labels", "maml", counts=(6, 6), pairs=(0, 1)),
        measured("rotation", counts=(5, 5), pairs=(1, 0), rank=2.5),
        measured("jigsaw", counts=(4, 4), images="others"),
        measured("none", "nearest-centroid", counts=(3, 3), floor=True, pairs=(0, 0)),
        make("rotation", "reptile"),
    ]
    found = rows(records)
    # Best score first; what holds no measures is not there.
    assert list(found) == [
        "labels × protonet", "labels × maml", "rotation × protonet", "jigsaw × protonet", "none × nearest-centroid"
    ]  # fmt: skip
    # The oracle's pairs are (3, 4), of length 5.
    assert found["labels × maml"]["cka"] == pytest.approx(4 / 5)
    assert found["rotation × protonet"]["cka"] == pytest.approx(3 / 5)
    # Nothing is said of other images, of what takes all images for the same, and of the oracle itself.
    assert [name for name, r in found.items() if r["cka"] is None] == [
        "labels × protonet", "jigsaw × protonet", "none × nearest-centroid"
    ]  # fmt: skip
    shown = view("diagnostics", records)
    assert shown.rows["cka"].tolist() == ["oracle", "0.800", "0.600", "–", "–"]
    assert (found["rotation × protonet"]["score"], found["rotation × protonet"]["effective_rank"]) == (50, 2.5)


def test_seeds_are_compared_with_the_same_seed_and_averaged(measured):
    records = [
        measured("labels", counts=(9, 9), seed=0, pairs=(1, 0)),
        measured("labels", counts=(9, 9), seed=1, pairs=(0, 1)),
        *(measured("rotation", seed=s, pairs=(1, 1), rank=r) for s, r in ((0, 1.0), (1, 3.0))),
        measured("jigsaw", seed=1, pairs=(1, 0)),
        measured("mixture", seed=7, pairs=(1, 0)),
    ]
    found = rows(records)
    assert found["rotation × protonet"]["cka"] == pytest.approx(1 / math.sqrt(2))
    assert (found["rotation × protonet"]["effective_rank"], found["rotation × protonet"]["seeds"]) == (2, 2)
    assert found["jigsaw × protonet"]["cka"] == 0
    # The oracle was not trained with seed 7: its first stands for it.
    assert found["mixture × protonet"]["cka"] == 1


def test_columns_have_oracles_of_their_own_and_need_one(measured, make):
    records = [
        measured("labels", target="digits"), measured("rotation", target="digits"), measured("rotation"),
        make(target="symbols"),
    ]  # fmt: skip
    table = view("diagnostics", records)
    found = [(r["column"], r["cka"]) for r in plain_rows(table)]
    assert found == [("digits 5way-1shot", None), ("digits 5way-1shot", 1), ("glyphs 5way-1shot", None)]
    assert table.notes[-1] == "Without measures, and not shown: symbols 5way-1shot."
    assert "cka" not in view("diagnostics", [measured()]).rows.columns


def test_the_plot_has_a_panel_a_measure_and_is_drawn_with_cause(measured, make):
    with styled():
        assert plot(grid([make()])) is None
        drawn = svg(plot(grid([measured("labels"), measured(), measured(target="digits")])))
    for text in ("effective rank", "cka", "digits 5way-1shot, %", "glyphs 5way-1shot, %"):
        assert text in drawn


def test_the_page_tells_measures_apart_from_percentages(measured):
    data = payload(aggregate([measured(rank=2.5)]), {})
    (record,) = data["rows"][0]["records"]
    assert list(record["scores"]) == ["accuracy"]
    assert data["parts"][record["content"]["diagnostics"]] == {"effective_rank": 2.5}
