"""The parts of a cell that it shares with others, made of what records hold, as JSON."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import TypeVar

import msgspec

from benchbench.keys import content_key
from benchbench.leaderboard.cell import Tested, Trained
from benchbench.leaderboard.variants import Flat, flat
from benchbench.revisions import is_earlier
from benchbench.store.content import FIELDS, NOT_OF_METHOD, Overlap, Search
from benchbench.store.records import Record, shown
from benchbench.store.scan import Line

#: The axes that have names, and whose settings a component there is part of.
OF_TRAINED, OF_TESTED = ("pretext", "meta", "backbone", "source"), ("target", "protocol")
#: The modality of records that say none: there was no other when the first were made.
IMAGES = "image"
#: What says nothing of the method but where it was scored, and with which seed.
_OF_TESTED = ("target", "protocol", "overlap", "modality", "names")
_NOT_OF_TRAINED = {*(name for name, field in FIELDS.items() if field.scope in ("seed", "cell")), "overlap", "modality"}

Content = Mapping[str, bytes | msgspec.Raw]
T = TypeVar("T", str, int, None)


class Parts:
    """The parts met so far, each made once."""

    def __init__(self) -> None:
        self._trained: dict[bytes, Trained] = {}
        self._tested: dict[tuple[object, ...], Tested] = {}

    def trained(self, r: Line, torch: bytes, device: bytes) -> Trained:
        """What a line's record was trained as, by a version of torch on a kind of device, as JSON text."""
        held = {name: value for name, value in r.content.items() if name not in _NOT_OF_TRAINED}
        told = msgspec.json.encode((r.method, r.source, r.origin, r.cost, r.flags, torch, device, held))
        # A digest, since what it is of would take more memory than all else.
        digest = blake2b(told, digest_size=16).digest()
        if (found := self._trained.get(digest)) is None:
            found = self._trained[digest] = trained(r, r.content, _text(torch), _text(device))
        return found

    def tested(self, r: Line) -> Tested:
        """What a line's record was scored on."""
        held = [bytes(r.content.get(name, b"")) for name in _OF_TESTED]
        about = (r.target, r.protocol, r.episodes_hash, _episodes(r), *held)
        if (found := self._tested.get(about)) is None:
            found = self._tested[about] = tested(r, r.content)
        return found


def trained(r: Record | Line, content: Content, torch: str, device: str) -> Trained:
    """What a record with this content, each of whose values is JSON, was trained as."""
    names = tuple([k for k in content if k not in NOT_OF_METHOD])
    method, cost, flags = r.method, r.cost, r.flags
    own = _names(bytes(content["names"])) if "names" in content else {}
    pretext, meta, backbone = (own.get(axis, getattr(method, axis)) for axis in OF_TRAINED[:3])
    source = own.get("source", r.source)
    settings, held = _settings(names, b",".join([content[k] for k in names]))
    searches = _searches(bytes(content["tuned"])) if "tuned" in content else ()
    itself = f"{pretext} × {meta} ({backbone}, {source}, {method.regime})" if searches else ""
    labels: str = flags.labels
    if labels == "none" and bytes(content.get("pretrained_labels", b"")) == b"true":
        labels = "weights"
    return Trained(
        pretext=_same(pretext),
        meta=_same(meta),
        backbone=_same(backbone),
        regime=_same(method.regime),
        source=_same(source),
        settings=settings,
        held=held,
        parameters=_same(cost.parameters) if cost else None,
        samples=_same(cost.samples) if cost else None,
        flops=_same(cost.flops) if cost else None,
        floor=flags.floor,
        transductive=flags.transductive,
        labels=_same(labels),
        selection_labels=_same(flags.selection_labels),
        selection=_same(flags.selection),
        torch=torch,
        device=device,
        origin=_same(r.origin),
        weights=_weights(*(bytes(content.get(k, b"null")) for k in ("backbone", "pretrained_on", "pretrained_labels"))),
        searches=searches,
        searched=tuple([search for search in searches if search.method == itself]),
        earlier=_earlier(bytes(content.get("harness", b"{}"))),
        of={axis: getattr(method, axis, "") or r.source for axis in OF_TRAINED if axis in own} if own else {},
    )


def tested(r: Record | Line, content: Content) -> Tested:
    """What a record with this content was scored on."""
    own = _names(bytes(content["names"])) if "names" in content else {}
    place, placed, ways, shots = _place(bytes(content.get("target", b"null")), bytes(content.get("protocol", b"null")))
    return Tested(
        target=_same(own.get("target", r.target)),
        protocol=_same(own.get("protocol", r.protocol)),
        place=place,
        placed=placed,
        ways=ways,
        shots=shots,
        episodes=_episodes(r),
        episodes_hash=_same(r.episodes_hash),
        overlap=_overlap(bytes(content["overlap"])) if "overlap" in content else ((), 0),
        by_samples=_by_samples(bytes(content.get("target", b"null"))),
        modality=_text(bytes(content["modality"])) if "modality" in content else IMAGES,
        of={axis: getattr(r, axis) for axis in OF_TESTED if axis in own} if own else {},
    )


def _episodes(r: Record | Line) -> int:
    return r.summary[shown(r.summary)].n if r.status == "ok" else 0


@lru_cache(maxsize=65536, typed=True)
def _same(value: T) -> T:
    """The first object that was equal: few of them differ."""
    return value


@lru_cache(maxsize=4096)
def _text(value: bytes) -> str:
    return str(msgspec.json.decode(value))


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
