import pytest
import torch

from benchbench import Batch, BenchbenchError, EpisodeShape, Rng, SampleSpec
from benchbench.components.reference import resolve_component
from benchbench_standard.pretexts.contrastive import Contrastive
from benchbench_standard.pretexts.jigsaw import Jigsaw
from benchbench_standard.pretexts.rotation import Rotation

SPEC = SampleSpec("image", (1, 8, 8))


def mixture(encoder, spec=SPEC, **settings):
    return resolve_component("pretext", "mixture", settings).build(encoder(spec), spec)


def test_the_default_parts_resolve_and_their_limits_combine(encoder):
    made = mixture(encoder)
    assert [type(p) for p in made.parts] == [Rotation, Jigsaw, Contrastive]
    assert (made.max_ways, made.views, made.uses_labels) == (4, 7, False)
    assert made.objectives == {"plain", "task", "episodes"}
    assert made.task_views == 3  # of 4, 1 and 2, one in each task
    assert not any(name.startswith("encoder") for name in made.state_dict())
    assert mixture(encoder, parts=["contrastive", "labels"]).uses_labels
    assert mixture(encoder, parts=["contrastive", "labels"]).max_ways is None


def test_settings_of_a_part_reach_it(encoder):
    made = mixture(encoder, parts=["rotation", {"name": "jigsaw", "permutations": 6}])
    assert made.parts[1].max_ways == 6


def test_episodes_draw_parts_in_proportion_to_the_weights(encoder, make_pool, monkeypatch):
    made, pool = mixture(encoder, parts=["rotation", "jigsaw", "contrastive"], weights=[1, 2, 5]), make_pool()
    drawn = []
    for kind in (Rotation, Jigsaw, Contrastive):

        def spy(self, pool, shape, count, rng, kind=kind, original=kind.episodes):
            drawn.extend([kind] * count)
            return original(self, pool, shape, count, rng)

        monkeypatch.setattr(kind, "episodes", spy)
    episodes = made.episodes(pool, EpisodeShape(3, 1, 1), 400, Rng(0))
    assert len(episodes) == len(drawn) == 400
    for kind, expected in ((Rotation, 0.125), (Jigsaw, 0.25), (Contrastive, 0.625)):
        assert drawn.count(kind) / 400 == pytest.approx(expected, abs=0.08)
    assert drawn != sorted(drawn, key=lambda k: k.__name__)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("channels", [1, 3])
def test_loss_is_the_expectation_over_parts(channels, encoder, make_pool):
    spec = SampleSpec("image", (channels, 8, 8))
    made = mixture(encoder, spec, parts=["rotation", "contrastive"], weights=[3.0, 1.0])
    batch = Batch(torch.rand(6, channels, 8, 8), torch.arange(6))
    one, other = (part.loss(batch, Rng(0).child(i)) for i, part in enumerate(made.parts))
    loss = made.loss(batch, Rng(0))
    torch.testing.assert_close(loss, 0.75 * one + 0.25 * other)
    assert loss.dtype == torch.float64


def test_only_a_part_that_declares_labels_sees_them(encoder, make_pool, monkeypatch):
    made, pool = mixture(encoder, parts=["rotation", "labels"]), make_pool(labelled=True)
    made.prepare(pool, made.encoder, Rng(0))
    seen = []
    monkeypatch.setattr(Rotation, "loss", lambda self, batch, rng: seen.append(batch.y) or batch.x.sum() * 0)
    index = torch.arange(4)
    assert made.loss(Batch(pool.images(index), index, pool.labels[index]), Rng(0)).isfinite()
    assert seen == [None]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": [1.0]}, "1 weights for 3 parts"),
        ({"weights": [1.0, 0.0, 1.0]}, "positive"),
        ({"weights": [1.0, -1.0, 1.0]}, "positive"),
        ({"parts": []}, "0 parts"),
        ({"parts": ["none"]}, "no objective"),
        ({"parts": ["rotatoin"]}, "rotation"),
    ],
)
def test_impossible_mixtures_are_refused(settings, message, encoder):
    with pytest.raises(BenchbenchError, match=message):
        mixture(encoder, **settings)
