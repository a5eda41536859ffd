"""What holds for every episode, whatever the class sizes."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench import EpisodeShape, VariableShape
from benchbench.episodes.fixed import episode_set_hash, fixed_episode
from benchbench.episodes.source import Source
from benchbench.episodes.variable import variable_episode

sizes_of_classes = st.lists(st.integers(2, 700), min_size=5, max_size=70)


@st.composite
def sources(draw):
    """Classes of arbitrary sizes: flat, or in groups that may overlap."""
    sizes = draw(sizes_of_classes)
    bounds = np.cumsum([0, *sizes])
    index = [np.arange(a, b) for a, b in pairwise(bounds)]
    kind = draw(st.sampled_from(["flat", "bilevel", "dag"]))
    if kind == "flat":
        return Source(index)
    members = st.sets(st.integers(0, len(sizes) - 1), min_size=5)
    groups = tuple(np.array(sorted(g)) for g in draw(st.lists(members, min_size=1, max_size=4)))
    return Source(index, None, kind, groups)


@st.composite
def shapes(draw):
    """Any bounds that an episode can keep."""
    most = draw(st.integers(5, 60))
    return VariableShape(
        min_ways=draw(st.integers(2, 5)),
        max_ways=most,
        max_queries=draw(st.integers(1, 20)),
        max_support=draw(st.integers(most, 600)),
        max_support_per_class=draw(st.integers(1, 200)),
    )


@settings(max_examples=80, deadline=None, database=None)
@given(source=sources(), shape=shapes(), key=st.text(max_size=5), number=st.integers(0, 10**6))
def test_variable_episodes(source, shape, key, number):
    episode = variable_episode(key, number, shape, source)
    ways = len(episode.classes)
    assert shape.min_ways <= ways <= shape.max_ways
    assert len(set(episode.classes.tolist())) == ways
    rows = np.concatenate([episode.support, episode.query])
    assert len(set(rows.tolist())) == len(rows), "support and query are disjoint, nothing is drawn twice"
    for label, c in enumerate(episode.classes):
        for chosen, labels in ((episode.support, episode.support_y), (episode.query, episode.query_y)):
            assert np.isin(chosen[labels == label], source.index[c]).all()
    shots, queries = (np.bincount(y, minlength=ways) for y in (episode.support_y, episode.query_y))
    assert len(shots) == len(queries) == ways, "labels are 0 to ways - 1"
    assert shots.min() >= 1
    assert shots.sum() <= shape.max_support
    assert queries.min() == queries.max() == min(shape.max_queries, source.sizes[episode.classes].min() // 2)
    assert episode.support_y.tolist() == sorted(episode.support_y.tolist()), "labels in order of appearance"


@settings(max_examples=15, deadline=None, database=None)
@given(source=sources(), order=st.permutations(range(6)))
def test_an_episode_depends_on_its_number_alone(source, order):
    shape = VariableShape()
    ascending = [variable_episode("key", i, shape, source) for i in range(6)]
    other = {i: variable_episode("key", i, shape, source) for i in order}
    assert episode_set_hash(ascending) == episode_set_hash([other[i] for i in range(6)])
    assert episode_set_hash(ascending) != episode_set_hash(
        [variable_episode("other", i, shape, source) for i in range(6)]
    )


@settings(max_examples=30, deadline=None, database=None)
@given(sizes=sizes_of_classes, ways=st.integers(2, 5), number=st.integers(0, 10**6))
def test_fixed_episodes(sizes, ways, number):
    bounds = np.cumsum([0, *sizes])
    index = [np.arange(a, b) for a, b in pairwise(bounds)]
    queries = min(sizes) - 1
    episode = fixed_episode("key", number, EpisodeShape(ways, 1, queries), index)
    rows = np.concatenate([episode.support, episode.query])
    assert len(set(rows.tolist())) == ways * (1 + queries)
    assert episode.support_y.tolist() == list(range(ways))
    assert np.bincount(episode.query_y).tolist() == [queries] * ways
    for label, c in enumerate(episode.classes):
        assert np.isin(episode.query[episode.query_y == label], index[c]).all()
