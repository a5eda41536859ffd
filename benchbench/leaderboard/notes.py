"""What a leaderboard must be read with."""

from benchbench.records import Record

EPISODES = "over test episodes of one training (1.96 standard errors), which says nothing of other training seeds"


def notes(records: list[Record], titles: dict[str, str], seeds: set[int], partial: bool, variants: bool) -> list[str]:
    """One text a note. `titles`: record key -> column; `seeds`: the numbers of seeds behind cells; `partial`:
    some cells lack a seed that failed; `variants`: some methods stand there with several settings."""
    good = [r for r in records if r.status == "ok"]
    found = []
    if good:
        counts = sorted({s.n for r in good for s in r.summary.values()})
        per_cell = ", ".join(f"{n:,}" for n in counts)
        found.append(f"Scores in percent, mean ± 95% interval {_over(seeds)}. Test episodes a cell: {per_cell}.")
    found += [
        "rank: average over the columns, ties shared; * where cells are missing or failed, over those that are there.",
        "labels: whose true labels training read. transductive: a query's score may depend on the other queries. "
        "(floor): a baseline that was not trained.",
        "samples: views that entered a loss. train s: wall seconds of training, which depend on the machine.",
    ]
    if partial:
        found.append("†: some seeds failed; mean and interval are over the others.")
    if variants:
        found.append("variant: the same method with other settings, budget or source data; its records say which.")
    hashes: dict[str, set[str | None]] = {}
    for r in good:
        hashes.setdefault(titles[r.key], set()).add(r.episodes_hash)
    found += [
        f"{title}: not every row was scored on the same test episodes."
        for title in sorted(hashes)
        if len(hashes[title]) > 1
    ]
    for key, what in (("torch", "torch versions"), ("device", "kinds of device")):
        seen = sorted({str(r.environment.get(key, "unknown")) for r in good})
        if len(seen) > 1:
            found.append(f"Mixed {what}: {', '.join(seen)}.")
    selections = sorted({r.flags.selection for r in good})
    if selections and selections != ["last"]:
        found.append(f"Checkpoint selection: {', '.join(selections)}.")
    reasons = {
        f"Failed: {r.method.label} ({r.method.backbone}): {_line(r.reason)}" for r in records if r.status != "ok"
    }
    return found + sorted(reasons)


def _over(seeds: set[int]) -> str:
    several = sorted(seeds - {1})
    text = f"over {' or '.join(map(str, several))} training seeds (Student's t)"
    if not several:
        return EPISODES
    return f"{text}; in rows of a single seed, {EPISODES}" if 1 in seeds else text


def _line(reason: str | None) -> str:
    """A reason may be any exception's text: one line, without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in reason or "no reason recorded").split())
