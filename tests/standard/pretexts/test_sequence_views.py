"""Views of sequences, and the pretext of strands."""

import numpy as np
import pytest
import torch

from benchbench import (
    HIDDEN,
    PADDING,
    Backbone,
    Batch,
    ClassSplit,
    EpisodeShape,
    Pool,
    Rng,
    SampleSpec,
    SampleTable,
    Vocabulary,
)
from benchbench_standard.modalities.letters import certain, complements, nucleic
from benchbench_standard.pretexts.reverse_complement import ReverseComplement
from benchbench_standard.pretexts.sequence_views import SequenceViews, reverse_complement

PROTEIN = "ACDEFGHIKLMNPQRSTVWY"
PAIRS = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N", "?": "?"}


def vocabulary(letters: str = "ACGT") -> Vocabulary:
    return Vocabulary(["", "", *letters], [0.0, 0.0, *([0.9] * len(letters))])


def ids(held: Vocabulary, *texts: str, length: int = 8) -> torch.Tensor:
    """Texts as ids, padded; ``?`` is a letter that is unknown."""
    known = {**held.ids, "?": HIDDEN}
    return torch.tensor([[known[c] for c in text] + [PADDING] * (length - len(text)) for text in texts])


def texts(held: Vocabulary, x: torch.Tensor) -> list[str]:
    return ["".join("_" if i == PADDING else held.texts[i] or "?" for i in row).rstrip("_") for row in x.tolist()]


def by_hand(text: str) -> str:
    return "".join(PAIRS[c] for c in reversed(text))


@pytest.mark.parametrize("letters", ["ACGT", "TNGCA"])
def test_the_other_strand_by_hand(letters):
    held = vocabulary(letters)
    pairs = torch.tensor(complements(held))
    pieces = ["ACGTT", "A", "GAATTC", "AC?GGT", "", "AAAACCCC"]
    x = ids(held, *pieces)
    found = reverse_complement(x, pairs)
    assert texts(held, found) == [by_hand(piece) for piece in pieces]
    assert torch.equal(reverse_complement(found, pairs), x)
    assert torch.equal(found[2], x[2])  # a palindrome


def test_partners():
    assert [complements(vocabulary("ACGU"))[i] for i in range(6)] == [0, 1, 5, 4, 3, 2]
    assert complements(vocabulary("RYACGT"))[2:4] == [3, 2]
    assert complements(vocabulary("RACGT"))[2] == HIDDEN  # Y is not there
    assert complements(vocabulary(PROTEIN)) is None
    assert complements(vocabulary("AC")) is None
    assert nucleic(vocabulary("AT"))
    assert not nucleic(vocabulary(PROTEIN))
    assert certain(vocabulary("ANCGDT")) == [2, 4, 5, 7]
    assert certain(vocabulary("MXKB")) == [2, 4]


def test_half_of_the_views_are_of_the_other_strand():
    held = vocabulary()
    x = ids(held, "AACGTGCT", "ACC").repeat(500, 1)
    found = SequenceViews(held, shift=0, mutate=0)(x, Rng(0))
    other = reverse_complement(x, torch.tensor(complements(held)))
    turned = (found == other).all(1)
    assert ((found == x).all(1) | turned).all()
    assert 0.45 < turned.float().mean() < 0.55


def test_shifts_go_both_ways_and_leave_what_is_lost_unknown():
    held = vocabulary()
    x = ids(held, "ACGTACGT", "ACGT").repeat(400, 1)
    found = SequenceViews(held, reverse=0, shift=0.25, mutate=0)(x, Rng(0))
    assert set(texts(held, found[::2])) == {"??ACGTAC", "?ACGTACG", "ACGTACGT", "CGTACGT?", "GTACGT??"}
    assert set(texts(held, found[1::2])) == {"?ACG", "ACGT", "CGT?"}
    counts = np.unique(texts(held, found[1::2]), return_counts=True)[1]
    assert counts.min() > 100


def test_a_shift_leaves_one_letter():
    held = vocabulary()
    x = ids(held, "AC", "G", "").repeat(100, 1)
    found = texts(held, SequenceViews(held, reverse=0, shift=1, mutate=0)(x, Rng(0)))
    assert set(found) == {"AC", "?A", "C?", "G", ""}


