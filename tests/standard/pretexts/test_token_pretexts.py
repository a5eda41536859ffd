"""Pretexts of tokens: views, masked tokens, what follows."""

import numpy as np
import pytest
import torch

from benchbench import HIDDEN, PADDING, BenchbenchError, EpisodeShape, Rng
from benchbench.data.modality import modality_named
from benchbench.testing.standins import encoder_for, pool_of
from benchbench_standard.pretexts.contrastive import Contrastive
from benchbench_standard.pretexts.masked_tokens import MaskedTokens
from benchbench_standard.pretexts.next_token import NextToken
from benchbench_standard.pretexts.sequence_views import SequenceViews
from benchbench_standard.pretexts.text_views import TextViews

TEXT, SHORT, LETTERS = modality_named("text").specimens()
RNG = Rng("tests")


def samples(sample=TEXT, count=400):
    return modality_named("text").examples(sample, count, torch.Generator().manual_seed(1))


def lengths(x):
    return (x != PADDING).sum(1)


def test_views_of_nothing_are_the_texts():
    x = samples()
    assert torch.equal(TextViews(0, 0, 0)(x, RNG.child(0)), x)


def test_dropped_tokens_close_up_in_their_order():
    x = samples()
    view = TextViews(drop=0.3, swap=0, hide=0)(x, RNG.child(1))
    assert 0.68 < lengths(view).sum() / lengths(x).sum() < 0.74
    for row, own in zip(view.tolist(), x.tolist(), strict=True):
        kept = [t for t in row if t]
        assert row == kept + [0] * (len(row) - len(kept))
        rest = iter(own)
        assert all(token in rest for token in kept)


def test_one_token_always_stays():
    assert (lengths(TextViews(drop=1, swap=0, hide=0)(samples(), RNG.child(2))) == 1).all()


def test_swapped_tokens_stay_in_the_text():
    x = samples()
    view = TextViews(drop=0, swap=0.3, hide=0)(x, RNG.child(3))
    assert torch.equal(view.sort(1).values, x.sort(1).values)
    assert 0.1 < (view != x).double().mean() < 0.5


def test_hidden_tokens():
    x = samples()
    view = TextViews(drop=0, swap=0, hide=0.25)(x, RNG.child(4))
    changed = view != x
    assert (view[changed] == HIDDEN).all()
    assert 0.2 < changed.sum() / lengths(x).sum() < 0.3


def test_views_have_settings_of_their_own_kind():
    image = modality_named("image").specimens()[0]
    with pytest.raises(BenchbenchError, match="min_scale set views of modality image, not of text"):
        Contrastive(encoder_for(TEXT), TEXT, min_scale=0.5)
    with pytest.raises(BenchbenchError, match="drop set views of modality text, not of image"):
        Contrastive(encoder_for(image), image, drop=0.5)
    assert Contrastive(encoder_for(TEXT), TEXT, drop=0.5).augment == TextViews(drop=0.5)
    dna = modality_named("sequence").specimens()[0]
    assert Contrastive(encoder_for(dna), dna, mutate=0.5).augment == SequenceViews(dna.vocabulary, mutate=0.5)


class Spy:
    """Features that are what was seen."""

    def __init__(self, dim):
        self.dim, self.seen = dim, []

    def __call__(self, x):
        self.seen.append(x)
        return torch.zeros(len(x), self.dim)

    def positions(self, x):
        self.seen.append(x)
        return torch.zeros(*x.shape, self.dim)


def test_masked_tokens_are_hidden_replaced_or_left():
    x, made = samples(), MaskedTokens(encoder_for(TEXT, frozenset({"positions"})), TEXT, mask=0.4)
    spy = Spy(made.encoder.dim)
    made.task_loss(spy, x, RNG.child(5))
    (seen,) = spy.seen
    changed = seen != x
    hidden = (seen == HIDDEN) & (x != HIDDEN)
    # 80 % hidden and nearly all of a tenth another; padding is never touched, and every text has a chosen token.
    assert not changed[x == PADDING].any()
    share = hidden.sum() / changed.sum()
    assert 0.86 < share < 0.92
    assert 0.3 < changed.sum() / (x > HIDDEN).sum() < 0.42


