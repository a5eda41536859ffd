"""What each axis adds, all else being equal."""

from typing import Any

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.grid import Grid
from benchbench.leaderboard.paired_scores import difference, verdict
from benchbench.leaderboard.views.questions import ADAPTER, NOTE, PLAIN, UNTRAINED, Answer, Effect, family
from benchbench.leaderboard.views.scaling import cells_by_budget
from benchbench.leaderboard.views.tables import elsewhere
from benchbench.leaderboard.views.text import bounds, compact, number, tabular


def effects(found: Grid) -> Table:
    """Marginal effects: paired differences on the same target and episodes, averaged over all else.

    meta: against the same pretext with the plain adapter. pretext: with that adapter, against an untrained encoder.
    backbone, source: against the other values, if rows that agree in all else cover every value.
    """
    rows = [_row(effect, answer) for effect, answer in family(found).effects.items()]
    columns: dict[str, Any] = {
        "axis": lambda r: r["axis"],
        "value": lambda r: r["value"],
        "pretext": lambda r: r["pretext"],
        "effect": lambda r: bounds(r, "effect"),
        "verdict": lambda r: r["verdict"],
        "d (seeds)": lambda r: number(r["d_seeds"]),
        "d (episodes)": lambda r: number(r["d_episodes"]),
        "columns": lambda r: str(r["columns"]),
        "contexts": lambda r: str(r["contexts"]),
        "over": lambda r: r["over"],
        **{name: lambda r, name=name: bounds(r, name) for name in found.columns},
    }
    notes = [
        "effect: percentage points with a 95% interval: paired differences on the same episodes (and seeds, where both "
        f"have them). meta: against the same pretext × {ADAPTER} ({PLAIN}), or what other adapter alone is there; "
        f"pretext: × {ADAPTER}, against "
        f"{UNTRAINED} × {ADAPTER}, an untrained encoder; backbone, source: against the mean of the other values, where "
        "all of them are there.",
        "Averaged over the contexts of a column (what else differs: backbones, sources, pretexts), then over columns, "
        "which are taken as they are: no claim about other targets. One training is scored in all columns, so each "
        "seed's average over them is one observation, and the interval is Student's over these, with the draw of test "
        "episodes added; only seeds that have all of an effect's columns count. The last columns show each column by "
        "itself.",
        "d: Cohen's, the average in standard deviations: of trainings' averages over the columns (of their paired "
        "differences, where both sides have the same seeds), and of episodes' differences; – where nothing varies. "
        "From a few seeds, d (seeds) is rough and on average too large.",
        f"verdict: of the average, at the {NOTE} over: episodes where a single training seed stands behind it, which "
        "makes it a difference between trainings, not between methods.",
    ]
    if not rows:
        notes.insert(0, "No method differs from another in one axis alone: there is no effect to show.")
    return tabular("Marginal effects", rows, columns, [*_several(found), *notes, *elsewhere(found)])


def _several(found: Grid) -> list[str]:
    """Where trainings of several budgets stand in one folder, few rows agree in all else: what to do about it."""
    budgets = [compact(samples) for samples in sorted(cells_by_budget(found))]
    if len(budgets) < 2:
        return []
    return [
        f"Methods were trained on {', '.join(budgets[:-1])} and {budgets[-1]} samples. Budgets are not averaged here: "
        f"--view scaling shows all of them, --samples {budgets[0]} what was trained on at most so many."
    ]


def _row(effect: Effect, answer: Answer) -> dict[str, Any]:
    axis, value, pretext = effect
    d = answer.difference
    numbers: dict[str, Any] = {
        "axis": axis, "value": value, "pretext": pretext, "effect": d.mean, "effect_low": d.low, "effect_high": d.high,
        "p_holm": d.p_holm, "verdict": verdict(d.mean, d.p_holm), "d_seeds": answer.sizes.seeds,
        "d_episodes": answer.sizes.episodes, "columns": len(answer.columns), "contexts": answer.contexts,
        "seeds": d.seeds, "over": d.over,
    }  # fmt: skip
    for name, pair in answer.columns.items():
        here = difference(*pair)
        numbers |= {name: here.mean, f"{name}_low": here.low, f"{name}_high": here.high}
    return numbers
