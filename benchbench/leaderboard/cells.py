"""The part of a record that tables need: small enough to hold a hundred thousand, and read without the rest.

A record of 600 episodes is mostly scores and curve. Tables need only its summary, so `read_cells` skips those while
parsing: several times as fast as building records, and light on memory.
"""

import gc
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchbench.components.registry import find, shortest
from benchbench.errors import BenchbenchError
from benchbench.keys import content_key
from benchbench.leaderboard.variants import Flat, flat
from benchbench.revisions import is_earlier
from benchbench.store.content import NOT_OF_METHOD, Overlap, Search
from benchbench.store.files import preferred, read_lines
from benchbench.store.records import Record, Summary, shown
from benchbench.store.scan import Line, scan

#: The axes that have names, and which settings of a cell a component there is part of.
NAMED = (
    *((axis, "settings") for axis in ("pretext", "meta", "backbone", "source")),
    *((axis, "place") for axis in ("target", "protocol")),
)


#: The modality of records that say none: there was no other when the first were made.
IMAGES = "image"


class Cell(NamedTuple):
    """One record, as tables see it. `mean` and `ci95` are fractions, of accuracy or else of the first metric by name.

    The names are the matrix's own where it has some; `of` says by axis what records call the components of those. What
    several matrices call differently goes by one name (`cells_of`). `place` and `settings` tell namesakes apart: six
    hexadecimal digits of the key of target and protocol with their settings, and of the method's settings; `placed` and
    `held` are those themselves, by path (`benchbench.leaderboard.variants`). `overlap` is what the source's training
    part and the target's test part share: class names and a number of images. `weights` says what an encoder that can
    be given weights started from: ``random`` ones, or what its weights were pretrained on, with labels or without where
    that is known. `labels` says whose labels training read: ``source``, ``none``, or ``weights`` where it read none but
    its weights were pretrained with some. `searches` are the `benchbench tune` searches behind its settings, `searched`
    those run on this very method, not on another that shares a component with it. `earlier`: an earlier harness made it
    (`benchbench.revisions`). `record` is the whole record, if one was read. `by_samples`: the user's own folders
    divided the target's images of the same classes. `modality` is that of the target's samples.
    """

    key: str
    training_key: str
    ok: bool
    reason: str | None
    pretext: str
    meta: str
    backbone: str
    regime: str
    source: str
    target: str
    protocol: str
    seed: int
    mean: float
    ci95: float
    episodes: int
    place: str
    settings: str
    ways: int | None
    shots: int | None
    episodes_hash: str | None
    parameters: int | None
    samples: int | None
    flops: int | None
    seconds: float
    floor: bool
    transductive: bool
    labels: str
    selection_labels: str
    selection: str
    torch: str
    device: str
    origin: str
    overlap: tuple[tuple[str, ...], int]
    weights: str | None
    searches: tuple[Search, ...]
    searched: tuple[Search, ...]
    earlier: bool
    record: Record | None
    by_samples: bool = False
    placed: Flat = {}
    held: Flat = {}
    of: Mapping[str, str] = {}
    modality: str = IMAGES

    @property
    def label(self) -> str:
        """Its name in tables."""
        return f"{self.pretext} × {self.meta}"

    @property
    def budget(self) -> int | None:
        """The samples that its training was allowed; None for a floor, and where steps were."""
        samples = self.held.get(("recipe", "budget", "samples"), "")
        return int(samples) if samples.isdecimal() and not self.floor else None

    def component(self, axis: str) -> str:
        """What records call its component on an axis, whatever its matrix does."""
        return self.of.get(axis) or getattr(self, axis)


def summary(record: Record) -> Summary:
    """The summary of the metric that tables show."""
    return record.summary[shown(record.summary)]


def cells_of(records: Iterable[Record | Cell]) -> tuple[list[Cell], list[str]]:
    """The cells of some records, one per key and sorted by key, and one message per conflict.

    If several records share a key, `benchbench.store.files.preferred` decides which one stays. Components of the same
    settings go by one name, whatever their matrices called them: ours before a third party's, a matrix's own before the
    component's, the first by alphabet.
    """
    found: dict[str, Record | Cell] = {}
    conflicts: dict[str, str] = {}
    for r in records:
        other = found.setdefault(r.key, r)
        if isinstance(r, Record) and isinstance(other, Record) and r is not other:
            found[r.key], conflict = preferred(other, r)
            if conflict:
                conflicts[r.key] = f"Two records of cell {r.key[:16]} {conflict}."
    cells = [r if isinstance(r, Cell) else _of(r) for _, r in sorted(found.items())]
    return _renamed(cells), [conflicts[key] for key in sorted(conflicts)]


