"""What a leaderboard must be read with."""

from benchbench.leaderboard.cells import Cell
from benchbench.leaderboard.grid import Grid, names

#: Wilcoxon's signed-rank test of n pairs has no two-sided p below 2 / 2^n.
FEWEST_TARGETS = 6
EPISODES = "over test episodes of one training (1.96 standard errors), which says nothing of other training seeds"


def notes(found: Grid) -> list[str]:
    """One text a note."""
    cells = found.all_cells()
    good = [c for c in cells if c.ok]
    scores = [s for s in found.scores.values() if s.seeds]
    texts = []
    if good:
        counts = ", ".join(f"{n:,}" for n in sorted({c.episodes for c in good}))
        over = _over({s.seeds for s in scores})
        texts.append(f"Scores in percent, mean ± 95% interval {over}. Test episodes a cell: {counts}.")
        texts += claims(found)
    texts += [
        "rank: average over the columns, ties shared; a missing cell (–) is not imputed: * marks rows that lack some, "
        "ranked over those that are there and listed after the complete ones.",
        "tied rank: the same with Meta-Dataset's ties: methods that the intervals do not separate from the best share "
        "its rank.",
        "labels: whose true labels training read. transductive: a query's score may depend on the other queries. "
        "(floor): a baseline that was not trained.",
        "samples: views that entered a loss. train s: wall seconds of training, which depend on the machine.",
    ]
    if any(s.failed for s in scores):
        texts.append("†: some seeds failed; mean and interval are over the others.")
    if any(row.variant for row in found.cells):
        texts.append("variant: the same method with other settings, budget or source data; its records say which.")
    texts += [
        f"{text}: several records of one seed with the same settings (of another engine?); the first by key counts."
        for row, text in sorted(names(found).items())
        if found.repeated(row)
    ]
    texts += [
        f"{text}: its columns come from trainings with different settings."
        for row, text in sorted(names(found).items())
        if len({c.settings for c in found.members(row) if not c.floor}) > 1
    ]
    if any(c.external for c in cells):
        texts.append("(external): a third party's records; their scores were checked for plausibility, not repeated.")
    return texts + _mixtures(found, good) + found.conflicts + _failures(cells)


def claims(found: Grid) -> list[str]:
    """What no claim can be made of: too few seeds or too few targets."""
    texts = []
    seeds = [s.seeds for s in found.scores.values() if s.seeds]
    if len(found.cells) > 1 and seeds and min(seeds) < 2:
        which = "rows of a single seed" if max(seeds) > 1 else "a single seed"
        texts.append(f"No claim about methods can be made from {which}: another seed may order them otherwise.")
    targets = {c.target for c in found.all_cells()}
    if len(found.cells) > 1 and len(targets) < FEWEST_TARGETS:
        texts.append(
            f"No claim can be made across targets from {len(targets)}: a signed-rank test needs {FEWEST_TARGETS} to "
            "reach p < .05, so average ranks describe these targets only."
        )
    return texts


def _mixtures(found: Grid, good: list[Cell]) -> list[str]:
    hashes: dict[str, set[str | None]] = {}
    for c in good:
        hashes.setdefault(found.titles[c.key], set()).add(c.episodes_hash)
    texts = [
        f"{title}: not every row was scored on the same test episodes."
        for title in sorted(hashes)
        if len(hashes[title]) > 1
    ]
    for what, seen in (("torch versions", {c.torch for c in good}), ("kinds of device", {c.device for c in good})):
        if len(seen) > 1:
            texts.append(f"Mixed {what}: {', '.join(sorted(seen))}.")
    selections = sorted({c.selection for c in good})
    if selections and selections != ["last"]:
        texts.append(f"Checkpoint selection: {', '.join(selections)}.")
    return texts


def _failures(cells: list[Cell]) -> list[str]:
    return sorted({f"Failed: {c.label} ({c.backbone}): {_line(c.reason)}" for c in cells if not c.ok})


def _over(seeds: set[int]) -> str:
    several = sorted(seeds - {1})
    text = f"over {' or '.join(map(str, several))} training seeds (Student's t)"
    if not several:
        return EPISODES
    return f"{text}; in rows of a single seed, {EPISODES}" if 1 in seeds else text


def _line(reason: str | None) -> str:
    """A reason may be any exception's text: one line, without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in reason or "no reason recorded").split())
