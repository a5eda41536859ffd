"""The notes that belong with a leaderboard."""

from benchbench.leaderboard.cells import Cell
from benchbench.leaderboard.grid import AGREE, BELOW, EARLIER, Grid, names, raw_inputs
from benchbench.leaderboard.safe import one_line
from benchbench.leaderboard.statistics.across import FEWEST_TARGETS
from benchbench.leaderboard.transfer_gaps import transfer_gaps

EPISODES = "over test episodes of one training (1.96 standard errors), which says nothing of other training seeds"


def notes(found: Grid, counted: Grid) -> list[str]:
    """One text per note; `counted` is the part of the grid that is ranked."""
    # One of each kind: all that notes are about is the same for the others.
    cells = list({(id(c.trained), id(c.tested), c.ok, c.reason): c for c in found.everything}.values())
    good = [c for c in cells if c.ok]
    scores = [s for of_row in found.scores.values() for s in of_row.values()]
    texts = []
    if good:
        counts = ", ".join(f"{n:,}" for n in sorted({c.episodes for c in good}))
        over = _over({s.seeds for s in scores if s.seeds and not s.agree})
        texts.append(f"Scores in percent, mean ± 95% interval {over}. Test episodes a cell: {counts}.")
        texts += claims(counted)
    texts += [
        "rank: average over the columns, ties shared; a missing cell (–) is not imputed: * marks rows that lack some, "
        "ranked over those that are there and listed after the complete ones.",
        "tied rank: the same with Meta-Dataset's ties: methods that the intervals do not separate from the best share "
        "its rank.",
        "labels: whose true labels training read. selection labels: whose true labels chose the checkpoint or, in a "
        "declared search, the settings. transductive: a query's score may depend on the other queries. "
        "(floor): a baseline that was not trained.",
        "samples: views that entered a loss. train s: wall seconds of training, which depend on the machine.",
    ]
    if transfer_gaps(counted):
        texts.append(
            "transfer gap: in-domain minus cross-domain, percentage points: on each target that is another source, the "
            "score of the same method trained there minus this one's, averaged over columns."
        )
    if any(c.weights for c in cells):
        texts.append(
            "weights: what an encoder that can be given weights began with: random ones, or what these learned from. "
            "All others (–) begin with random ones."
        )
    if any(c.labels == "weights" for c in cells):
        texts.append("labels weights: training read none, but the weights that it began with were learned from labels.")
    texts += _searches(found, cells)
    if any(s.failed and s.seeds for s in scores):
        texts.append("†: some seeds failed; mean and interval are over the others.")
    if any(s.agree for s in scores):
        texts.append(
            f"{AGREE}: every seed scores exactly the same, so seeds show no spread: the interval is over test episodes."
        )
    if any(_lies_below(found, column, best) for column, best in raw_inputs(found).items()):
        texts.append(f"{BELOW}: below what raw inputs score there, which stand among the floors: it has learnt less.")
    if any(row.variant for row in found.cells):
        texts.append("variant: what differs between rows of the same method, of its settings, recipe or source data.")
    repeated = [row for row in found.cells if found.repeated(row)]
    mixed = [
        r for r, members in found.members.items() if not members[0].floor and len({c.settings for c in members}) > 1
    ]
    if repeated or mixed:
        text = names(found)
        why = "several records of one seed with the same settings (of another engine?); the first by key counts"
        texts += [f"{text[row]}: {why}." for row in repeated]
        texts += [f"{text[row]}: its columns come from trainings with different settings." for row in mixed]
    origins = {c.origin for c in cells}
    if "external" in origins:
        part = "ranked like ours, as was asked" if counted is found else "in no rank, best mark, floor or effect"
        texts.append(f"(external): a third party's records, checked for plausibility and not trained again; {part}.")
    if "verified" in origins:
        texts.append("(verified): a third party's records that came out again when an audit trained them here.")
    if any(c.earlier for c in cells):
        part = "ranked only among their like" if all(c.earlier for c in cells) else "in no rank, best mark or effect"
        texts.append(f"({EARLIER}): made before a change of the harness that moves results, and not yet again; {part}.")
    if divided := sorted({found.column(c) for c in good if c.by_samples and not c.ways}):
        texts.append(
            f"{', '.join(divided)}: fitted on the images of the folder train and scored on those of test, of the same "
            "classes, as the user divided them; other columns are divided by a draw."
        )
    return texts + _mixtures(found, good) + _overlaps(good) + found.conflicts + _failures(cells)


