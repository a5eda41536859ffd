"""Which differences are real: pairwise tests, tests across targets, robust aggregates, and the choice they leave."""

import math
from collections import Counter
from typing import Any

import numpy as np

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.grid import MISSING, Grid, Row, average_ranks, names, ordered, places
from benchbench.leaderboard.notes import claims
from benchbench.leaderboard.paired_scores import shared, verdict
from benchbench.leaderboard.statistics.across import Across, friedman, nemenyi, wilcoxon_holm
from benchbench.leaderboard.statistics.paired import compare_all
from benchbench.leaderboard.statistics.robust import Estimate, average_interval, improvement, iqm_interval
from benchbench.leaderboard.views.cost import paid
from benchbench.leaderboard.views.questions import NOTE, family
from benchbench.leaderboard.views.tables import elsewhere
from benchbench.leaderboard.views.text import bounds, compact, number, tabular

#: Pairs grow with the square of the rows, and little survives Holm's correction over so many.
MOST_ROWS = 40


def significance(found: Grid) -> Table:
    """Pairwise wins, ties and losses on shared episodes; mean ranks over targets with their critical difference."""
    rows = ordered(found, average_ranks(found))
    compared, text = rows[:MOST_ROWS], names(found)
    counts: dict[Row, Counter[str]] = {row: Counter() for row in compared}
    one_seed = False
    for column in found.columns:
        scored = {row: s for row, s in shared(found, column).items() if row in counts}
        keys = {str(i): row for i, row in enumerate(scored)}
        tables = {key: scored[row].table for key, row in keys.items()}
        pairs = compare_all(tables, seeds={key: scored[row].seeds for key, row in keys.items()})
        for (a, b), d in pairs.items():
            one_seed |= d.over == "episodes"
            first = "ties" if not d.significant else "wins" if d.mean > 0 else "losses"
            counts[keys[a]][first] += 1
            counts[keys[b]][{"wins": "losses", "losses": "wins"}.get(first, first)] += 1
    across = over_targets(found, compared)
    from_first = _from_first(across, *target_scores(found, compared)) if across and across.targets else {}
    ranks = dict(zip(compared, across.mean_ranks, strict=True)) if across else {}
    numbers = [
        {"method": text[row], **row._asdict(), **{what: counts[row][what] for what in ("wins", "ties", "losses")}}
        | {"mean_rank": float(ranks[row]) if row in ranks and not math.isnan(ranks[row]) else None}
        | {"groups": _groups(across, text[row])}
        | from_first.get(text[row], {"nemenyi_p": None, "wilcoxon_p": None})
        for row in compared
    ]
    columns = {
        "method": lambda r: r["method"],
        "wins": lambda r: str(r["wins"]),
        "ties": lambda r: str(r["ties"]),
        "losses": lambda r: str(r["losses"]),
        "mean rank": lambda r: number(r["mean_rank"]),
        "groups": lambda r: r["groups"] or MISSING,
        "p (Nemenyi)": lambda r: number(r["nemenyi_p"], 3),
        "p (Wilcoxon)": lambda r: number(r["wilcoxon_p"], 3),
    }
    notes = [
        f"wins, ties, losses: against each other method in each of {len(found.columns)} columns; paired on the same "
        "episodes, at the 5% level after Holm's correction over all pairs of the column. One training is scored in all "
        "columns: wins in several are no independent repetitions.",
    ]
    if one_seed:
        notes.append("Pairs with a single training seed compare these trainings; no claim about methods follows.")
    if across:
        notes += _about(across)
    if len(rows) > MOST_ROWS:
        notes.append(f"The best {MOST_ROWS} of {len(rows)} rows; --backbone, --source and others choose among them.")
    return tabular("Significance", numbers, columns, [*notes, *elsewhere(found)])


def over_targets(found: Grid, rows: list[Row]) -> Across | None:
    """Friedman's test and Nemenyi's critical difference over targets. None for a single method."""
    return friedman(*target_scores(found, rows)) if len(rows) > 1 else None


