"""The contrasts of a study and its answers by budget, against effects that are put into records."""

import numpy as np
import pytest
from scipy import stats

from benchbench.errors import BenchbenchError
from benchbench.keys import content_key
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.plots.study_lines import study_lines
from benchbench.leaderboard.stated.answers_by_budget import answers_by_budget
from benchbench.leaderboard.stated.answers_by_source import answers_by_source
from benchbench.leaderboard.stated.contrasts import contrasts
from benchbench.leaderboard.stated.preregistered import Study, load_study
from benchbench.packaged import tasks_folder

EASY = np.array([4, 6, 5, 5])
SOURCES, TARGETS, SEEDS = ("glyphs", "photographs"), ("glyphs", "photographs", "digits"), (0, 1, 2)


def study(**changes):
    plain, episodic = ({"pretext": "contrastive", "meta": m, "samples": 1_000} for m in ("plain", "protonet"))
    contrast = {
        "name": "it",
        "claim": "ProtoNet is better",
        "first": episodic,
        "second": plain,
        "expected": [0.0, 50.0],
    }
    design = {
        "sources": list(SOURCES), "pretexts": ["contrastive"], "methods": ["plain", "protonet"], "budgets": [1_000],
        "seeds": list(SEEDS), "protocol": "5way-1shot", "episodes": 4, "tuning": {},
    }  # fmt: skip
    return Study.model_validate({"matrix": "study", "design": design, "contrast": [contrast | changes]})


@pytest.fixture(scope="module")
def record(make):
    def made(meta, source, target, more, *, seed, samples=1_000, failed=False, flops=0):
        floor = meta == "floor"
        regime = "pseudo" if meta in ("protonet", "maml") else "joint"
        recipe = {"budget": {"samples": samples}}
        counts = None if failed else tuple(np.clip(EASY + more, 0, 10))
        named = {"meta": "nearest-centroid", "pretext": "none"} if floor else {"meta": meta, "pretext": "contrastive"}
        r = make(
            named["pretext"], named["meta"], target, counts, seed=seed, source=source, regime=regime, floor=floor,
            recipe=recipe, reason="out of memory" if failed else None,
        )  # fmt: skip
        key = content_key([r.key, samples, seed, source, meta])
        update = {"key": key, "training_key": content_key([key, "t"]), "episodes_hash": target}
        if r.cost:
            update["cost"] = r.cost.model_copy(update={"flops": flops or samples * 1_000})
        return r.model_copy(update=update)

    return made


@pytest.fixture(scope="module")
def records(record):
    """ProtoNet gains 1 of ten on other targets with seed 0, 2 with seed 1, 3 with seed 2; 4 on its own source."""
    found = []
    for source in SOURCES:
        for target in TARGETS:
            for seed in SEEDS:
                gain = 4 if source == target else 1 + seed
                found.append(record("plain", source, target, 0, seed=seed))
                found.append(record("protonet", source, target, gain, seed=seed))
                found.append(record("floor", source, target, -3, seed=seed))
    return found


def row(stated, records):
    (found,) = plain_rows(contrasts(stated, records))
    return found


def test_the_effect_is_averaged_over_targets_and_sources_for_each_seed(records):
    found = row(study(), records)
    by_seed = np.array([10.0, 20.0, 30.0])
    half = stats.t.ppf(0.975, 2) * by_seed.std(ddof=1) / 3**0.5
    assert (found["effect"], found["effect_low"], found["effect_high"]) == pytest.approx((20, 20 - half, 20 + half))
    assert found["p"] == pytest.approx(stats.ttest_1samp(by_seed, 0).pvalue, abs=1e-6)
    assert found["d_seeds"] == pytest.approx(2.0)
    assert found["inside"] == pytest.approx(40)
    assert found["verdict"] == "open"
    assert row(study(expected=[-10.0, 60.0]), records)["verdict"] == "holds"
    assert row(study(expected=[-60.0, -50.0]), records)["verdict"] == "contradicted"


def test_half_a_study_is_no_answer(records):
    lacking = [r for r in records if not (r.method.meta == "protonet" and r.seed == 2 and r.target == "digits")]
    assert row(study(), lacking)["verdict"] == "not run"


def test_contrasts_that_are_not_run_count_in_the_correction(records):
    later = [{"pretext": "contrastive", "meta": m, "samples": 9_000} for m in ("protonet", "plain")]
    whole = study()
    whole.contrast.extend(study(first=later[0], second=later[1]).contrast)
    first, second = plain_rows(contrasts(whole, records))
    assert (second["verdict"], second["p_holm"]) == ("not run", None)
    assert first["p_holm"] == pytest.approx(2 * first["p"], abs=1e-5)


