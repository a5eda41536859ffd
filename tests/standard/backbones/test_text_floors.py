"""tf-idf of words and of character n-grams, against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import normalize

from benchbench import BenchbenchError, SampleSpec, Vocabulary
from benchbench_standard.backbones.ngrams import NGrams
from benchbench_standard.backbones.token_shares import smoothed_idf
from benchbench_standard.backbones.words import Words

TRAIN = ["play the music", "play the play list", "stop music now", "the end"]
TEST = ["play jazz music", "unheard of", "the the the end now"]


def numbered(texts, training=(), cut=str.split, length=40):
    """Texts as ids, and their specification with the shares of `training`, as the core makes both."""
    rows = [cut(text) for text in texts]
    tokens = list(dict.fromkeys(token for row in rows for token in row))
    held = [set(cut(text)) for text in training]
    shares = [sum(token in row for row in held) / max(1, len(held)) for token in tokens]
    spec = SampleSpec("text", (length,), "int64", Vocabulary(["", "", *tokens], [0.0, 0.0, *shares]))
    ids = [[spec.vocabulary.ids[token] for token in row] for row in rows]
    return torch.tensor([row + [0] * (length - len(row)) for row in ids]), spec


@pytest.fixture(autouse=True)
def _float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_words_are_those_of_scikit_learn():
    """Also words of no training text, whose document frequency is 0."""
    x, spec = numbered(TRAIN + TEST, TRAIN)
    ours = Words(spec)(x)
    theirs = TfidfVectorizer(token_pattern=r"\S+", vocabulary=spec.vocabulary.texts[2:]).fit(TRAIN)
    np.testing.assert_allclose(ours[:, 2:], theirs.transform(TRAIN + TEST).toarray(), rtol=1e-12, atol=1e-12)
    assert (ours[:, :2] == 0).all()


def test_idf_without_a_training_text_is_one():
    x, spec = numbered(TEST)
    counts = CountVectorizer(token_pattern=r"\S+", vocabulary=spec.vocabulary.texts[2:]).transform(TEST)
    np.testing.assert_allclose(Words(spec)(x)[:, 2:], normalize(counts).toarray(), rtol=1e-12)


def test_unknown_tokens_count_for_nothing():
    x, spec = numbered(TEST)
    floor = Words(spec)
    hidden = torch.cat([x[:, :3], torch.ones(len(x), 5, dtype=torch.int64), x[:, 3:]], 1)
    torch.testing.assert_close(floor(hidden), floor(x))
    assert not floor(torch.ones(1, 5, dtype=torch.int64)).any()


@pytest.mark.parametrize("sizes", [(2, 4), (1, 3), (3, 5)])
def test_ngrams_are_those_of_scikit_learn(sizes):
    """Up to their order, which products of pairs do not show; a space that stands alone is no n-gram of ours."""
    x, spec = numbered(TRAIN + TEST)
    ours = NGrams(spec, shortest=sizes[0], longest=sizes[1])(x)
    theirs = CountVectorizer(analyzer="char_wb", ngram_range=sizes).fit(TRAIN + TEST)
    kept = [i for gram, i in theirs.vocabulary_.items() if gram != " "]
    counts = normalize(theirs.transform(TRAIN + TEST)[:, kept].astype(float)).toarray()
    np.testing.assert_allclose(ours @ ours.T, counts @ counts.T, rtol=1e-12, atol=1e-12)


def test_idf_of_ngrams_where_words_share_none():
    texts = ["aaa bbb", "aaa ccc", "ddd aaa", "eee fff"]
    x, spec = numbered([*texts, "ggg aaa bbb"], texts)
    ours = NGrams(spec, shortest=2, longest=3)(x)
    # A space at an end of a word is in other words' n-grams only together with a letter.
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3)).fit([*texts, "ggg aaa bbb"])
    documents = CountVectorizer(analyzer="char_wb", ngram_range=(2, 3), vocabulary=theirs.vocabulary_, binary=True)
    df = np.asarray(documents.transform(texts).sum(0)).ravel()
    theirs.idf_ = np.log(5 / (1 + df)) + 1
    expected = theirs.transform([*texts, "ggg aaa bbb"]).toarray()
    np.testing.assert_allclose(ours @ ours.T, expected @ expected.T, rtol=1e-10, atol=1e-12)


def test_idf_of_an_ngram_of_several_words():
    """1 - prod(1 - share) of the words that hold it."""
    vocabulary = Vocabulary(["", "", "xa", "xb"], [0, 0, 0.5, 0.25])
    floor = NGrams(SampleSpec("text", (4,), "int64", vocabulary), shortest=2, longest=2)
    # " x", "xa", "a " and " x", "xb", "b ", in this order.
    features = floor(torch.tensor([[2, 0, 0, 0]]))[0, :3]
    x, a = 1 - 0.5 * 0.75, 0.5
    expected = np.log(5 / (1 + 4 * np.array([x, a, a]))) + 1
    np.testing.assert_allclose(features, expected / np.linalg.norm(expected), rtol=1e-12)


def test_a_very_long_word_counts_by_its_beginning():
    """One that no text has a use for widens no row of the table."""
    spec = numbered(["a" * 5000, "a" * 40 + "b", "a" * 40])[1]
    floor = NGrams(spec, shortest=2, longest=2)
    # " a" and "aa", and for the word that is no longer "a ".
    assert floor.grams.places.shape == (5, 3)
    long, cut, whole = floor(torch.tensor([[2], [3], [4]]))
    torch.testing.assert_close(long, cut)
    assert (long != 0).sum() == 2
    assert (whole != 0).sum() == 3


def test_hashed_ngrams_keep_similarities():
    texts = [f"{a}{b} {b}{a}ing {a}tion" for a in ("sun", "moon", "star", "sea") for b in ("light", "rise", "fish")]
    x, spec = numbered(texts)
    exact, hashed = (NGrams(spec, shortest=1, width=width)(x) for width in (4096, 128))
    difference = exact @ exact.T - hashed @ hashed.T
    assert 0 < difference.abs().max() < 0.4
    assert abs(float(difference.mean())) < 0.05


def test_ngrams_of_characters_are_those_of_words():
    """Runs of characters, hashed into so many places that none meet."""
    texts = ["play jazz", "play a song", "äöü  jazz", "x"]
    x, spec = numbered(texts, cut=list)
    ours = NGrams(spec, shortest=2, longest=4, width=1 << 18)(x)
    counts = normalize(CountVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit_transform(texts).astype(float))
    np.testing.assert_allclose(ours @ ours.T, (counts @ counts.T).toarray(), rtol=1e-12, atol=1e-12)


def test_idf_of_characters_ngrams_is_of_the_product_of_shares():
    vocabulary = Vocabulary(["", "", "a", "b"], [0, 0, 0.5, 0.25])
    floor = NGrams(SampleSpec("text", (2,), "int64", vocabulary), shortest=1, longest=2, width=1 << 18)
    found = floor(torch.tensor([[2, 3]])).abs()
    found = found[found > 0].sort().values
    expected = np.sort(smoothed_idf(np.array([0.5, 0.25, 0.5, 0.125, 0.25]), np.array([0.5, 0.25])))
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), rtol=1e-12)


def test_sizes_out_of_order_are_refused():
    _, spec = numbered(TEST)
    with pytest.raises(BenchbenchError, match="longest, 2, is less than shortest, 3"):
        NGrams(spec, shortest=3, longest=2)