def target_scores(found: Grid, rows: list[Row]) -> tuple[np.ndarray, list[str], list[str]]:
    """Scores (methods, targets), nan where missing, the methods and the targets; a target's score is the mean over its
    protocols."""
    targets: dict[str, list[str]] = {}
    for column, cell in places(found).items():
        targets.setdefault(cell.target, []).append(column)
    table = np.full((len(rows), len(targets)), np.nan)
    for i, row in enumerate(rows):
        for j, columns in enumerate(targets.values()):
            scores = [score.mean for column in columns if (score := found.scored(row, column))]
            if len(scores) == len(columns):
                table[i, j] = math.fsum(scores) / len(scores)
    text = names(found)
    return table, [text[row] for row in rows], list(targets)


def _from_first(
    across: Across, table: np.ndarray, methods: list[str], targets: list[str]
) -> dict[str, dict[str, float | None]]:
    """Each method's p against the best mean rank; None if no claim can be made."""
    best = int(np.argmin(across.mean_ranks))
    by_rank, signed = nemenyi(across)[best], wilcoxon_holm(table, methods, targets)
    found: dict[str, dict[str, float | None]] = {}
    for i, method in enumerate(methods):
        if i != best:
            pair = (methods[min(i, best)], methods[max(i, best)])
            found[method] = {
                "nemenyi_p": float(by_rank[i]) if across.claim else None,
                "wilcoxon_p": signed.p[pair] if signed.reason is None else None,
            }
    return found


def _groups(across: Across | None, method: str) -> str:
    if not across or not across.claim:
        return ""
    return "".join(chr(ord("a") + i % 26) for i, group in enumerate(across.cliques) if method in group)


def _about(across: Across) -> list[str]:
    notes = [
        f"mean rank: over the {len(across.targets)} targets on which every method has a score (its protocols' mean), "
        "each one observation. Tests across targets are about further targets for these trainings: a training is "
        "scored on all of them, so the luck of its seed is in all of its ranks."
    ]
    if across.dropped:
        notes.append(f"Targets left out, as some method lacks a score there: {', '.join(across.dropped)}.")
    if across.reason:
        return [*notes, f"No claim can be made across targets: {across.reason}."]
    return [
        *notes,
        "p: against the best mean rank; Nemenyi's test, and Wilcoxon's signed ranks with Holm's correction over all "
        "pairs (– where no pair of so many could reach p < .05).",
        f"groups: methods that share a letter are not told apart: mean ranks within the critical difference "
        f"{across.critical_difference:.3f} (Nemenyi, 5%; Friedman p = {across.p:.2g}).",
    ]


def robust(found: Grid) -> Table:
    """Interquartile mean over seeds and targets, and the probability that a run beats one of the best method."""
    rows = [row for row in ordered(found, average_ranks(found)) if any(found.scored(row, c) for c in found.columns)]
    tables = {row: _runs(found, row) for row in rows}
    rows = [row for row in rows if (~np.isnan(tables[row]).any(axis=0)).any()]
    text, numbers = names(found), []
    for row in rows:
        mean, middle = average_interval(tables[row]), iqm_interval(tables[row])
        numbers.append({"method": text[row], **row._asdict(), **_estimate("mean", mean), **_estimate("iqm", middle)})
        numbers[-1] |= {"seeds": middle.seeds, "columns": middle.targets, "improvement": None}
        common = ~(np.isnan(tables[row]).any(axis=0) | np.isnan(tables[rows[0]]).any(axis=0))
        if row != rows[0] and common.any():
            numbers[-1]["improvement"] = improvement(tables[row], tables[rows[0]])
    columns = {
        "method": lambda r: r["method"],
        "mean": lambda r: _between(r, "mean"),
        "IQM": lambda r: _between(r, "iqm"),
        "P(beats the first)": lambda r: number(r["improvement"]),
        "seeds": lambda r: str(r["seeds"]),
        "columns": lambda r: str(r["columns"]),
    }
    notes = [
        "mean, IQM: plain and interquartile mean of all runs (seeds x columns), percent; P(beats the first): "
        "probability that a run of the method scores higher than one of the first row's on a column drawn at random, "
        "ties one half (Agarwal et al. 2021).",
        "Brackets: 95% interval over seeds, Student's over each seed's own mean or IQM over the columns: a training is "
        "scored in all columns, so these are no independent runs, as the stratified bootstrap of Agarwal et al. takes "
        "them to be. None with one seed, or where all seeds agree exactly, since neither shows how much seeds vary; "
        "none for P(beats the first), as a few seeds bear none.",
        "A column counts for a method where every seed has a score; columns says how many do.",
    ]
    return tabular("Robust aggregates", numbers, columns, [*notes, *claims(found)])