def test_a_failed_training_counts_at_chance_level_and_is_listed(records, record):
    kept = [r for r in records if not (r.method.meta == "protonet" and r.source == "glyphs" and r.seed == 0)]
    failed = [record("protonet", "glyphs", target, 0, seed=0, failed=True) for target in TARGETS]
    table = contrasts(study(), [*kept, *failed])
    (found,) = plain_rows(table)
    # With seed 0 glyphs' effect is 20 - 50 instead of 10: the mean over sources falls by 20, that over seeds by 20/3.
    assert found["effect"] == pytest.approx(20 - 20 / 3)
    assert any("Failed" in note and "contrastive × protonet on glyphs" in note for note in table.notes)


def test_places_where_nothing_beats_the_floor_are_left_out_and_listed(records, record):
    hard = [r for r in records if not (r.flags.floor and r.target == "digits" and r.source == "glyphs")]
    hard += [record("floor", "glyphs", "digits", 4, seed=seed) for seed in SEEDS]
    table = contrasts(study(), hard)
    assert any("Left out" in note and "glyphs to digits" in note for note in table.notes)
    (found,) = plain_rows(table)
    assert found["effect"] == pytest.approx(20)


def sized(records, **weights):
    """Records whose encoders have as many weights as are given for their source."""
    return [r.model_copy(update={"cost": r.cost.model_copy(update={"parameters": weights[r.source]})}) for r in records]


@pytest.mark.parametrize(
    ("weights", "left_out"),
    [
        ({"glyphs": 1, "photographs": 1, "drawings": 3}, True),
        ({"glyphs": 1, "photographs": 3, "drawings": 3}, False),
        ({"glyphs": 1, "photographs": 2, "drawings": 3}, True),
    ],
    ids=["of the same shape", "of another shape", "of an unknown shape"],
)
def test_a_source_without_floors_of_its_own_has_those_of_its_shape(records, record, weights, left_out):
    trained = [r for r in records if not r.flags.floor]
    floors = [r for r in records if r.flags.floor and r.source == "glyphs" and r.target != "digits"]
    floors += [record("floor", "glyphs", "digits", 4, seed=seed) for seed in SEEDS]
    floors += [record("floor", "drawings", target, -3, seed=seed) for target in TARGETS for seed in SEEDS]
    notes = contrasts(study(), sized([*trained, *floors], **weights)).notes
    assert any("Left out" in note and "glyphs to digits" in note for note in notes)
    assert any("photographs to digits" in note for note in notes) == left_out


def test_one_difference_beyond_another(records, record):
    longer = [record(meta, s, t, more, seed=seed, samples=9_000)
              for s in SOURCES for t in TARGETS for seed in SEEDS
              for meta, more in (("plain", 2), ("protonet", 3))]  # fmt: skip
    plain, episodic = ({"pretext": "contrastive", "meta": m, "samples": 9_000} for m in ("plain", "protonet"))
    stated = study(beyond={"first": episodic, "second": plain})
    # 10, 20 and 30 at 1,000 samples, 10 at 9,000.
    assert row(stated, [*records, *longer])["effect"] == pytest.approx(10)


@pytest.fixture(scope="module")
def budgets(record):
    """Plain training has +0, +2 and +4 of ten at 1,000, 10,000 and 100,000 samples, ProtoNet +2, +3 and +3, in as many
    FLOPs; seed 1 has 1 more of it at first. In its own domain both have the same. MAML's 10,000 samples take the FLOPs
    of 100,000, and its 100,000 more than plain training was ever given."""
    found = []
    for source, target, seed in ((s, t, seed) for s in SOURCES for t in TARGETS for seed in SEEDS):
        floor = {"source": source, "target": target, "seed": seed}
        found.append(record("floor", more=-3, **floor))
        for samples, plain, episodic in ((1_000, 0, 2), (10_000, 2, 3), (100_000, 4, 3)):
            luck = seed == 1 and samples == 1_000
            of = {"source": source, "target": target, "seed": seed, "samples": samples}
            found.append(record("plain", more=plain, **of))
            found.append(record("protonet", more=plain if source == target else episodic + luck, **of))
            if samples > 1_000:
                found.append(record("maml", more=episodic, flops=samples * 10_000, **of))
    return found


def by_budget(records):
    stated = study()
    stated.design.budgets[:] = [1_000, 10_000, 100_000]
    stated.design.methods.append("maml")
    table = answers_by_budget(stated, records)
    return {(r["meta"], r["samples"]): r for r in plain_rows(table)}, table


