"""Pretexts on parts of images: relative patches, masked patches, shifted and zeroed pixels."""

import pytest
import torch

from benchbench import Batch, BenchbenchError, EpisodeShape, Rng, SampleSpec
from benchbench_standard.backbones.vit import ViT
from benchbench_standard.pretexts.inpainting import Inpainting
from benchbench_standard.pretexts.relative_patch import NEIGHBOURS, RelativePatch
from benchbench_standard.pretexts.umtra import UMTRA

SPEC = SampleSpec("image", (1, 8, 8))


@pytest.mark.usefixtures("float64")
def test_patches_are_where_they_are_said_to_be(encoder):
    """On 64 px with half a patch between, patches have 16 px and their middles are 24 px apart."""
    spec = SampleSpec("image", (2, 64, 64))
    pretext = RelativePatch(encoder(spec), spec, gap=0.5, jitter=0.0)
    pixel = torch.arange(64.0) + 0.5
    x = torch.stack([pixel.expand(64, 64), pixel.expand(64, 64).T]).expand(8, -1, -1, -1)  # its own coordinates
    where = torch.tensor(NEIGHBOURS, dtype=x.dtype)
    found = pretext.patches(x, where, Rng(0))
    middles = found.mean((2, 3))  # x, y
    torch.testing.assert_close(middles, 32 + 24 * where, atol=0.01, rtol=0)  # a border is repeated
    across = found[:, 0, 0]
    torch.testing.assert_close(across[:, -1] - across[:, 0], torch.full((8,), 16.0 * 63 / 64), atol=0.4, rtol=0)


@pytest.mark.usefixtures("float64")
def test_jittered_patches_stay_in_the_image(encoder):
    spec = SampleSpec("image", (1, 48, 48))
    pretext = RelativePatch(encoder(spec), spec, jitter=0.2)
    ramp = (torch.arange(48.0) + 0.5).expand(300, 1, 48, 48)
    where = torch.tensor([1.0, 0.0]).expand(300, 2)
    found = pretext.patches(ramp, where, Rng(0)).mean((1, 2, 3))
    side = 48 / (3 + 2 * 0.5 + 2 * 0.2)
    assert float(found.max()) <= 48 - side / 2 + 1e-9
    assert float(found.max() - found.min()) == pytest.approx(2 * 0.2 * side, rel=0.05)


def test_each_pair_is_told_from_the_first_patch_to_the_second(encoder, monkeypatch):
    pretext = RelativePatch(encoder(SPEC), SPEC)
    placed = []
    # The second patch is told from the first by being the darker.
    monkeypatch.setattr(pretext, "patches", lambda x, where, rng: placed.append(where) or x / len(placed))
    x = torch.rand(200, 1, 8, 8)
    loss = pretext.loss(Batch(x, torch.arange(200)), Rng(0))
    assert (placed[0] == 0).all()
    which = torch.tensor([NEIGHBOURS.index(tuple(place)) for place in placed[1].int().tolist()])
    assert which.unique().numel() == 8
    features = torch.cat([pretext.encoder(x), pretext.encoder(x / 2)], 1)
    scores = pretext.classifier(features).log_softmax(1)
    torch.testing.assert_close(loss, -scores[torch.arange(200), which].mean())


def masked(side=10, mask=0.75, channels=1):
    spec = SampleSpec("image", (channels, side, side))
    torch.manual_seed(0)
    return Inpainting(ViT(spec, depth=1, patch=4), spec, mask=mask, width=16, depth=1)


def test_the_encoder_sees_kept_patches_and_the_loss_masked_ones(monkeypatch):
    pretext = masked(16)
    assert (pretext.count, pretext.kept) == (16, 4)
    x = torch.rand(3, 1, 16, 16)
    order = torch.rand(3, 16, generator=Rng(7).cpu).argsort(1)
    tokens = pretext.encoder.tokens(x, keep=order[:, :4])
    base = pretext.loss(Batch(x, torch.arange(3)), Rng(7))
    total = 0.0
    predicted, wanted = pretext.decoded(tokens, order), pretext.patches(x)
    for n in range(3):
        for t in order[n, 4:].tolist():
            total += float((predicted[n, t] - wanted[n, t]).square().mean())
    assert float(base) == pytest.approx(total / (3 * 12), rel=1e-5)
    # What a masked patch holds reaches no prediction.
    i, j = divmod(int(order[0, -1]), 4)
    other = x.clone()
    other[0, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4] = torch.rand(1, 4, 4)
    torch.testing.assert_close(pretext.encoder.tokens(other, keep=order[:, :4]), tokens)
    # What a kept patch holds enters the loss through the encoder alone.
    monkeypatch.setattr(pretext.encoder, "tokens", lambda x, keep: tokens)
    i, j = divmod(int(order[0, 0]), 4)
    other = x.clone()
    other[0, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4] = torch.rand(1, 4, 4)
    torch.testing.assert_close(pretext.loss(Batch(other, torch.arange(3)), Rng(7)), base)


