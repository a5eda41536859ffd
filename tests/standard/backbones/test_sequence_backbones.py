"""The backbones of sequences, against counts in plain Python."""

import math

import pytest
import torch

from benchbench import HIDDEN, PADDING, BenchbenchError, SampleSpec, Vocabulary, encode
from benchbench_standard.backbones.conv1d import Conv1d
from benchbench_standard.backbones.kmers import KMers, lengths
from benchbench_standard.backbones.onehot import OneHot

DNA, PROTEIN = "ACGT", "ACDEFGHIKLMNPQRSTVWY"


def spec(letters: str = DNA, length: int = 12) -> SampleSpec:
    vocabulary = Vocabulary(["", "", *letters], [0.0, 0.0, *([0.9] * len(letters))])
    return SampleSpec("sequence", (length,), "int64", vocabulary)


def ids(sample: SampleSpec, *texts: str) -> torch.Tensor:
    """Texts as ids, padded; ``?`` is a letter that is unknown."""
    known = {**sample.vocabulary.ids, "?": HIDDEN}
    rows = [[known[letter] for letter in text] for text in texts]
    return torch.tensor([row + [PADDING] * (sample.shape[0] - len(row)) for row in rows])


def counted(text: str, letters: str, k: int) -> list[float]:
    """How often each k-mer stands in a text, in alphabetical order of `letters`."""
    mers = [""]
    for _ in range(k):
        mers = [mer + letter for mer in mers for letter in letters]
    return [float(sum(text[i : i + k] == mer for i in range(len(text)))) for mer in mers]


def unit(values: list[float]) -> torch.Tensor:
    length = math.sqrt(sum(v * v for v in values))
    return torch.tensor(values) / (length or 1)


@pytest.mark.parametrize("k", [[1], [2], [1, 3], [4, 5]])
@pytest.mark.parametrize("text", ["ACGTACGTTTTT", "AAAAAA", "TTTTT", "ACG?ACGT", "A", ""])
def test_kmers_are_counted(text, k):
    sample = spec()
    found = KMers(sample, k=k)(ids(sample, text))[0]
    torch.testing.assert_close(found, unit([v for n in k for v in counted(text, DNA, n)]))


def test_kmers_with_ambiguous_letters_are_not_counted():
    sample = spec("TNAGCR")
    encoder = KMers(sample, k=[2])
    assert encoder.dim == 16
    found = encoder(ids(sample, "TANGRCTA"))[0]
    expected = unit(counted("TANGRCTA", "TAGC", 2))
    torch.testing.assert_close(found, expected)
    assert found.count_nonzero() == 2  # TA twice, CT


def test_lengths_of_kmers_follow_the_alphabet():
    assert lengths(4) == [4, 5]
    assert lengths(20) == [1, 2]
    assert lengths(1000) == lengths(6000) == [1]
    assert KMers(spec()).dim == 4**4 + 4**5
    assert KMers(spec(PROTEIN)).dim == 20 + 400
    assert KMers(spec(PROTEIN + "XBZ")).dim == 20 + 400
    assert KMers(spec("ACGTNDSR")).dim == 4**4 + 4**5


def test_kmers_of_proteins():
    sample = spec(PROTEIN, 9)
    found = KMers(sample)(ids(sample, "MKVYWYYW"))[0]
    torch.testing.assert_close(found, unit([v for k in (1, 2) for v in counted("MKVYWYYW", PROTEIN, k)]))


@pytest.mark.parametrize(("k", "message"), [([3, 3], "each length once"), ([12], "smaller"), ([10**9], "smaller")])
def test_kmers_refuse_lengths(k, message):
    with pytest.raises(BenchbenchError, match=f"backbone kmers: k is .*{message}"):
        KMers(spec(), k=k)


def test_onehot_places():
    sample = spec("ACGTN", 4)
    found = OneHot(sample)(ids(sample, "CN?T", "T", ""))
    expected = torch.zeros(3, 4, 4)
    expected[0, 0, 1] = expected[0, 3, 3] = math.sqrt(0.5)
    expected[1, 0, 3] = 1
    torch.testing.assert_close(found, expected.flatten(1))


