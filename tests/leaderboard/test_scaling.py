"""Scores and effects as functions of the budget, against numbers worked out by hand."""

import math

import numpy as np
import pytest

from benchbench.keys import content_key
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.grid import grid
from benchbench.leaderboard.plots.budget_lines import scaling as plot
from benchbench.leaderboard.views import view

#: Correct of ten in four test episodes, which all methods share.
EASY = np.array([4, 6, 5, 5])


@pytest.fixture(scope="module")
def at(make):
    """A record at a budget of samples and FLOPs; all counts are those of `EASY` and `more`."""

    def record(meta, samples, more, *, seed=0, flops=0, target="digits", pretext="contrastive", source="glyphs"):
        regime = "joint" if meta in ("nearest-centroid", "readout") else "pseudo"
        counts = tuple(EASY + more)
        recipe = {"budget": {"samples": samples}}
        r = make(pretext, meta, target, counts, seed=seed, regime=regime, recipe=recipe, source=source)
        cost = r.cost.model_copy(update={"flops": flops or samples * 1000})
        key = content_key([r.key, samples, seed])
        return r.model_copy(update={"key": key, "cost": cost, "episodes_hash": target})

    return record


def scaled(records):
    return {(r["meta"], r["source"], r["budget"]): r for r in plain_rows(view("scaling", records))}


def test_effects_at_equal_samples_and_where_they_change_sign(at):
    records = [
        at(meta, samples, more, seed=seed)
        for seed in (0, 1)
        for samples, plain, episodic in ((1_000, 0, 2), (10_000, 2, 3), (100_000, 4, 3))
        for meta, more in (("nearest-centroid", plain), ("protonet", episodic))
    ]
    found = scaled(records)
    effects = [found["protonet", "", samples]["effect"] for samples in (1_000, 10_000, 100_000)]
    assert effects == pytest.approx([20, 10, -10])
    assert found["protonet", "", 1_000]["mean"] == pytest.approx(70)
    assert found["nearest-centroid", "", 1_000]["effect"] is None
    # Halfway, on a logarithmic scale, from +10 at 10,000 to -10 at 100,000.
    assert found["protonet", "", 1_000]["crossing"] == pytest.approx(10**4.5)
    table = view("scaling", records)
    assert any(
        "from above plain training to below it at 31.6k samples [31.6k, 31.6k], in 100%" in n for n in table.notes
    )


def test_effects_at_equal_flops_are_measured_from_interpolated_plain_training(at):
    records = []
    for seed in (0, 1, 2):
        records += [at("readout", 1_000, 0, seed=seed, flops=10**6), at("readout", 10_000, 4, seed=seed, flops=10**8)]
        records += [at("maml", 1_000, 3, seed=seed, flops=10**7), at("maml", 10_000, 5, seed=seed, flops=10**9)]
    found = scaled(records)
    # Plain training has +2 of ten at 10^7 FLOPs, halfway between its budgets on a logarithmic scale.
    assert found["maml", "", 1_000]["effect"] == pytest.approx(30)
    assert found["maml", "", 1_000]["equal"] == pytest.approx(10)
    assert found["maml", "", 10_000]["equal"] is None, "plain training was never that long: nothing is extrapolated"


def test_effects_say_what_to_do_with_several_budgets(at):
    both = [at(meta, samples, 1) for samples in (1_000, 10_000) for meta in ("nearest-centroid", "protonet")]
    empty = view("effects", both)
    assert empty.rows.empty
    assert empty.notes[0].startswith("Methods were trained on 1k and 10k samples. Budgets are not averaged here:")
    assert empty.notes[1].startswith("No method differs from another in one axis alone")
    one = view("effects", both[:2])
    assert not one.rows.empty
    assert not any("Budgets" in note or "No method" in note for note in one.notes)


def test_a_method_is_one_line_whatever_sources_a_budget_has(at):
    records = [at("protonet", 1_000, 1), at("protonet", 1_000, 2, source="omniglot"), at("protonet", 10_000, 3)]
    assert set(scaled(records)) == {
        ("protonet", "glyphs", 1_000), ("protonet", "omniglot", 1_000), ("protonet", "glyphs", 10_000),
    }  # fmt: skip


def test_methods_that_lack_a_column_have_no_score_and_no_effect(at):
    records = [at("nearest-centroid", 1_000, 0, target=t) for t in ("digits", "mnist")] + [at("protonet", 1_000, 1)]
    found = scaled(records)
    assert found["protonet", "", 1_000]["mean"] is None
    assert found["protonet", "", 1_000]["effect"] is None
    assert found["nearest-centroid", "", 1_000]["mean"] == pytest.approx(50)


def test_the_interval_is_over_seeds_or_over_episodes_with_one_seed(at):
    one = scaled([at("protonet", 1_000, 0)])["protonet", "", 1_000]
    assert one["high"] - one["mean"] == pytest.approx(1.96 * np.std(10 * EASY, ddof=1) / 2)
    two = scaled([at("protonet", 1_000, 0), at("protonet", 1_000, 1, seed=1)])["protonet", "", 1_000]
    assert two["high"] - two["mean"] == pytest.approx(12.706204736 * np.std([50, 60], ddof=1) / math.sqrt(2))


def test_the_plot_is_drawn_for_several_budgets_alone(at):
    one = [at(meta, 1_000, more) for meta, more in (("nearest-centroid", 0), ("protonet", 1))]
    assert plot(grid(one)) is None
    figure = plot(grid([*one, at("nearest-centroid", 10_000, 1), at("protonet", 10_000, 3)]))
    assert figure is not None
    assert len(figure.axes) == 3
    (line,) = figure.axes[1].get_lines()[:1]
    assert list(line.get_xdata()) == [1_000, 10_000]
    assert list(line.get_ydata()) == pytest.approx([10, 20])