def _lies_below(found: Grid, column: str, best: float) -> bool:
    scores = (found.scored(row, column) for row, members in found.members.items() if not members[0].floor)
    return any(score is not None and score.mean < best for score in scores)


def claims(found: Grid) -> list[str]:
    """Why no claim can be made: too few seeds or too few targets."""
    texts = []
    seeds = [s.seeds for of_row in found.scores.values() for s in of_row.values() if s.seeds]
    if len(found.cells) > 1 and seeds and min(seeds) < 2:
        which = "rows of a single seed" if max(seeds) > 1 else "a single seed"
        texts.append(f"No claim about methods can be made from {which}: another seed may order them otherwise.")
    targets = {c.target for c in found.everything}
    if len(found.cells) > 1 and len(targets) < FEWEST_TARGETS:
        texts.append(
            f"No claim can be made across targets from {len(targets)}: a signed-rank test needs {FEWEST_TARGETS} to "
            "reach p < .05, so average ranks describe these targets only."
        )
    return texts


def _searches(found: Grid, cells: list[Cell]) -> list[str]:
    """Which rows were searched, in how many trials, and which use settings that a search found on another row."""
    if not any(c.searches for c in cells):
        return []
    text = names(found)
    searched: dict[str, list[str]] = {}
    borrowed: dict[str, list[str]] = {}
    for row, members in found.members.items():
        for search in dict.fromkeys(s for c in members for s in c.searches):
            if any(search in c.searched for c in members):
                searched.setdefault(f"{search.trials} trials by {search.criterion}", []).append(text[row])
            else:
                borrowed.setdefault(search.method, []).append(text[row])
    return [
        *(f"Settings were searched in {trials} for: {'; '.join(rows)}." for trials, rows in searched.items()),
        *(
            f"Not searched, but with settings that the search on {method} found: {'; '.join(rows)}."
            for method, rows in borrowed.items()
        ),
    ]


def _mixtures(found: Grid, good: list[Cell]) -> list[str]:
    hashes: dict[str, set[str | None]] = {}
    for c in good:
        hashes.setdefault(found.column(c), set()).add(c.episodes_hash)
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


def _overlaps(good: list[Cell]) -> list[str]:
    """What trainings may have seen of the data that they are scored on."""
    found = {(c.source, c.target): c.overlap for c in good if any(c.overlap)}
    texts = []
    for (source, target), (classes, images) in sorted(found.items()):
        said = [f"{len(classes)} classes by name ({_few(classes)})"] if classes else []
        said += [f"{images} identical images"] if images else []
        texts.append(f"Trained on {source}, scored on {target}: training and test share {' and '.join(said)}.")
    return texts


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(one_line(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")


def _failures(cells: list[Cell]) -> list[str]:
    """A reason may be any exception's text."""
    reasons = {(c.label, c.backbone, one_line(c.reason or "no reason recorded")) for c in cells if not c.ok}
    return sorted(f"Failed: {label} ({backbone}): {reason}" for label, backbone, reason in reasons)


def _over(seeds: set[int]) -> str:
    several = sorted(seeds - {1})
    text = f"over {' or '.join(map(str, several))} training seeds (Student's t)"
    if not several:
        return EPISODES
    return f"{text}; in rows of a single seed, {EPISODES}" if 1 in seeds else text
