import pytest
import torch

from benchbench import Batch, BenchbenchError, EpisodeShape, Rng, SampleSpec
from benchbench_standard.pretexts.rotation import Rotation, rotated


def test_rotated_agrees_with_torch():
    x, turns = torch.rand(8, 2, 5, 5), torch.tensor([0, 1, 2, 3, 3, 2, 1, 0])
    expected = torch.stack([image.rot90(int(k), (-2, -1)) for image, k in zip(x, turns, strict=True)])
    assert torch.equal(rotated(x, turns), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_turning_back_gives_the_images_and_no_image_twice(channels, encoder, make_pool, same_image):
    spec, pool = SampleSpec("image", (channels, 8, 8)), make_pool((channels, 8, 8))
    shape = EpisodeShape(3, 2, 4)
    episodes = Rotation(encoder(spec), spec).episodes(pool, shape, 40, Rng(0))
    orders = set()
    for b in range(40):
        x, y = episodes.all_x[b], torch.cat([episodes.support_y[b], episodes.labels()[b]])
        back = [same_image(rotated(x, torch.full((len(x),), (4 - k) % 4)), pool) for k in range(4)]
        turns = (torch.stack(back) >= 0).int().argmax(0)
        origin = torch.stack(back).max(0).values
        assert (origin >= 0).all()
        assert len(origin.unique()) == shape.samples
        meaning = [turns[y == w].unique() for w in range(3)]
        assert all(len(m) == 1 for m in meaning)
        assert torch.equal(y.bincount(), torch.full((3,), shape.per_class))
        orders.add(tuple(int(m) for m in meaning))
    assert all(len(set(order)) == 3 for order in orders)
    assert len(orders) > 12  # of the 24 ordered triples: labels mean nothing across episodes


@pytest.mark.usefixtures("float64")
def test_loss_is_over_all_four_rotations(encoder):
    spec = SampleSpec("image", (1, 8, 8))
    rotation = Rotation(encoder(spec), spec)
    x = torch.rand(5, 1, 8, 8)
    loss = rotation.loss(Batch(x, torch.arange(5)), Rng(0))
    expected = torch.stack(
        [-rotation.classifier(rotation.encoder(x.rot90(k, (-2, -1)))).log_softmax(1)[:, k] for k in range(4)]
    ).mean()
    torch.testing.assert_close(loss, expected)
    assert loss.dtype == torch.float64


def test_images_that_are_not_square_are_refused(encoder):
    spec = SampleSpec("image", (1, 8, 9))
    with pytest.raises(BenchbenchError, match="square"):
        Rotation(encoder(spec), spec)