def test_effects_by_budget_at_equal_samples_and_flops(budgets):
    found, table = by_budget(budgets)
    assert [found["plain", n]["score"] for n in (1_000, 10_000, 100_000)] == pytest.approx([50, 70, 90])
    of_protonet = [found["protonet", n] for n in (1_000, 10_000, 100_000)]
    assert [r["effect"] for r in of_protonet] == pytest.approx([20 + 10 / 3, 10, -10])
    assert [r["equal"] for r in of_protonet] == pytest.approx([20 + 10 / 3, 10, -10])
    assert [r["inside"] for r in of_protonet] == pytest.approx([0, 0, 0])
    half = stats.t.ppf(0.975, 2) * np.std([20, 30, 20], ddof=1) / 3**0.5
    assert of_protonet[0]["effect_high"] == pytest.approx(20 + 10 / 3 + half)
    assert found["plain", 1_000]["effect"] is None
    # MAML's 10,000 samples take as many FLOPs as 100,000 of plain training, which has 4 of ten more there, not 2.
    assert (found["maml", 10_000]["effect"], found["maml", 10_000]["equal"]) == pytest.approx((10, -10))
    assert found["maml", 100_000]["equal"] is None, "plain training was never that long: nothing is extrapolated"
    # Halfway, on a logarithmic scale, from +10 at 10,000 to -10 at 100,000.
    line = "contrastive × protonet, at equal samples: from above plain training to below it at 31.6k samples"
    assert any(note.startswith(line) for note in table.notes)
    # Counts of 1, 3, 2 and 2 of ten.
    assert table.notes[-1] == "Floors, averaged as scores are: none × nearest-centroid (conv4) 20.00."


def test_the_plot_has_a_line_a_method_in_a_panel_a_pretext(budgets):
    _, table = by_budget(budgets)
    figure = study_lines(table)
    assert [axis.get_title() for axis in figure.axes] == ["contrastive", ""]
    lines = [[drawn.lines[0].get_ydata() for drawn in axis.containers] for axis in figure.axes]
    assert [[len(line) for line in of] for of in lines] == [[3, 2], [3, 1]], "of MAML's only one has its FLOPs' like"
    assert lines[0][0] == pytest.approx([20 + 10 / 3, 10, -10])


def test_sources_stand_apart(records, record):
    other = [r for r in records if not (r.source == "photographs" and r.method.meta == "protonet")]
    other += [record("protonet", "photographs", t, -1, seed=seed) for t in TARGETS for seed in SEEDS]
    table = answers_by_source([study()], other)
    found = {r["source"]: r for r in plain_rows(table)}
    assert [found[s]["effect_1000"] for s in SOURCES] == pytest.approx([20, -10])
    assert list(table.rows["1k"])[1] == "-10.00 [-10.00, -10.00]"
    assert plain_rows(answers_by_source([study(), study()], other)) == plain_rows(table)
    lacking = [r for r in other if not (r.source == "glyphs" and r.seed == 2 and r.method.meta == "plain")]
    assert [r["source"] for r in plain_rows(answers_by_source([study()], lacking))] == ["photographs"]


def test_a_budget_that_lacks_a_seed_has_no_effect(budgets):
    lacking = [r for r in budgets if not (
        r.method.meta == "plain" and r.seed == 2 and r.content["recipe"]["budget"]["samples"] == 10_000
    )]  # fmt: skip
    found, _ = by_budget(lacking)
    assert found["protonet", 10_000]["effect"] is None
    assert found["protonet", 10_000]["score"] == pytest.approx(80)
    assert found["protonet", 100_000]["effect"] == pytest.approx(-10)


@pytest.mark.parametrize("name", sorted(path.stem for path in tasks_folder().glob("study*.toml")))
def test_a_packaged_study_contrasts_only_what_it_trains(name):
    stated = load_study(name)
    trained = stated.design.sides()
    assert len(stated.contrast) <= 6
    for pair in (pair for contrast in stated.contrast for pair in (contrast, contrast.beyond) if pair):
        assert pair.first in trained
        assert pair.second in trained


def test_a_method_is_trained_from_its_smallest_to_its_largest_budget():
    design = load_study().design.model_copy(
        update={
            "pretexts": ["labels"],
            "methods": ["plain", "maml"],
            "budgets": [1, 2, 3],
            "smallest": {"maml": 2},
            "largest": {"maml": 2},
        }
    )
    trained = [(side.meta, side.samples) for side in design.sides()]
    assert trained == [("plain", 1), ("plain", 2), ("plain", 3), ("maml", 2)]


def test_a_study_file_says_which_key_is_wrong(tmp_path):
    (tmp_path / "mine.toml").write_text('matrix = "study"\ncontrasts = []\n')
    with pytest.raises(BenchbenchError, match=r"mine.toml: .*(design|contrast)"):
        load_study(tmp_path / "mine.toml")
