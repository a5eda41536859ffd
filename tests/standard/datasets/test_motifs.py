"""The embedded sequences: that motifs are where they are said to be, and that counting k-mers is not enough."""

import numpy as np
import pytest
import torch

from benchbench import BenchbenchError, Rng, train
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared, prepare
from benchbench_standard.datasets.motifs import FAMILIES, LETTERS, MOTIFS, SIZE, Motifs

HALF = SIZE // 2
KINDS = str.maketrans("ACGT", "RYRY")


@pytest.fixture(scope="module")
def motifs() -> Prepared:
    """The full table, from the shared cache."""
    return prepare(resolve_component("dataset", "motifs"))


def drawn(**settings) -> list[tuple[str, str]]:
    """Letters and class of each sample of two samples a class."""
    return [("".join(s.x), s.label) for s in Motifs(per_class=2, **settings).samples(None)]


def words(label: str) -> list[str]:
    """The two motifs of a class."""
    family, pair = label.removeprefix("family-").split("/motifs-")
    held = Rng("motifs", int(family)).numpy.randint(4, size=(MOTIFS, SIZE))
    return ["".join(LETTERS[held[int(i)]]) for i in pair.split("-")]


def test_counts(motifs: Prepared) -> None:
    names = motifs.table.class_names
    assert len(names) == 6 * sum(FAMILIES.values())
    assert motifs.table.shape == (64,)
    assert (np.bincount(motifs.table.labels) == 80).all()
    assert sorted(motifs.raw.vocabulary.texts) == ["", "", "A", "C", "G", "T"]
    assert len({row.tobytes() for row in motifs.table.x}) == len(motifs.table)


def test_parts_share_no_family(motifs: Prepared) -> None:
    names = motifs.table.class_names
    held = {part: {names[c].split("/")[0] for c in motifs.split.part(part)} for part in FAMILIES}
    assert {part: len(found) for part, found in held.items()} == FAMILIES
    assert len(set.union(*held.values())) == sum(FAMILIES.values())


def test_motifs_of_a_class_are_in_each_of_its_samples() -> None:
    orders = set()
    for text, label in drawn(transitions=0, substitutions=0, gap=0):
        places = [text.find(word) for word in words(label)]
        assert min(places) >= 0
        assert abs(places[0] - places[1]) >= SIZE
        orders.add(places[0] < places[1])
    assert orders == {True, False}


def test_gaps_are_in_the_middle() -> None:
    found = set()
    for text, label in drawn(transitions=0, substitutions=0, gap=2, length=60):
        for word in words(label):
            gaps = [g for g in range(3) if any(
                text[i : i + HALF] == word[:HALF] and text[i + HALF + g : i + SIZE + g] == word[HALF:]
                for i in range(len(text))
            )]  # fmt: skip
            assert gaps
            found.update(gaps)
    assert found == {0, 1, 2}


def test_transitions_change_a_letter_into_its_own_kind() -> None:
    changed = []
    for text, label in drawn(transitions=0.25, substitutions=0, gap=0):
        for word in words(label):
            place = text.translate(KINDS).find(word.translate(KINDS))
            assert place >= 0
            changed.append(np.mean([a != b for a, b in zip(word, text[place : place + SIZE], strict=True)]))
    assert 0.2 < np.mean(changed) < 0.3


def test_two_drawings_are_equal() -> None:
    assert drawn() == drawn()


def test_what_two_motifs_do_not_fit_in_is_refused() -> None:
    with pytest.raises(BenchbenchError, match="length is 53: two motifs and their gaps need 54"):
        Motifs(length=53)
    assert len(drawn(length=54)[0][0]) == 54


def nearest_mean(data: Prepared, backbone: str, episodes: int = 100) -> float:
    """Cosine nearest mean of a raw input, 5-way 1-shot, in percent."""
    encoder = resolve_component("backbone", backbone).load()(data.raw)
    state, hits = np.random.RandomState(0), []
    of = {c: np.flatnonzero(data.table.labels == c) for c in data.split.test}
    for _ in range(episodes):
        rows = np.array([state.permutation(of[c])[:16] for c in state.permutation(data.split.test)[:5]])
        x = encoder(torch.from_numpy(data.table.x[rows.flatten()].astype(np.int64))).unflatten(0, (5, 16))
        hits.append(((x[:, 1:] @ x[:, 0].T).argmax(-1) == torch.arange(5).unsqueeze(1)).float().mean())
    return 100 * float(np.mean(hits))


def test_raw_inputs_are_neither_hopeless_nor_enough(motifs: Prepared) -> None:
    assert 42 <= nearest_mean(motifs, "kmers") <= 58
    assert 20 <= nearest_mean(motifs, "onehot") <= 32


@pytest.mark.full
def test_what_is_learnt_on_other_families_beats_counting() -> None:
    model = train(
        pretext="labels", meta="protonet", backbone="conv1d", source="motifs", samples=20_000,
        episodes={"ways": 32, "queries": 3, "meta_batch": 1},
    )  # fmt: skip
    assert model.evaluate("motifs", "5way-1shot").mean > 0.7