@pytest.mark.parametrize("make", [KMers, OneHot, Conv1d, lambda sample: Conv1d(sample, pool="mean")])
@pytest.mark.parametrize("letters", [DNA, PROTEIN])
def test_any_id_and_padding_alone(make, letters):
    sample = spec(letters)
    encoder = make(sample).eval()
    x = torch.stack([torch.full((12,), i) for i in (PADDING, HIDDEN, len(letters) + 1)])
    features = encoder(x)
    assert features.shape == (3, encoder.dim)
    assert features.isfinite().all()
    assert not torch.equal(features[2], features[0])
    torch.testing.assert_close(encoder(x[:1]), features[:1])


@pytest.mark.parametrize("pool", ["max", "mean"])
def test_more_padding_changes_nothing_in_conv1d(pool):
    torch.manual_seed(0)
    short, long = spec(length=9), spec(length=40)
    encoder = Conv1d(short, width=8, pool=pool).double()
    texts = ("ACGTACGTA", "ACG", "T", "")
    torch.testing.assert_close(encoder(ids(short, *texts)), encoder(ids(long, *texts)))
    torch.testing.assert_close(encoder.positions(ids(short, *texts)), encoder.positions(ids(long, *texts))[:, :9])


def test_kmers_do_not_see_padding():
    short, long = spec(length=9), spec(length=40)
    texts = ("ACGTACGTA", "ACGT", "")
    assert torch.equal(KMers(short)(ids(short, *texts)), KMers(long)(ids(long, *texts)))


def test_conv1d_by_hand():
    """One convolution: at each place the norm of a weighted sum of its neighbours, then the maximum."""
    torch.manual_seed(0)
    sample = spec(length=5)
    encoder = Conv1d(sample, width=3, depth=1, kernel=3).double()
    row = ids(sample, "CAT")
    places = []
    for t in range(3):
        total = encoder.convs[0].bias.clone()
        for j in range(3):
            if 0 <= t + j - 1 < 3:
                total = total + encoder.convs[0].weight[:, :, j] @ encoder.embedded.weight[row[0, t + j - 1]]
        total = (total - total.mean()) / (total.var(correction=0) + 1e-5).sqrt()
        places.append(total.clamp(min=0))
    expected = torch.stack([*places, *2 * [torch.zeros(3, dtype=torch.float64)]])
    torch.testing.assert_close(encoder.positions(row)[0], expected)
    torch.testing.assert_close(encoder(row)[0], expected.max(0).values)
    encoder.pool = "mean"
    torch.testing.assert_close(encoder(row)[0], torch.stack(places).mean(0))


def test_conv1d_sees_letters_further_than_one_convolution():
    torch.manual_seed(0)
    sample = spec(length=30)
    encoder = Conv1d(sample, width=8, depth=3, kernel=5)
    x = ids(sample, "A" * 30).repeat(2, 1)
    x[1, 15] = 3
    moved = (encoder.positions(x)[0] != encoder.positions(x)[1]).any(1).nonzero().flatten()
    assert moved.tolist() == list(range(9, 22))  # 2 on each side a convolution


def test_conv1d_adapts_to_a_task_with_second_derivatives():
    torch.manual_seed(0)
    sample = spec()
    encoder = Conv1d(sample, width=4, depth=2)
    x = ids(sample, "ACGTAC", "GGTTA").unsqueeze(0)
    params = {name: w.detach().unsqueeze(0).requires_grad_() for name, w in encoder.named_parameters()}
    loss = encode(encoder, x, params=params, norm="call").square().sum()
    first = torch.autograd.grad(loss, list(params.values()), create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), list(params.values()))
    assert all(g.isfinite().all() for g in second)
    assert any(g.abs().max() > 0 for g in second)


def test_conv1d_refuses_an_even_kernel():
    with pytest.raises(BenchbenchError, match="kernel is 4: expected an odd number"):
        Conv1d(spec(), kernel=4)


def test_floors_have_nothing_to_train_and_are_made_for_their_target():
    for floor in (KMers, OneHot):
        assert list(floor(spec()).parameters()) == []
        assert not floor.trainable
        assert floor.of_target
