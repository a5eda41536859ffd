"""A record as tables see it: small enough to hold a million."""

from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from benchbench.leaderboard.variants import Flat
from benchbench.store.content import Search
from benchbench.store.records import Record


class Trained(NamedTuple):
    """What was trained, and how: kept once for all seeds and targets of a method.

    The names are the matrix's own where it has some; `of` says by axis what records call the components of those. What
    several matrices call differently goes by one name (`benchbench.leaderboard.cells.cells_of`). `settings` tells
    namesakes apart: six hexadecimal digits of the key of the method's settings; `held` are those themselves, by path
    (`benchbench.leaderboard.variants`). `weights` says what an encoder that can be given weights started from:
    ``random`` ones, or what its weights were pretrained on, with labels or without where that is known. `labels` says
    whose labels training read: ``source``, ``none``, or ``weights`` where it read none but its weights were pretrained
    with some. `searches` are the `benchbench tune` searches behind its settings, `searched` those run on this very
    method, not on another that shares a component with it. `earlier`: an earlier harness made it
    (`benchbench.revisions`).
    """

    pretext: str
    meta: str
    backbone: str
    regime: str
    source: str
    settings: str
    held: Flat
    parameters: int | None
    samples: int | None
    flops: int | None
    floor: bool
    transductive: bool
    labels: str
    selection_labels: str
    selection: str
    torch: str
    device: str
    origin: str
    weights: str | None
    searches: tuple[Search, ...]
    searched: tuple[Search, ...]
    earlier: bool
    of: Mapping[str, str]

    @property
    def label(self) -> str:
        """Its name in tables."""
        return f"{self.pretext} × {self.meta}"

    @property
    def budget(self) -> int | None:
        """The samples that its training was allowed; None for a floor, and where steps were."""
        samples = self.held.get(("recipe", "budget", "samples"), "")
        return int(samples) if samples.isdecimal() and not self.floor else None


class Tested(NamedTuple):
    """What it was scored on: kept once for all methods.

    Names and `of` are as in `Trained`. `place` is six hexadecimal digits of the key of target and protocol with their
    settings, and `placed` are those, by path. `overlap` is what the source's training part and the target's test part
    share: class names and a number of images. `by_samples`: the user's own folders divided the target's images of the
    same classes. `modality` is that of the target's samples.
    """

    target: str
    protocol: str
    place: str
    placed: Flat
    ways: int | None
    shots: int | None
    episodes: int
    episodes_hash: str | None
    overlap: tuple[tuple[str, ...], int]
    by_samples: bool
    modality: str
    of: Mapping[str, str]


class Cell(msgspec.Struct, frozen=True, gc=False):
    """One record, as tables see it. `mean` and `ci95` are fractions, of accuracy or else of the first metric by name.
    `record` is the whole record, if one was read. What `trained` and `tested` say reads as a cell's own:
    ``cell.pretext``."""

    key: str
    training_key: str
    ok: bool
    reason: str | None
    seed: int
    mean: float
    ci95: float
    seconds: float
    record: Record | None
    trained: Trained
    tested: Tested

    def component(self, axis: str) -> str:
        """What records call its component on an axis, whatever its matrix does."""
        return self.trained.of.get(axis) or self.tested.of.get(axis) or getattr(self, axis)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


for _part, _names in (("trained", (*Trained._fields, "label", "budget")), ("tested", Tested._fields)):
    for _name in _names:
        # Unlike `__getattr__`, never in Python: tables ask millions of times.
        if _name != "of":
            setattr(Cell, _name, property(attrgetter(f"{_part}.{_name}")))
