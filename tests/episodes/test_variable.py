"""Meta-Dataset's sampler against a straight-line transcription of its published formulas, and its class graph."""

import math

import numpy as np
import pytest
from scipy import stats

from benchbench import BenchbenchError, ClassHierarchy, VariableShape
from benchbench.data.hierarchy import spanned_leaves
from benchbench.episodes.fixed import episode_set_hash, stream
from benchbench.episodes.source import Source
from benchbench.episodes.variable import check_variable, describe, variable_episode

SHAPE = VariableShape()
SOURCES = (
    ("omniglot", "train"),
    ("aircraft", "train"),
    ("quickdraw", "train"),
    ("fungi", "train"),
    ("ilsvrc_2012", "train"),
)


def transcribed(rng, sizes, kind, groups):
    """Classes, shots and queries of the next episode: the paper's appendix and data/sampling.py of
    google-research/meta-dataset, line by line, for a source of any kind."""
    if kind == "flat":
        ways = rng.randint(5, min(50, len(sizes)) + 1)
        classes = rng.choice(np.arange(len(sizes)), ways, replace=False)
    else:
        assert rng.choice([True, False], p=[1.0, 0.0])
        if kind == "bilevel":
            alphabet = groups[rng.choice(len(groups), 1)[0]]
            ways = rng.randint(5, min(50, len(alphabet)) + 1)
            classes = np.array([alphabet[i] for i in rng.choice(len(alphabet), ways, replace=False)])
        else:
            eligible = [g for g in groups if 5 <= len(g) <= 392]
            classes = np.array(eligible[rng.randint(0, len(eligible))])
            if len(classes) > 50:
                classes = rng.choice(classes, 50, replace=False)
    images = sizes[classes]
    queries = min(10, (images // 2).min())
    remaining = images - queries
    beta = rng.uniform()
    support = min(500, np.floor(beta * np.minimum(100, remaining) + 1).sum())
    alpha = rng.uniform(math.log(1 / 2), math.log(2), size=len(classes))
    share = images * np.exp(alpha) / (images * np.exp(alpha)).sum()
    shots = np.minimum(np.floor(share * (support - len(classes))) + 1, remaining)
    return classes, shots, queries


@pytest.mark.parametrize(
    ("name", "part"), [*SOURCES, ("omniglot", "test"), ("ilsvrc_2012", "test"), ("fungi", "valid")]
)
def test_draw_for_draw(source, name, part):
    drawn_from = source(name, part)
    ours, theirs = np.random.RandomState(20), np.random.RandomState(20)
    for _ in range(100):
        got = describe(ours, SHAPE, drawn_from)
        classes, shots, queries = transcribed(theirs, drawn_from.sizes, drawn_from.kind, drawn_from.groups)
        assert got.classes.tolist() == classes.tolist()
        assert got.shots.tolist() == shots.tolist()
        assert got.queries == queries


def agree(drawn_from, count):
    """Ways, support sizes and queries of `count` episodes have the transcription's distribution."""
    rng = np.random.RandomState(7)
    ours = [describe(stream("statistics", i), SHAPE, drawn_from) for i in range(count)]
    theirs = [transcribed(rng, drawn_from.sizes, drawn_from.kind, drawn_from.groups) for _ in range(count)]
    figures = {
        "ways": ([len(e.classes) for e in ours], [len(c) for c, _, _ in theirs]),
        "support size": ([int(e.shots.sum()) for e in ours], [sum(s) for _, s, _ in theirs]),
        "largest shots": ([int(e.shots.max()) for e in ours], [max(s) for _, s, _ in theirs]),
        "queries": ([e.queries for e in ours], [q for _, _, q in theirs]),
    }
    for what, (left, right) in figures.items():
        if len(set(left) | set(right)) > 1:
            # 5 sources x 4 figures are looked at: 0.0005 keeps a false alarm below one in a hundred.
            assert stats.ks_2samp(left, right, method="asymp").pvalue > 0.0005, what
    used = np.bincount(np.concatenate([e.classes for e in ours]), minlength=len(drawn_from.index))
    expected = np.bincount(np.concatenate([c for c, _, _ in theirs]), minlength=len(drawn_from.index))
    assert abs(used - expected).sum() / used.sum() < 3 * math.sqrt(len(used) / used.sum())


@pytest.mark.parametrize(("name", "part"), SOURCES)
def test_20_000_episodes_agree(source, name, part):
    agree(source(name, part), 4_000)


@pytest.mark.full
@pytest.mark.parametrize(("name", "part"), SOURCES)
def test_20_000_episodes_of_each_source_agree(source, name, part):
    agree(source(name, part), 20_000)


def test_ways_are_uniform_where_classes_have_no_hierarchy(source):
    fungi = source("fungi", "train")
    ways = [len(describe(stream("ways", i), SHAPE, fungi).classes) for i in range(2_300)]
    counts = np.bincount(ways, minlength=51)[5:]
    assert counts.sum() == 2_300
    assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize(
    ("part", "nodes", "eligible", "leaves"), [("train", 299, 113, 712), ("valid", 42, 18, 158), ("test", 50, 15, 130)]
)
def test_imagenets_graph(source, part, nodes, eligible, leaves):
    graph = source("ilsvrc_2012", part)
    assert len(graph.groups) == nodes
    chosen = [g for g in graph.groups if 5 <= len(g) <= 392]
    assert len(chosen) == eligible
    assert set(np.concatenate(chosen)) == set(range(leaves))
    assert len(graph.index) == leaves
    # 392 is the least bound under which every class of the training part is reached.
    assert part != "train" or set(np.concatenate([g for g in chosen if len(g) < 392])) != set(range(leaves))


def test_an_episode_of_the_graph_is_all_below_one_node_or_50_of_them(source):
    graph = source("ilsvrc_2012", "train")
    whole = {tuple(g) for g in graph.groups}
    for i in range(200):
        classes = describe(stream("dag", i), SHAPE, graph).classes
        if len(classes) < 50:
            assert tuple(classes) in whole
        else:
            assert any(set(classes) <= set(g) for g in graph.groups if len(g) >= 50)


def test_an_episode_of_omniglot_is_of_one_alphabet(source):
    omniglot = source("omniglot", "test")
    seen = set()
    for i in range(300):
        classes = describe(stream("alphabets", i), SHAPE, omniglot).classes
        (alphabet,) = [k for k, g in enumerate(omniglot.groups) if set(classes) & set(g)]
        assert set(classes) <= set(omniglot.groups[alphabet])
        seen.add(alphabet)
    assert seen == set(range(20))


def test_spans_by_hand():
    # a is above b and c, which share leaf y.
    graph = {"a": ["b", "c"], "b": ["x", "y"], "c": ["y", "z"]}
    assert spanned_leaves(graph) == {"a": {"x", "y", "z"}, "b": {"x", "y"}, "c": {"y", "z"}}
    groups = ClassHierarchy.of_graph({"train": graph}, {"x": 7, "y": 3, "z": 1}).train
    assert groups == ((7, 3, 1), (7, 3), (3, 1))
    # A leaf without images is left out.
    assert ClassHierarchy.of_graph({"train": graph}, {"x": 7, "z": 1}).train == ((7, 1), (7,), (1,))


def test_a_cycle_is_refused():
    with pytest.raises(BenchbenchError, match="is below itself"):
        spanned_leaves({"a": ["b"], "b": ["a"]})


def test_sizes_by_hand(of_sizes):
    # Five classes of 4 images: q = min(10, 4 // 2) = 2 and r = 2; with the weights equal and the largest share drawn
    # (S -> 5 * floor(2b + 1) <= 10), shots are floor((S - 5) / 5) + 1: 1 for b < 1/2, else 2.
    shape = VariableShape(min_ways=5, max_ways=5, min_log_weight=0.0, max_log_weight=0.0)
    seen = set()
    for i in range(50):
        state = stream("hand", i)
        got = describe(state, shape, of_sizes([4] * 5))
        replay = stream("hand", i)
        replay.randint(5, 6)
        replay.permutation(5)
        shots = 1 if replay.uniform() < 0.5 else 2
        assert (got.queries, got.shots.tolist()) == (2, [shots] * 5)
        seen.add(shots)
    assert seen == {1, 2}


def test_fixed_numbers(of_sizes):
    source = of_sizes([30, 8, 40, 25, 60, 12, 9])
    for i in range(20):
        got = describe(stream("fixed", i), VariableShape(ways=6, shots=5, max_queries=10), source)
        assert len(set(got.classes.tolist())) == 6
        assert got.shots.tolist() == [5] * 6
        # q = min(10, min I - 5); the class of 8 is in all 6-way episodes but one in seven.
        assert got.queries == min(10, int(source.sizes[got.classes].min()) - 5)
    assert describe(stream("fixed", 0), VariableShape(shots=1, queries=3), source).queries == 3


#: Frozen: records hold scores of these episodes.
GOLDEN = {
    "omniglot": "5a2e16053d2a7999",
    "fungi": "57b2f1e23c892a89",
    "quickdraw": "358ab1adaf6a0c31",
    "ilsvrc_2012": "84d0328951ba2d70",
}


def test_golden_episodes(source):
    found = {
        name: episode_set_hash([variable_episode("golden", i, SHAPE, source(name, "test")) for i in range(20)])[:16]
        for name in GOLDEN
    }
    assert found == GOLDEN


@pytest.mark.parametrize(
    ("settings", "sizes", "message"),
    [
        ({}, [20] * 4, "5-way episodes need 5 classes, but it has 4"),
        ({}, [20, 20, 20, 20, 1], "episodes need 2 images a class, but its smallest class has 1"),
        ({"shots": 20}, [20] * 5, "episodes need 21 images a class, but its smallest class has 20"),
        ({"ways": 6}, [20] * 5, "6-way episodes need 6 classes, but it has 5"),
    ],
)
def test_too_few_classes_or_images(of_sizes, settings, sizes, message):
    with pytest.raises(BenchbenchError, match=f"here: {message}"):
        check_variable(VariableShape(**settings), of_sizes(sizes), "here")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_ways": 60}, "min_ways <= max_ways, got 60 and 50"),
        ({"max_support": 49}, "max_support 49 leaves no sample a class in 50-way episodes"),
        ({"min_log_weight": 1.0}, "min_log_weight 1.0 is above max_log_weight"),
    ],
)
def test_settings_that_no_episode_can_have(settings, message):
    with pytest.raises(BenchbenchError, match=message):
        VariableShape(**settings)


def test_a_hierarchy_that_is_too_small(source):
    omniglot = source("omniglot", "test")
    # The smallest of the test alphabets has 20 characters.
    with pytest.raises(BenchbenchError, match="21-way episodes need 21 classes, but its smallest group has 20"):
        check_variable(VariableShape(min_ways=21), omniglot, "here")
    graph = source("ilsvrc_2012", "test")
    few = Source(graph.index, None, "dag", tuple(g for g in graph.groups if len(g) > 6))
    with pytest.raises(BenchbenchError, match="no node of its class graph spans 5 to 6 classes"):
        check_variable(VariableShape(max_span=6), few, "here")
