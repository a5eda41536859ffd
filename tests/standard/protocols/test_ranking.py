"""Ranking by what a user likes: measures against scikit-learn, the popularity floor by hand, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import ndcg_score, roc_auc_score

from benchbench import BenchbenchError, ClassSplit, Pool, Rng, SampleSpec, SampleTable, Target, Trained, Vocabulary
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared
from benchbench.planning.misfits import Misfits
from benchbench.testing.standins import _Held, prepared_of
from benchbench_standard.backbones.item_score import ItemScore
from benchbench_standard.metas.prior import Prior
from benchbench_standard.pretexts.popularity import Popularity
from benchbench_standard.protocols.ranking import Ranking, auc, ndcg

ITEMS = 12
RNG = Rng("ranking")


@pytest.mark.parametrize("levels", [1000, 4])
def test_measures_agree_with_scikit_learn(levels):
    """With few levels there are ties, which both average."""
    state = np.random.RandomState(0)
    for _ in range(50):
        scores, liked = state.randint(levels, size=20) / 7, state.permutation(np.arange(20) % 2)
        assert auc(scores, liked) == pytest.approx(roc_auc_score(liked, scores))
        assert ndcg(scores, liked, 5) == pytest.approx(ndcg_score([liked], [scores], k=5))


def test_extremes():
    liked = np.array([1, 0, 1, 0])
    assert (auc(liked, liked), ndcg(liked, liked, 5)) == (1, 1)
    assert (auc(-liked, liked), ndcg(-liked, liked, 2)) == (0, 0)


def users(liking=lambda user, item: item < ITEMS // 2, count=8):
    """Users that like the first half of the items: the last two are for test, the others for training."""
    rows, labels = [], []
    for u in range(count):
        for item in [i for i in range(ITEMS) for _ in range(4)]:
            rows.append([2 + item, 2 + ITEMS])
            labels.append(2 * u + int(liking(u, item)))
    texts = ["", "", *(f"item:{i}" for i in range(ITEMS)), "genre:all"]
    names = tuple(f"{u}/{taste}" for u in range(count) for taste in ("disliked", "liked"))
    table = SampleTable(np.array(rows, np.uint16), np.array(labels), names, "f", "p", tokens=tuple(texts))
    parts = ["test" if u >= count - 2 else "train" for u in range(count)]
    split = ClassSplit.joined([ClassSplit(**{p: (2 * u, 2 * u + 1)}, ordered=True) for u, p in enumerate(parts)])
    return Prepared("users", _Held("interaction"), table, split)


def popular(data):
    encoder = ItemScore(data.sample)
    pretext = Popularity(encoder, data.sample)
    pool = Pool.of(data.table, data.split, "train", name="users", labelled=True)
    pretext.prepare(pool, encoder, Rng("popularity"))
    return encoder


def test_popularity_is_the_smoothed_odds_of_training_users():
    """Of 24 ratings of an item by 6 users, all are likes or none: the smoothed odds are (24 + 2.5) / 2.5, doubled by
    the shares of one half."""
    data = users()
    scores = popular(data).scores.weight[:, 0].tolist()
    odds = np.log((24 + 5 * 0.5) / 0.5 / (5 * 0.5 / 0.5))
    assert scores[2:8] == pytest.approx([odds] * 6, rel=1e-5)
    assert scores[8:14] == pytest.approx([-odds] * 6, rel=1e-5)
    assert scores[:2] + scores[14:] == pytest.approx([0, 0, 0], abs=1e-6)  # everything is of the one genre


def test_test_users_have_no_part_in_it():
    whole, other = users(), users(lambda user, item: (item < ITEMS // 2) == (user < 6))
    assert torch.equal(popular(whole).scores.weight, popular(other).scores.weight)


@pytest.mark.parametrize(("turned", "expected"), [(False, 1.0), (True, 0.0)])
def test_the_prior_ranks_without_a_support_set(turned, expected):
    data = users((lambda user, item: (item < ITEMS // 2) == (user < 6)) if turned else users.__defaults__[0])
    encoder = popular(data)
    target = Target(data, data.sample)
    found = Ranking(shots=2, queries=5, episodes=20).evaluate(
        Trained(encoder, Prior(encoder), data.sample), target, RNG
    )
    assert set(found["auc"].values) == set(found["ndcg"].values) == {expected}
    assert set(found["accuracy"].values) == {int(10 * expected)}


def test_only_two_ordered_classes_are_ranked():
    sample = SampleSpec("interaction", (2,), "int64", Vocabulary(["", "", "a:1", "b:1"], [0, 0, 0.5, 0.5]))
    plain, ordered = (Target(prepared_of(sample, ordered=o), sample) for o in (False, True))
    Ranking().check(ordered)
    with pytest.raises(BenchbenchError, match="two ordered classes in each source, disliked and liked"):
        Ranking().check(plain)
    three = replace(ordered.data, split=ClassSplit(test=(0, 1, 2), ordered=True))
    with pytest.raises(BenchbenchError, match="two ordered classes"):
        Ranking().check(Target(three, sample))
    with pytest.raises(BenchbenchError, match="20 shots"):
        Ranking(shots=20).check(ordered)


def test_places_of_classes():
    pool = Pool.of(users().table, users().split, "train", name="users", labelled=True)
    assert pool.places.tolist() == [0, 1] * 6


def judged(data, pretext="popularity", meta="prior", backbone="item-score", regime="joint", settings=None):
    """Why the planner leaves a method out."""
    point = {"pretext": pretext, "meta": meta, "backbone": backbone, "regime": regime, "source": "users"}
    refs = [resolve_component(k, point[k], (settings or {}).get(k)) for k in ("pretext", "meta", "backbone")]
    return Misfits("last").of_method(point, data, *refs)


def test_the_planner_asks_for_order():
    unordered = replace(users(), split=ClassSplit(train=tuple(range(12)), test=(12, 13, 14, 15)))
    assert judged(users()) is None
    assert judged(unordered) == "pretext popularity needs classes that mean the same in each source"
    assert judged(users(), backbone="fields") == "backbone fields does not provide scores"
    assert "no classifier tells all apart" in judged(users(), "labels", "nearest-centroid", "fields")


def test_the_planner_knows_what_adapts():
    given = (users(), "contrastive", "maml", "fields", "meta-pretext")
    assert judged(*given) is None
    assert judged(*given, {"meta": {"adapts": "head"}}) == "maml adapts its head alone, not to a pretext's own loss"