def _runs(found: Grid, row: Row) -> np.ndarray:
    """Mean scores in percent (seeds, columns), NaN where missing."""
    cells = {(c.seed, found.column(c)): 100 * c.mean for c in reversed(found.members[row]) if c.ok}
    seeds = sorted({seed for seed, _ in cells})
    return np.array([[cells.get((seed, column), math.nan) for column in found.columns] for seed in seeds])


def _estimate(name: str, found: Estimate) -> dict[str, Any]:
    low, high = (None, None) if found.half is None else (found.value - found.half, found.value + found.half)
    return {name: found.value, f"{name}_low": low, f"{name}_high": high}


def _between(row: dict[str, Any], name: str) -> str:
    if row[f"{name}_low"] is None:
        return number(row[name])
    return f"{number(row[name])} [{number(row[f'{name}_low'])}, {number(row[f'{name}_high'])}]"


def which(found: Grid) -> Table:
    """Which method to choose: those not significantly worse than the best that passes the filters, cheapest first."""
    compared = family(found)
    against = {row: answer.difference for row, answer in compared.against_best.items()}
    candidates = [*([compared.best] if compared.best else []), *against]
    kept = [
        row for row in candidates if row not in against or verdict(against[row].mean, against[row].p_holm) != "worse"
    ]
    money, text = {r["method"]: r for r in paid(found)}, names(found)
    numbers = []
    for row in kept:
        numbers.append({**money[text[row]], "from_best": None})
        if d := against.get(row):
            numbers[-1] |= {"from_best": d.mean, "from_best_low": d.low, "from_best_high": d.high}
            numbers[-1] |= {"p_holm": d.p_holm, "over": d.over}
    numbers.sort(key=lambda r: (r["train_seconds"] or 0, r["flops"] or 0, r["method"]))
    columns = {
        "method": lambda r: r["method"],
        "backbone": lambda r: r["backbone"],
        "accuracy": lambda r: number(r["accuracy"]),
        "from best": lambda r: bounds(r, "from_best") if r["from_best"] is not None else "best",
        "train s": lambda r: number(r["train_seconds"], 0),
        "samples": lambda r: number(r["samples"], 0),
        "FLOPs": lambda r: compact(r["flops"]),
        "labels": lambda r: r["labels"],
        "selection labels": lambda r: r["selection_labels"],
        "transductive": lambda r: r["transductive"],
    }
    notes = [
        f"{len(kept)} of {len(candidates)} methods that have scores of one training in every column "
        f"({', '.join(found.columns)}) are "
        "not significantly worse than the best of them; cheapest in training seconds first. Not worse is not as good: "
        "from best has its interval. It is the paired difference on the same episodes, averaged over the columns; each "
        "seed's average is one observation, as one training is scored in all of them.",
        f"worse: at the {NOTE} A few seeds leave few degrees of freedom, so that only large differences pass.",
    ]
    if any(r.get("over") == "episodes" for r in numbers):
        notes.append("A single training seed stands behind some: another seed may choose otherwise.")
    return tabular("Which method", numbers, columns, [*notes, *elsewhere(found)])