def _renamed(cells: list[Cell]) -> list[Cell]:
    """One name for one thing: a name that changed must not split a method's seeds, or a target, in two."""
    if not any(c.of for c in cells):
        return cells
    best: dict[tuple[str, str, str], tuple[bool, bool, str]] = {}
    for c in cells:
        for axis, thing in _things(c):
            rank = (c.origin == "external", axis not in c.of, getattr(c, axis))
            best[thing] = min(rank, best.get(thing, rank))
    found = []
    for c in cells:
        update: dict[str, Any] = {
            axis: name for axis, thing in _things(c) if (name := best[thing][2]) != getattr(c, axis)
        }
        of = {**{axis: c.component(axis) for axis in update}, **c.of}
        found.append(c._replace(**update, of=of) if update else c)
    return found


def _things(c: Cell) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Axis, and what stands there: the component and the settings of which it is part."""
    for axis, settings in NAMED:
        # A floor's settings do not include its source.
        if not (axis == "source" and c.floor):
            yield axis, (axis, c.component(axis), getattr(c, settings))


def meant(kind: str, name: str, known: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of the `known` names, each with its component, a name means: the one so called, else all of the component
    that goes by it, in any spelling."""
    known = set(known)
    if called := {(own, component) for own, component in known if own == name}:
        return called
    with suppress(BenchbenchError):
        name = shortest(find(kind, name))
    return {(own, component) for own, component in known if component == name}