def test_mutations_are_other_known_letters():
    held = vocabulary("ACGTN")
    x = ids(held, "AAANAA?A").repeat(2000, 1)
    found = SequenceViews(held, reverse=0, shift=0, mutate=0.3)(x, Rng(0))
    assert (found[:, [3, 6]] == x[:, [3, 6]]).all()
    places = found[:, [0, 1, 2, 4, 5, 7]]
    shares = torch.bincount(places.flatten(), minlength=7) / places.numel()
    torch.testing.assert_close(shares[2:6], torch.tensor([0.7, 0.1, 0.1, 0.1]), atol=0.01, rtol=0)
    assert (SequenceViews(held, reverse=0, shift=0, mutate=1)(x, Rng(0))[:, 0] != x[:, 0]).all()


def test_proteins_are_never_turned():
    held = vocabulary(PROTEIN)
    x = ids(held, "MKVAWY").repeat(50, 1)
    assert torch.equal(SequenceViews(held, reverse=1, shift=0, mutate=0)(x, Rng(0)), x)


def test_views_follow_the_stream_and_leave_the_samples():
    held = vocabulary()
    x = ids(held, "ACGTACGT", "GGA", "")
    before = x.clone()
    views = SequenceViews(held)
    first = views(x, Rng(0))
    assert torch.equal(x, before)
    assert torch.equal(first, views(x, Rng(0)))
    assert first.dtype == torch.int64
    assert torch.equal(first == PADDING, x == PADDING)
    many = x.repeat(50, 1)
    assert not torch.equal(views(many, Rng(1)), views(many, Rng(2)))


class Bag(Backbone):
    """The mean of embedded ids and of pairs of neighbours."""

    dim = 6

    def __init__(self, sample: SampleSpec):
        super().__init__()
        self.embedded = torch.nn.Embedding(len(sample.vocabulary), self.dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.embedded(x)
        return found.mean(1) + (found[:, 1:] * found[:, :-1]).mean(1)


@pytest.fixture
def pool() -> Pool:
    """60 different pieces of 7 letters, none of which is the other strand of another."""
    rows = np.random.RandomState(0).randint(2, 6, (60, 7)).astype(np.uint16)
    table = SampleTable(rows, np.repeat(np.arange(5), 12), tuple("abcde"), "f", "p", tokens=("", "", *"ACGT"))
    return Pool.of(table, ClassSplit(train=tuple(range(5))), "train", name="pieces", labelled=False)


def spec(letters: str = "ACGT") -> SampleSpec:
    return SampleSpec("sequence", (7,), "int64", vocabulary(letters))


def test_episodes_have_a_strand_a_class(pool):
    pretext = ReverseComplement(Bag(spec()), spec())
    episodes = pretext.episodes(pool, EpisodeShape(2, 2, 3), 60, Rng(0))
    forward = {tuple(row) for row in pool.samples(torch.arange(60)).tolist()}
    firsts = set()
    for b in range(60):
        rows = episodes.all_x[b]
        labels = torch.cat([episodes.support_y[b], episodes.labels()[b]])
        back = reverse_complement(rows, pretext.pairs)
        is_forward = torch.tensor([tuple(row) in forward for row in rows.tolist()])
        assert all(tuple(row) in forward for row in torch.where(is_forward.unsqueeze(1), rows, back).tolist())
        assert len({tuple(r) for r in torch.where(is_forward.unsqueeze(1), rows, back).tolist()}) == 10
        meaning = [set(is_forward[labels == way].tolist()) for way in range(2)]
        assert sorted(map(len, meaning)) == [1, 1]
        assert meaning[0] != meaning[1]
        firsts |= meaning[0]
    assert firsts == {True, False}


def test_loss_is_over_both_strands(pool):
    pretext = ReverseComplement(Bag(spec()), spec())
    x = pool.samples(torch.arange(9))
    other = ids(vocabulary(), *[by_hand(t) for t in texts(vocabulary(), x)], length=7)
    right = [pretext.classifier(pretext.encoder(v)).log_softmax(1)[:, way] for way, v in enumerate((x, other))]
    torch.testing.assert_close(pretext.loss(Batch(x, torch.arange(9)), Rng(0)), -torch.stack(right).mean())


def test_proteins_are_left_out():
    assert "none that pair" in ReverseComplement.misfit(spec(PROTEIN))
    assert ReverseComplement.misfit(spec()) is None
