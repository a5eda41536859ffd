import pytest
import torch

from benchbench import Batch, EpisodeShape, Rng, SampleSpec
from benchbench_standard.pretexts.jigsaw import Jigsaw, permutation_set, shuffle_patches


@pytest.mark.parametrize("grid", [2, 3])
def test_shuffling_can_be_undone_and_moves_whole_patches(grid):
    x = torch.rand(6, 3, 4 * grid, 5 * grid)
    order = Rng(1).choices(grid**2, grid**2, 6)
    mixed = shuffle_patches(x, order, grid)
    assert torch.equal(shuffle_patches(mixed, order.argsort(1), grid), x)
    first = int(order[2, 0])
    row, column = 4 * (first // grid), 5 * (first % grid)
    assert torch.equal(mixed[2, :, :4, :5], x[2, :, row : row + 4, column : column + 5])


def test_permutation_sets():
    assert len(permutation_set(4, 100).unique(dim=0)) == 24
    chosen = permutation_set(9, 24)
    assert torch.equal(chosen.sort(1).values, torch.arange(9).expand(24, 9))
    assert chosen[0].tolist() == list(range(9))
    distance = (chosen.unsqueeze(0) != chosen.unsqueeze(1)).sum(-1)
    assert distance.fill_diagonal_(9).min() >= 7
    # Nine permutations can differ in every place (a Latin square): the greedy choice finds at least the first three.
    assert (distance[:3, :3] == 9).all()
    permutation_set.cache_clear()
    assert torch.equal(permutation_set(9, 24), chosen)


def test_a_small_2x2_set_keeps_its_distance():
    chosen = permutation_set(4, 4)
    distance = (chosen.unsqueeze(0) != chosen.unsqueeze(1)).sum(-1).fill_diagonal_(4)
    assert (distance == 4).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_undoing_the_permutation_of_a_label_gives_the_images(channels, encoder, make_pool, same_image):
    spec, pool = SampleSpec("image", (channels, 8, 8)), make_pool((channels, 8, 8))
    jigsaw = Jigsaw(encoder(spec), spec, gap=0.0)
    shape = EpisodeShape(5, 1, 3)
    episodes = jigsaw.episodes(pool, shape, 20, Rng(0))
    first = set()
    for b in range(20):
        x, y = episodes.all_x[b], torch.cat([episodes.support_y[b], episodes.labels()[b]])
        undo = jigsaw.permutations.argsort(1)
        back = torch.stack([same_image(shuffle_patches(x, p.expand(len(x), -1), 2), pool) for p in undo])
        origin, which = back.max(0)
        assert (origin >= 0).all()
        assert len(origin.unique()) == shape.samples
        meaning = [which[y == w].unique() for w in range(5)]
        assert all(len(m) == 1 for m in meaning)
        assert len({int(m) for m in meaning}) == 5
        assert torch.equal(y.bincount(), torch.full((5,), shape.per_class))
        first.add(int(meaning[0]))
    assert len(first) > 8  # label 0 is another permutation in every episode


@pytest.mark.parametrize(("side", "grid"), [(28, 2), (29, 2), (47, 2), (48, 3), (50, 3)])
def test_the_grid_follows_the_size_and_the_shape_stays(side, grid, encoder):
    spec = SampleSpec("image", (1, side, side))
    jigsaw = Jigsaw(encoder(spec), spec, permutations=30)
    assert jigsaw.grid == grid
    assert jigsaw.max_ways == (24 if grid == 2 else 30)
    x = torch.rand(3, 1, side, side)
    mixed = jigsaw.shuffled(x, torch.tensor([0, 1, 2]), Rng(0))
    assert mixed.shape == x.shape
    assert mixed.min() >= 0
    assert mixed.max() <= 1
    assert torch.equal(mixed, jigsaw.shuffled(x, torch.tensor([0, 1, 2]), Rng(0)))


@pytest.mark.usefixtures("float64")
def test_jitter_crops_each_patch_within_its_cell(encoder):
    spec = SampleSpec("image", (2, 20, 20))
    jigsaw = Jigsaw(encoder(spec), spec, gap=0.2)
    grid = torch.arange(20.0)
    x = torch.stack([grid.view(-1, 1).expand(20, 20), grid.expand(20, 20)]).expand(40, -1, -1, -1)  # pixel coordinates
    mixed = jigsaw.shuffled(x, torch.zeros(40, dtype=torch.long), Rng(0))
    rows = mixed[:, 0, :10, 5]  # the first cell's rows: 8 of its 10 pixels, enlarged
    torch.testing.assert_close(rows.diff(dim=1)[:, 2:-2], torch.full((40, 5), 0.8))
    starts = rows[:, 5] - 4.9
    assert starts.min() >= -1 - 1e-9
    assert starts.max() <= 1 + 1e-9
    assert starts.std() > 0.4
    assert mixed[:, :, :10, :10].max() <= 9  # nothing of the neighbours


@pytest.mark.usefixtures("float64")
def test_loss_is_minus_the_log_probability_of_the_permutation(encoder):
    spec = SampleSpec("image", (3, 8, 8))
    jigsaw = Jigsaw(encoder(spec), spec, gap=0.0)
    x = torch.rand(6, 3, 8, 8)
    seen = []
    loss = jigsaw.task_loss(lambda mixed: seen.append(mixed) or jigsaw.encoder(mixed), x, Rng(0))
    # Which permutation each image got is read off the image, not off the draw.
    every = torch.stack([shuffle_patches(x, p.expand(6, -1), 2) for p in jigsaw.permutations], 1)
    same = (every == seen[0].unsqueeze(1)).flatten(2).all(2)
    assert (same.sum(1) == 1).all()
    log_p = jigsaw.classifier(jigsaw.encoder(seen[0])).log_softmax(1)
    torch.testing.assert_close(loss, -log_p[same].mean())
    assert torch.equal(loss, jigsaw.loss(Batch(x, torch.arange(6)), Rng(0)))
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in jigsaw.encoder.parameters())
