"""What installed components can recompute about a record: its test episodes and whether it read labels.

Imports torch. Nothing is trained.
"""

from typing import Any

import torch
from torch import Tensor

from benchbench.components.reference import ComponentRef
from benchbench.components.registry import find
from benchbench.data.prepare import prepare
from benchbench.encoding.backbone import SampleSpec
from benchbench.errors import BenchbenchError
from benchbench.evaluation.protocol import Scores
from benchbench.evaluation.target import Target, TestBatch
from benchbench.keys import canonical
from benchbench.rng import Rng
from benchbench.store.records import Record
from benchbench.training.chain import LABELLED_REGIMES, uses_labels


class _Blank:
    """Stands in for a trained encoder when only the episodes matter: it answers every query with the first class."""

    def logits(self, batch: TestBatch, rng: Rng) -> Tensor:
        """Zeros (B, Q, ways)."""
        return torch.zeros(len(batch), batch.query.shape[1], batch.ways)


class Recomputed:
    """Checks records against the installed components and the data at hand."""

    def __init__(self) -> None:
        self._episodes: dict[str, tuple[str | None, dict[str, Scores]]] = {}

    def faults(self, record: Record) -> tuple[list[str], list[str]]:
        """Where a record differs from what is recomputed, and what could not be recomputed and why: (faults, notes)."""
        faults, notes = [], []
        for check in (self._check_labels, self._check_episodes):
            try:
                faults += check(record)
            except BenchbenchError as error:
                notes.append(f"{check.__doc__} not recomputed: {error}")
        return faults, notes

    def _check_labels(self, record: Record) -> list[str]:
        """flags.labels"""
        if record.flags.floor or record.status == "failed":
            return []
        pretext = _installed("pretext", record.content["pretext"])
        chosen_by = {record.flags.selection, *(t["criterion"] for t in record.content.get("tuned", ()))}
        labelled = record.method.regime in LABELLED_REGIMES or "labelled-valid" in chosen_by
        expected = "source" if labelled or uses_labels(pretext) else "none"
        return [] if record.flags.labels == expected else [f"flags.labels is not {expected!r}, what its method reads"]

    def _check_episodes(self, record: Record) -> list[str]:
        """test episodes"""
        if record.status == "failed":
            return []
        target, protocol = record.content["target"], record.content["protocol"]
        place = canonical([target, protocol])
        if place not in self._episodes:
            self._episodes[place] = _episodes(target, protocol)
        found, scores = self._episodes[place]
        faults = []
        if record.episodes_hash != found:
            faults.append("episodes_hash is not that of its target's fixed episodes")
        for name in scores.keys() & record.scores.keys():
            given, right = record.scores[name], scores[name]
            if len(given.values) != len(right.values):
                faults.append(f"scores.{name} has {len(given.values)} values, its protocol gives {len(right.values)}")
            if given.denominator != right.denominator:
                faults.append(f"scores.{name} counts of {given.denominator}, its protocol of {right.denominator}")
        return sorted(faults)


def _episodes(target: dict[str, Any], protocol: dict[str, Any]) -> tuple[str | None, dict[str, Scores]]:
    """The hash of the fixed episodes, and a blank learner's scores, which have the same shape as every learner's."""
    data = prepare(_installed("dataset", target))
    if data.fingerprint != target["fingerprint"]:
        raise BenchbenchError(f"it was scored on another version of the data than {data.name} is here")
    held = Target(data, SampleSpec(data.dataset.modality, data.table.shape))
    component = _installed("protocol", protocol).build()
    try:
        scores = component.evaluate(_Blank(), held, Rng(0, "blank"))
    except AttributeError as error:
        raise BenchbenchError(f"protocol {protocol['name']} needs a trained encoder ({error})") from None
    return held.episodes_hash, scores


def _installed(kind: str, content: dict[str, Any]) -> ComponentRef:
    """The component in a record's content. Raises BenchbenchError if it is not installed at the recorded revision."""
    ref = ComponentRef(kind=kind, **content)
    revision = getattr(find(kind, ref.name).load(), "revision", 1)
    if revision != ref.revision:
        raise BenchbenchError(f"{kind} {ref.name} is recorded at revision {ref.revision}, installed at {revision}")
    return ref
