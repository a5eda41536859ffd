"""Pretexts of tables: no value that made a label is left in a task, and no row outside the pool is seen."""

import numpy as np
import pytest
import torch

from benchbench import BenchbenchError, ClassSplit, EpisodeShape, Pool, Rng, SampleSpec, SampleTable
from benchbench.testing.standins import encoder_for
from benchbench_standard.pretexts import columns as module
from benchbench_standard.pretexts.columns import Columns
from benchbench_standard.pretexts.masked_columns import MaskedColumns

RNG, SHAPE = Rng("tables"), EpisodeShape(3, 4, 6)
COLUMNS, ROWS = 6, 400
SAMPLE = SampleSpec("tabular", (COLUMNS,))


def pool(x, labels=None, train=(0,)):
    labels = np.zeros(len(x), np.int64) if labels is None else labels
    table = SampleTable(x.astype(np.float32), labels, tuple(map(str, range(labels.max() + 1))), "f", "p")
    return Pool.of(table, ClassSplit(train=train), "train", name="rows", labelled=False)


def columns(sample=SAMPLE, **settings):
    return Columns(encoder_for(sample), sample, **settings)


@pytest.fixture
def seen(monkeypatch):
    """What k-means was given, and which clusters it found, task by task."""
    found = []

    def partition(z, clusters, rng):
        members = original(z, clusters, rng)
        found.append((z, members))
        return members

    original = module.partition
    monkeypatch.setattr(module, "partition", partition)
    return found


def rows_of(x, task):
    """For each value of a task, the row of x that it is of: values differ between rows and columns."""
    of = {value: row for column in x.T for row, value in enumerate(column.tolist())}
    return np.array([[of[value] for value in row] for row in task.tolist()])


def test_columns_that_made_labels_tell_nothing_of_them(seen):
    """Each value of a task is traced to its row. Those of the other columns are of one row of the class's cluster;
    those of the clustered columns are of any row, as often of one cluster as of another."""
    x = np.random.RandomState(0).standard_normal((ROWS, COLUMNS)).astype(np.float32)
    held = pool(x)
    order = held.samples(torch.arange(ROWS)).numpy()
    pretext, agree = columns(), []
    for number in range(60):
        seen.clear()
        episodes = pretext.episodes(held, SHAPE, 1, RNG.child(number))
        z, members = seen[-1]
        cluster_of = np.concatenate([np.full(len(m), c) for c, m in enumerate(members)])[
            np.argsort(np.concatenate(members))
        ]
        task = torch.cat([episodes.support_x[0], episodes.query_x[0]]).numpy()
        labels = torch.cat([episodes.support_y[0], episodes.labels()[0]]).numpy()
        of = rows_of(order, task)
        clustered = [c for c in range(COLUMNS) if np.isin(order[:, c], z).all()]
        others = [c for c in range(COLUMNS) if c not in clustered]
        assert 1 <= len(clustered) <= 3
        assert (of[:, others] == of[:, others[:1]]).all()
        in_z = np.array([cluster_of[np.flatnonzero(z[:, 0] == v)[0]] for v in order[:, clustered[0]]])
        for label in range(SHAPE.ways):
            assert len(set(in_z[of[labels == label, others[0]]])) == 1  # a class is one cluster
        expected = np.bincount(in_z, minlength=3) / ROWS
        own = in_z[of[:, others[0]]]
        agree.append((in_z[of[:, clustered]] == own[:, None]).mean() - expected[own].mean())
        assert len(set(of[:, others[0]])) == SHAPE.samples  # no row twice
    # 60 tasks of 30 rows with one to three values each: a leak would make it 0.6.
    assert abs(np.mean(agree)) < 0.03


def test_replaced_values_keep_their_column(seen):
    x = np.random.RandomState(0).standard_normal((ROWS, COLUMNS)) + 100 * np.arange(COLUMNS)
    episodes = columns().episodes(pool(x), SHAPE, 30, RNG)
    assert (episodes.all_x / 100).round().eq(torch.arange(COLUMNS)).all()


def test_kmeans_sees_training_rows_alone(seen):
    """Rows of another class hold other values, and none of these reaches k-means or a task."""
    labels = np.arange(ROWS) % 2
    x = np.random.RandomState(0).standard_normal((ROWS, COLUMNS)) + 1000 * labels[:, None]
    episodes = columns().episodes(pool(x, labels), SHAPE, 20, RNG)
    assert len(seen) >= 20
    assert all(z.shape[0] == ROWS // 2 and z.max() < 500 for z, _ in seen)
    assert episodes.all_x.max() < 500


@pytest.mark.parametrize("width", [2, 4, 10, 64])
def test_the_share_of_columns(width):
    pretext = columns(SampleSpec("tabular", (width,)))
    state = np.random.RandomState(0)
    sizes = {len(pretext.chosen(state)) for _ in range(500)}
    assert min(sizes) == max(1, round(0.2 * width))
    assert max(sizes) == max(1, round(0.5 * width))


def test_more_clusters_than_ways(seen):
    columns(clusters=7).episodes(pool(np.random.RandomState(0).standard_normal((ROWS, COLUMNS))), SHAPE, 3, RNG)
    assert all(len(members) == 7 for _, members in seen)


def test_what_cannot_be_clustered_is_refused():
    x = np.random.RandomState(0).standard_normal((25, COLUMNS))
    with pytest.raises(BenchbenchError, match="gave 3 clusters of 10 rows"):
        columns().episodes(pool(x), SHAPE, 1, RNG)
    with pytest.raises(BenchbenchError, match="2 clusters of the 25 rows"):
        columns(clusters=2).episodes(pool(x), SHAPE, 1, RNG)
    with pytest.raises(BenchbenchError, match=r"'least' is 0\.6: expected at most 'most', 0\.5"):
        columns(least=0.6)
    assert Columns.misfit(SampleSpec("tabular", (1,)))


def test_masked_values_are_of_their_column():
    x = torch.randn(2000, COLUMNS, generator=torch.Generator().manual_seed(0)) + 100 * torch.arange(COLUMNS)
    corrupted = MaskedColumns(encoder_for(SAMPLE), SAMPLE, mask=0.4).corrupted(x, RNG)
    assert abs((corrupted != x).double().mean() - 0.4) < 0.01
    assert (corrupted / 100).round().eq(torch.arange(COLUMNS)).all()
    assert set(corrupted[:, 2].tolist()) <= set(x[:, 2].tolist())


def test_both_losses_of_masked_columns():
    """Heads that know which values differ and what they were leave nothing of either loss."""
    x = torch.randn(50, COLUMNS, generator=torch.Generator().manual_seed(0))
    pretext = MaskedColumns(encoder_for(SAMPLE), SAMPLE, reconstruction=2.0)
    corrupted = pretext.corrupted(x, RNG.child("one"))
    pretext.which, pretext.what = torch.nn.Identity(), torch.nn.Identity()
    differs = (corrupted != x).float()
    loss = pretext.task_loss(lambda z: z, x, RNG.child("one"))
    p = corrupted.sigmoid()
    entropy = -(differs * p.log() + (1 - differs) * (1 - p).log()).mean()
    torch.testing.assert_close(loss, entropy + 2 * (corrupted - x).square().mean())