@contextmanager
def uncollected() -> Iterator[None]:
    """Switch off the cyclic garbage collector, which would walk a hundred thousand cells again and again, although
    nothing that tables make of them is cyclic. Also a decorator."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@uncollected()
def read_cells(path: Path | str) -> tuple[list[Cell], list[str]]:
    """The cells of the records below a results folder, sorted by key, and problems as
    `benchbench.store.files.read_records` reports them. Cells have no `record`; scores are skipped, not validated."""
    return read_lines(path, _decoded)


_encoder = msgspec.json.Encoder(order="deterministic")


def _decoded(line: bytes) -> Cell:
    found = scan(line)
    if isinstance(found, Record):
        return _of(found, keep=False)
    torch, device = (_text(bytes(found.environment.get(name, b'"unknown"'))) for name in ("torch", "device"))
    return _cell(found, found.content, torch, device, None)


def by_modality(records: Iterable[Record | Cell]) -> dict[str, list[Record | Cell]]:
    """Some records by the modality of their targets, in the order of its name: ranks are of one alone."""
    found: dict[str, list[Record | Cell]] = {}
    for r in records:
        name = r.modality if isinstance(r, Cell) else r.content.get("modality", IMAGES)
        found.setdefault(name, []).append(r)
    return dict(sorted(found.items()))


@lru_cache(maxsize=4096)
def _text(value: bytes) -> str:
    return str(msgspec.json.decode(value))


def _of(record: Record, *, keep: bool = True) -> Cell:
    content = {k: _encoder.encode(v) for k, v in record.content.items()}
    torch, device = (str(record.environment.get(k, "unknown")) for k in ("torch", "device"))
    return _cell(record, content, torch, device, record if keep else None)


def _cell(
    r: Record | Line, content: Mapping[str, bytes | msgspec.Raw], torch: str, device: str, record: Record | None
) -> Cell:
    ok = r.status == "ok"
    scored = r.summary[shown(r.summary)] if ok else None
    place, placed, ways, shots = _place(bytes(content.get("target", b"null")), bytes(content.get("protocol", b"null")))
    names = tuple([k for k in content if k not in NOT_OF_METHOD])
    method, cost, flags = r.method, r.cost, r.flags
    own = _names(bytes(content["names"])) if "names" in content else {}
    of = {axis: getattr(method, axis, "") or getattr(r, axis) for axis, _ in NAMED if axis in own} if own else {}
    settings, held = _settings(names, b",".join([content[k] for k in names]))
    pretext, meta, backbone = (own.get(a, getattr(method, a)) for a in ("pretext", "meta", "backbone"))
    source = own.get("source", r.source)
    searches = _searches(bytes(content["tuned"])) if "tuned" in content else ()
    itself = f"{pretext} × {meta} ({backbone}, {source}, {method.regime})" if searches else ""
    return Cell(
        r.key,
        r.training_key,
        ok,
        r.reason,
        pretext,
        meta,
        backbone,
        method.regime,
        source,
        own.get("target", r.target),
        own.get("protocol", r.protocol),
        r.seed,
        scored.mean if scored else math.nan,
        scored.ci95 if scored else math.nan,
        scored.n if scored else 0,
        place,
        settings,
        ways,
        shots,
        r.episodes_hash,
        cost.parameters if cost else None,
        cost.samples if cost else None,
        cost.flops if cost else None,
        r.timing.get("train_seconds", 0.0),
        flags.floor,
        flags.transductive,
        "weights"
        if flags.labels == "none" and bytes(content.get("pretrained_labels", b"")) == b"true"
        else flags.labels,
        flags.selection_labels,
        flags.selection,
        torch,
        device,
        r.origin,
        _overlap(bytes(content["overlap"])) if "overlap" in content else ((), 0),
        _weights(*(bytes(content.get(name, b"null")) for name in ("backbone", "pretrained_on", "pretrained_labels"))),
        searches,
        tuple([search for search in searches if search.method == itself]),
        _earlier(bytes(content.get("harness", b"{}"))),
        record,
        _by_samples(bytes(content.get("target", b"null"))),
        placed,
        held,
        of,
        _text(bytes(content["modality"])) if "modality" in content else IMAGES,
    )


@lru_cache(maxsize=4096)
def _by_samples(target: bytes) -> bool:
    where = msgspec.json.decode(target)
    return isinstance(where, dict) and where.get("division") == "samples"


@lru_cache(maxsize=4096)
def _place(target: bytes, protocol: bytes) -> tuple[str, Flat, int | None, int | None]:
    """Six digits of the key of a target and protocol, their settings, and the protocol's ways and shots if it has them.
    Cached, since few of them differ."""
    where, how = msgspec.json.decode(target), msgspec.json.decode(protocol)
    if isinstance(where, dict):
        # What is known only after scoring is missing from a failed record, which still belongs with the others.
        where = {k: v for k, v in where.items() if k not in ("fingerprint", "pixels", "division")}
    shape = how.get("settings", {}) if isinstance(how, dict) else {}
    whole = {"target": where, "protocol": how}
    return content_key(whole)[:6], flat(whole), shape.get("ways"), shape.get("shots")


@lru_cache(maxsize=4096)
def _names(found: bytes) -> dict[str, str]:
    return msgspec.json.decode(found, type=dict[str, str])


@lru_cache(maxsize=4096)
def _overlap(found: bytes) -> tuple[tuple[str, ...], int]:
    shared = msgspec.json.decode(found, type=Overlap)
    return shared.classes, shared.images


@lru_cache(maxsize=4096)
def _searches(found: bytes) -> tuple[Search, ...]:
    return msgspec.json.decode(found, type=tuple[Search, ...])


@lru_cache(maxsize=4096)
def _earlier(harness: bytes) -> bool:
    return is_earlier(msgspec.json.decode(harness, type=dict[str, int]))


@lru_cache(maxsize=4096)
def _weights(backbone: bytes, pretrained_on: bytes, labels: bytes) -> str | None:
    """A backbone takes weights if it has the setting `sha256`, their checksum, or says what it was pretrained on."""
    known = msgspec.json.decode(pretrained_on)
    if known is not None:
        return str(known) + {b"true": ", labels", b"false": ", no labels"}.get(labels, "")
    about = msgspec.json.decode(backbone)
    settings = about.get("settings") if isinstance(about, dict) else None
    if not isinstance(settings, dict) or "sha256" not in settings:
        return None
    return f"sha256:{settings['sha256']}" if settings["sha256"] else "random"


@lru_cache(maxsize=65536)
def _settings(names: tuple[str, ...], values: bytes) -> tuple[str, Flat]:
    """Six digits of the key of a method's settings, and those; `values`: JSON values, separated by commas."""
    whole = dict(zip(names, msgspec.json.decode(b"[%b]" % values), strict=True))
    return content_key(whole)[:6], flat(whole)
