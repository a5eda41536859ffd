from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from benchbench import ClassSplit, Dataset, Rng, Sample, SampleTable

DOMAINS, CLASSES = 10, 12
TRAIN, VALID = 6, 2
#: Ideas that every domain shares, each with words that say it, and how many ideas make a class.
IDEAS, WORDS, OF_CLASS = 32, 6, 4
#: Words of each domain and of each class, and words without meaning.
OF_DOMAIN, OWN, EMPTY = 12, 2, 40
#: The share of samples that hold a word of their class.
OWN_SHARE = 0.6
#: Ideas in each sample that are not meant.
STRAY = 3
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "en", "or", "is")]


class Intents(Dataset):
    """Requests in an invented language: ten domains of twelve intents, `per_class` samples each, classes named
    ``domain/intent``; 592 words. Embedded and seeded: it reads no file. Source: own, a probabilistic grammar.

    A class is four of 32 ideas, another choice for each class of a domain, and two words of its own. A sample says each
    of its ideas by one of the idea's six words, adds three ideas that are not meant, one or two words of the domain,
    four to eight empty words, common ones more often, and, in six samples of ten, a word of the class; then all are
    shuffled.

    No one word is enough: an idea is part of many classes and each of its words is in one sample of six, a word of the
    class in three of ten. Which words say one idea is the same in all domains, so it can be learnt in training: tf-idf
    of words, for which they are as different as any, has 50% at 5 ways and 1 shot. The domains are divided six to two
    to two; own words of test classes are unknown to an encoder that was trained on the others. A label never stands in
    its text.
    """

    modality = "text"
    length = 24
    licence = "Apache-2.0, as this package"

    def __init__(self, *, per_class: Annotated[int, Field(ge=2)] = 60):
        self.per_class = per_class

    def sources(self, root: Path | None) -> list[Path]:
        """No file: the grammar is this module."""
        return []

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Those of each class in turn."""
        draw = Rng("intents", "grammar").numpy
        words = iter(_words(draw))
        empty = [next(words) for _ in range(EMPTY)]
        ideas = [[next(words) for _ in range(WORDS)] for _ in range(IDEAS)]
        for domain in range(DOMAINS):
            of_domain = [next(words) for _ in range(OF_DOMAIN)]
            for intent, meant in enumerate(_choices(draw)):
                own = [next(words) for _ in range(OWN)]
                label = f"domain-{domain}/intent-{intent:02d}"
                drawn = Rng("intents", domain, intent).numpy
                for _ in range(self.per_class):
                    yield Sample(_sentence(drawn, [ideas[i] for i in meant], ideas, own, of_domain, empty), label)

    def split(self, table: SampleTable) -> ClassSplit:
        """By domain, in the order of their numbers."""
        parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
        for name in table.class_names:
            domain = int(name.split("/")[0].removeprefix("domain-"))
            parts["train" if domain < TRAIN else "valid" if domain < TRAIN + VALID else "test"].append(name)
        return ClassSplit.by_name(table.class_names, parts, "dataset intents")


def _words(draw: np.random.RandomState) -> list[str]:
    """Different words of two or three syllables, as many as there are places for."""
    needed = EMPTY + IDEAS * WORDS + DOMAINS * (OF_DOMAIN + CLASSES * OWN)
    found: dict[str, None] = {}
    while len(found) < needed:
        found["".join(draw.choice(SYLLABLES, draw.randint(2, 4)))] = None
    return list(found)


def _choices(draw: np.random.RandomState) -> list[tuple[int, ...]]:
    """The ideas of each class of a domain, no two alike."""
    found: dict[tuple[int, ...], None] = {}
    while len(found) < CLASSES:
        found[tuple(sorted(draw.choice(IDEAS, OF_CLASS, replace=False)))] = None
    return list(found)


def _sentence(
    draw: np.random.RandomState,
    meant: list[list[str]],
    ideas: list[list[str]],
    own: list[str],
    of_domain: list[str],
    empty: list[str],
) -> list[str]:
    said = [draw.choice(idea) for idea in meant]
    said += [draw.choice(ideas[i]) for i in draw.choice(len(ideas), STRAY, replace=False)]
    if draw.rand() < OWN_SHARE:
        said += [draw.choice(own)]
    said += list(draw.choice(of_domain, draw.randint(1, 3)))
    ranks = 1 / np.arange(1, len(empty) + 1)
    said += list(draw.choice(empty, draw.randint(4, 9), p=ranks / ranks.sum()))
    draw.shuffle(said)
    return [str(word) for word in said]
