"""Methods trained on several sources: which rows belong to one method, and what training elsewhere costs it."""

import math
from collections import defaultdict

from benchbench.leaderboard.grid import Grid, Row, places

Method = tuple[str, str, str, str]


def trained(found: Grid) -> dict[Method, dict[str, Row]]:
    """Pretext, meta, backbone and regime -> the row of each source. Floors have no source and are left out. If a method
    has several settings, the first complete row stands for it."""
    rows: dict[Method, dict[str, Row]] = defaultdict(dict)
    for row, members in found.members.items():
        if members[0].floor:
            continue
        method, source = (row.pretext, row.meta, row.backbone, row.regime), members[0].source
        held = rows[method].get(source)
        if held is None or (found.complete(row) and not found.complete(held)):
            rows[method][source] = row
    return dict(rows)


def transfer_gaps(found: Grid) -> dict[Row, float]:
    """In-domain minus cross-domain, in percentage points: on every target that is another source, the score of the same
    method trained there minus the row's own, averaged over these targets' columns. Both sides share the target, so its
    difficulty cancels out. Rows without such a pair are left out."""
    targets = {column: cell.target for column, cell in places(found).items()}
    gaps: dict[Row, float] = {}
    for by_source in trained(found).values():
        for source, row in by_source.items():
            lost = [
                there.mean - here.mean
                for column, target in targets.items()
                if target != source
                and target in by_source
                and (there := found.scored(by_source[target], column))
                and (here := found.scored(row, column))
            ]
            if lost:
                gaps[row] = math.fsum(lost) / len(lost)
    return gaps
