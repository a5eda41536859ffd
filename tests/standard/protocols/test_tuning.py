"""Fine-tuning: what learns, how fast, and what it comes to."""

import copy

import numpy as np
import pytest
import torch

from benchbench import BenchbenchError, Rng
from benchbench.planning.presets import load_protocol
from benchbench_standard.protocols.episodic_finetune import EpisodicFinetune, MetaDatasetFinetune
from benchbench_standard.protocols.finetune import Finetune
from benchbench_standard.protocols.tuning import running_order


def tuned_weights(protocol, trained, target):
    """The encoder's weights before and after, by name."""
    after = {}

    class Watched(type(protocol)):
        def _learn(self, model, *arguments):
            super()._learn(model, *arguments)
            after.update(model[0].named_parameters())

    protocol.__class__ = Watched
    protocol.predict(trained, target, target.division(protocol.amount), Rng(0))
    return {name: (p, after[name]) for name, p in trained.encoder.named_parameters()}


def test_modules_are_ordered_as_they_run(small) -> None:
    # The linear layer was made first, and runs last.
    order = running_order(small.encoder, torch.zeros(1, 1, 8, 8))
    assert [type(m).__name__ for m in order] == ["Conv2d", "TaskNorm", "Linear"]


def test_frozen_modules_stay_and_the_trained_encoder_too(small, target) -> None:
    before = {k: v.clone() for k, v in small.encoder.state_dict().items()}
    weights = tuned_weights(Finetune(steps=5, frozen=2, shots=5), small, target)
    moved = {name for name, (old, new) in weights.items() if not torch.equal(old, new)}
    assert moved == {"linear.weight", "linear.bias"}
    assert all(torch.equal(v, before[k]) for k, v in small.encoder.state_dict().items())


def test_layer_decay_slows_layers_towards_the_input(small, target) -> None:
    protocol = Finetune(steps=1, layer_decay=0.5, lr=0.1)
    groups = protocol._groups(copy.deepcopy(small.encoder), torch.zeros(1, 1, 8, 8))
    assert [g["lr"] for g in groups] == pytest.approx([0.0125, 0.025, 0.05])


def test_two_steps_of_the_head_are_torchs_own(small, target) -> None:
    protocol = Finetune(
        steps=2, layers="head", batch_size=None, lr=0.1, momentum=0.9, dampening=0.9, weight_decay=0.001
    )
    part = target.division()
    found = protocol.predict(small, target, part, Rng(3))
    with torch.random.fork_rng():
        torch.manual_seed(Rng(3).seed)
        head = torch.nn.Linear(32, 10)
    optimiser = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9, dampening=0.9, weight_decay=0.001)
    x, y = small.features(target, part.fit.rows), torch.from_numpy(part.fit.y)
    for rate in (0.1, 0.05):  # the cosine at steps 0 and 1 of 2
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(head(x), y).backward()
        optimiser.step()
    expected = head(small.features(target, part.test)).argmax(1)
    assert (found == expected).float().mean() > 0.998


def test_more_labels_help(small, target) -> None:
    means = []
    for shots in (1, 5, None):
        values = Finetune(steps=40, lr=0.1, shots=shots).evaluate(small, target, Rng(0))["accuracy"].values
        means.append(np.mean(values))
    assert means[0] < means[1] < means[2]
    assert means[2] > 0.9


@pytest.mark.parametrize(
    "settings", [{"steps": 30, "lr": 0.1}, {"epochs": 30, "batch_size": 4, "layers": "head", "lr": 1.0}]
)
def test_episodes_are_tuned_one_by_one(small, target, settings) -> None:
    protocol = EpisodicFinetune(ways=5, shots=5, queries=15, episodes=4, **settings)
    scores = protocol.evaluate(small, target, Rng(0))["accuracy"]
    assert (len(scores.values), scores.denominator) == (4, 75)
    assert np.mean(scores.values) / 75 > 0.6
    # Each episode's draws are its own: fewer episodes give the same scores.
    fewer = EpisodicFinetune(ways=5, shots=5, queries=15, episodes=2, **settings)
    assert fewer.evaluate(small, target, Rng(0))["accuracy"].values == scores.values[:2]


def test_meta_datasets_recipe(small, target) -> None:
    ref = load_protocol("md-finetune", {"md-finetune": {"episodes": 2, "steps": 20}})
    protocol = ref.build()
    assert isinstance(protocol, MetaDatasetFinetune)
    assert (protocol.optimiser, protocol.lr, protocol.head) == ("adam", 0.01, "weight-norm")
    scores = protocol.evaluate(small, target, Rng(0))["accuracy"]
    assert np.mean(scores.values) > 0.3


def test_every_preset_is_a_valid_protocol() -> None:
    from benchbench.packaged import tasks_folder

    for path in (tasks_folder() / "protocols").glob("*.toml"):
        load_protocol(path.stem, {}).build()


def test_steps_and_epochs_exclude_each_other() -> None:
    with pytest.raises(BenchbenchError, match="exactly one of the settings 'steps' and 'epochs'"):
        Finetune(steps=1, epochs=1)
