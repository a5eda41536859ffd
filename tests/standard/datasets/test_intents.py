"""The embedded texts: sizes, what a text holds, and that no shortcut solves them."""

from collections import Counter

import numpy as np
import pytest

from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared, prepare
from benchbench_standard.datasets.intents import Intents


@pytest.fixture(scope="module")
def intents() -> Prepared:
    return prepare(resolve_component("dataset", "intents"))


def texts(data: Prepared, part: str) -> dict[str, list[set[str]]]:
    """The words of each text of a part's classes."""
    held: dict[str, list[set[str]]] = {data.table.class_names[c]: [] for c in data.split.part(part)}
    for sample in Intents().samples(None):
        if sample.label in held:
            held[sample.label].append(set(sample.x))
    return held


def test_counts(intents: Prepared) -> None:
    assert len(intents.table) == 7200
    assert intents.table.shape == (24,)
    assert (np.bincount(intents.table.labels) == 60).all()
    assert [len(intents.split.part(p)) for p in ("train", "valid", "test")] == [72, 24, 24]
    assert len(intents.raw.vocabulary) == 592 + 2
    # Only the words of domains and classes are unknown to who trained on other domains.
    assert len(intents.sample.vocabulary) == 2 + 592 - 4 * (12 + 12 * 2)
    domains = [{intents.table.class_names[c][:8] for c in intents.split.part(p)} for p in ("train", "valid", "test")]
    assert [len(d) for d in domains] == [6, 2, 2]


def test_every_sample_is_the_same_at_the_next_call() -> None:
    first, again = ([(s.label, s.x) for s in Intents(per_class=3).samples(None)] for _ in range(2))
    assert first == again
    more = [(s.label, s.x) for s in Intents(per_class=5).samples(None)]
    assert [more[i] for i in range(3)] == first[:3]
    assert all(12 <= len(x) <= 18 for _, x in first)


def test_no_word_tells_a_class_alone(intents: Prepared) -> None:
    """The most common word of a class that is not in most others: in fewer than half its texts."""
    held = texts(intents, "test")
    shares = {name: Counter(w for text in rows for w in text) for name, rows in held.items()}
    for name, counts in shares.items():
        for word, count in counts.items():
            classes = sum(other[word] > 0 for other in shares.values())
            assert classes > 6 or count < 30, (name, word)
    assert all(label.split("/")[1] not in text for label, rows in held.items() for text in rows)