def test_the_loss_is_of_chosen_tokens_alone():
    """With equal scores the cross-entropy is the logarithm of the vocabulary, whatever is chosen."""
    made = MaskedTokens(encoder_for(TEXT, frozenset({"positions"})), TEXT)
    torch.nn.init.zeros_(made.predict.weight)
    torch.nn.init.zeros_(made.predict.bias)
    loss = made.task_loss(Spy(made.encoder.dim), samples(), RNG.child(6))
    assert loss.item() == pytest.approx(np.log(len(TEXT.vocabulary)), abs=1e-4)
    nothing = torch.zeros(3, TEXT.shape[0], dtype=torch.int64)
    assert made.task_loss(Spy(made.encoder.dim), nothing, RNG.child(6)).item() == 0


def test_an_episode_of_masked_words():
    pool = pool_of(TEXT, labelled=False)
    made = MaskedTokens(encoder_for(TEXT, frozenset({"positions"})), TEXT)
    shape = EpisodeShape(4, 2, 3)
    words = made.words(pool, shape.per_class)
    whole = pool.samples(torch.arange(len(pool)))
    for word, rows in words.items():
        assert np.flatnonzero((whole == word).any(1)).tolist() == rows.tolist()
        assert 30 <= len(rows) <= 0.05 * len(pool)
    episodes = made.episodes(pool, shape, 30, RNG.child(7))
    by_text = {tuple(row): i for i, row in enumerate(whole.tolist())}
    for b in range(30):
        y = torch.cat([episodes.support_y[b], episodes.labels()[b]])
        texts = set()
        for label in range(4):
            rows = episodes.all_x[b][y == label]
            # The one word that, put where tokens are hidden, gives texts of the pool.
            fitting = [
                word for word in words
                if all(tuple(torch.where(row == HIDDEN, word, row).tolist()) in by_text for row in rows)
            ]  # fmt: skip
            assert len(fitting) == 1
            assert all((row == HIDDEN).any() for row in rows)
            found = {by_text[tuple(torch.where(row == HIDDEN, fitting[0], row).tolist())] for row in rows}
            assert len(found) == 5
            assert not texts & found
            texts |= found


def test_too_few_words():
    pool = pool_of(TEXT, labelled=False)
    made = MaskedTokens(encoder_for(TEXT, frozenset({"positions"})), TEXT, rarest=60)
    with pytest.raises(BenchbenchError, match=r"pretext masked-tokens: \d words of .* too few for 20 ways"):
        made.episodes(pool, EpisodeShape(20, 1, 1), 1, RNG)


def test_letters_make_no_episodes():
    made = MaskedTokens(encoder_for(LETTERS, frozenset({"positions"})), LETTERS)
    assert made.objectives == {"plain", "task"}


def test_what_follows_is_not_shown():
    x, made = samples(SHORT), NextToken(encoder_for(SHORT), SHORT)
    spy = Spy(made.encoder.dim)
    made.task_loss(spy, x, RNG.child(8))
    (seen,) = spy.seen
    able = (x[:, 1:] > HIDDEN).any(1)
    cut = lengths(seen)
    assert (cut[able] < lengths(x)[able]).all()
    assert (cut[able] > 0).all()
    assert all(torch.equal(a[:n], b[:n]) for a, b, n in zip(seen, x, cut, strict=True))
    # A text of one token has nothing to predict.
    alone = torch.zeros(2, SHORT.shape[0], dtype=torch.int64)
    alone[:, 0] = 5
    assert made.task_loss(spy, alone, RNG.child(9)).item() == 0