def test_tokens_go_back_to_their_places():
    pretext = masked(16)
    order = torch.rand(2, 16, generator=Rng(1).cpu).argsort(1)
    tokens = torch.randn(2, 4, pretext.encoder.dim)
    seen = []
    pretext.decoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    pretext.decoded(tokens, order)
    placed = seen[0] - pretext.position
    for n in range(2):
        for k, t in enumerate(order[n].tolist()):
            expected = pretext.narrow(tokens[n, k]) if k < 4 else pretext.token
            torch.testing.assert_close(placed[n, t], expected, atol=1e-6, rtol=1e-5)


def test_patches_are_normalised_and_padded():
    pretext = masked(10, channels=2)
    x = torch.rand(1, 2, 10, 10)
    wanted = pretext.patches(x).view(9, 2, 4, 4)
    second = x[0, :, :4, 4:8]
    scale = (second.var() + 1e-6).sqrt()
    torch.testing.assert_close(wanted[1], (second - second.mean()) / scale)
    corner = torch.full((2, 4, 4), 0.5)
    corner[:, :2, :2] = x[0, :, 8:, 8:]
    torch.testing.assert_close(wanted[8], (corner - corner.mean()) / (corner.var() + 1e-6).sqrt())


def test_a_mask_that_leaves_nothing_is_refused():
    with pytest.raises(BenchbenchError, match=r"mask 0.99 of 9 patches keeps 0"):
        masked(10, mask=0.99)


def test_umtra_shifts_and_zeroes(encoder):
    spec = SampleSpec("image", (2, 32, 32))
    x = (torch.arange(32.0) + 1).expand(400, 2, 32, 32)  # each pixel's column
    found = UMTRA(encoder(spec), spec, zeroing=0.0).augmented(x, Rng(0))  # shifts up to 6 px, as the official code's
    shifts = (17 - found[:, 0, 0, 16]).int()
    assert shifts.unique().tolist() == list(range(-6, 7))
    for image, by in zip(found, shifts.tolist(), strict=True):
        expected = (torch.arange(32) - by).clamp(0, 31) + 1.0
        assert torch.equal(image, expected.expand(2, 32, 32))
    zeroed = UMTRA(encoder(spec), spec, shift=0).augmented(x, Rng(0))
    assert float((zeroed == 0).double().mean()) == pytest.approx(0.5, abs=0.01)  # p = .5, too
    assert torch.equal(zeroed[:, 0] == 0, zeroed[:, 1] == 0)
    assert torch.equal(zeroed[zeroed > 0], x[zeroed > 0])


def test_umtra_episodes(encoder, make_pool, same_image):
    pool = make_pool()
    pretext = UMTRA(encoder(SPEC), SPEC, zeroing=0.4, shift=1)
    episodes = pretext.episodes(pool, EpisodeShape(5, 1, 2), 20, Rng(0))
    origin = same_image(episodes.support_x.flatten(0, 1), pool).view(20, 5)
    assert (origin >= 0).all()
    assert all(len(images.unique()) == 5 for images in origin)
    assert (same_image(episodes.query_x.flatten(0, 1), pool) == -1).all()
    # What is left of a query is its class's image, moved by at most a pixel.
    padded = torch.nn.functional.pad(episodes.support_x.flatten(0, 1), (1, 1, 1, 1), mode="replicate")
    images = padded.view(20, 5, 10, 10)
    for b in range(20):
        for query, label in zip(episodes.query_x[b, :, 0], episodes.labels()[b], strict=True):
            windows = images[b, label].unfold(0, 8, 1).unfold(1, 8, 1).reshape(-1, 8, 8)
            kept = query > 0
            assert any(torch.equal(window[kept], query[kept]) for window in windows)
