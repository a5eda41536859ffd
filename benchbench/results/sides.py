"""What stands behind a side of a comparison: whether it is transductive, its cost, whether it is below its floors."""

from collections.abc import Collection
from dataclasses import dataclass

from benchbench.leaderboard.grid import Grid, names
from benchbench.leaderboard.views.text import compact

#: Most places named in one line.
SHOWN = 3


@dataclass(frozen=True)
class Side:
    """One side. `methods` counts its rows that were trained, `transductive` how many of them may use other queries.
    `samples`, `flops`: least and most of a training, None if no record says. `below`: where its mean is below a floor's
    of the same records, as text. `floors` counts the floors there."""

    methods: int
    transductive: int
    samples: tuple[int, int] | None
    flops: tuple[int, int] | None
    below: list[str]
    floors: int

    @property
    def kind(self) -> str:
        """Whether it is transductive, in words."""
        if not self.transductive:
            return "no"
        return "yes" if self.transductive == self.methods else f"{self.transductive} of {self.methods} methods"

    @property
    def cost(self) -> str:
        """What one of its trainings cost."""
        if not self.methods:
            return "nothing (not trained)"
        return f"{_between(self.samples, exact=True)} samples, {_between(self.flops)} FLOPs"

    @property
    def place(self) -> str:
        """Whether it lies below its floors."""
        if not self.floors:
            return "has no floor beside it"
        if not self.methods:
            return "is a floor"
        if not self.below:
            return "is below none"
        more = f" and {len(self.below) - SHOWN} more" if len(self.below) > SHOWN else ""
        return f"is below one on {', '.join(self.below[:SHOWN])}{more}"


def side(found: Grid, keys: Collection[str]) -> Side:
    """The side whose records have these keys, in the grid of all records that it comes from."""
    text = names(found)
    floors = {row for row, members in found.members.items() if any(c.floor for c in members)}
    cells = {row: [c for c in members if c.key in keys and c.ok] for row, members in found.members.items()}
    trained = {row: held for row, held in cells.items() if held and row not in floors}
    paid = [c for held in trained.values() for c in held]
    there, below = set(), []
    for row, held in trained.items():
        for column in sorted({found.column(c) for c in held}):
            score = found.scored(row, column)
            at = {floor: s.mean for floor in floors if (s := found.scored(floor, column))}
            there |= set(at)
            above = {floor: mean for floor, mean in at.items() if score and mean > score.mean}
            if score and above:
                best = max(above, key=lambda floor: above[floor])
                of = f"{text[row]} on " if len(trained) > 1 else ""
                below.append(f"{of}{column} ({score.mean:.2f}, {text[best]} {above[best]:.2f})")
    return Side(
        methods=len(trained),
        transductive=sum(any(c.transductive for c in held) for held in trained.values()),
        samples=_ends([c.samples for c in paid]),
        flops=_ends([c.flops for c in paid]),
        below=below,
        floors=len(there) or sum(bool(cells[row]) for row in floors),
    )


def _ends(values: list[int | None]) -> tuple[int, int] | None:
    known = [v for v in values if v is not None]
    return (min(known), max(known)) if known else None


def _between(ends: tuple[int, int] | None, *, exact: bool = False) -> str:
    if ends is None:
        return "unknown"
    texts = [f"{end:,}" if exact else compact(end) for end in dict.fromkeys(ends)]
    return " to ".join(dict.fromkeys(texts))
