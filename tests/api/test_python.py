"""The Python interface, as README shows it."""

import re
from pathlib import Path

import pytest
import torch

import benchbench

README = Path(__file__).parents[2] / "README.md"


def test_readme_example(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    exec(compile(blocks[0], str(README), "exec"), {})
    shown = capsys.readouterr().out
    assert "torch.Size([8, 64])" in shown
    assert re.search(r"mean=0\.\d+ ci95=0\.\d+ n=600", shown)


@pytest.mark.parametrize("regime", ["pipeline", "auxiliary"])
def test_other_regimes_train(regime):
    model = benchbench.train(
        pretext="rotation",
        meta="protonet",
        regime=regime,
        samples=1200,
        settings={"backbone": {"conv4": {"width": 8}}},
        episodes={"meta_batch": 2},
        training={"batch_size": 16},
    )
    summary = model.evaluate("digits", "episodic", episodes=20)
    assert 0.2 < summary.mean <= 1
    assert summary.n == 20


def test_deprecated_functions_do_as_before_and_name_the_new_form():
    model = benchbench.train(pretext="none", meta="nearest-centroid", samples=100)
    with pytest.warns(DeprecationWarning, match=r"call model\.evaluate"):
        scored = benchbench.evaluate(model, "digits", "episodic", episodes=5)
    assert scored == model.evaluate("digits", "episodic", episodes=5)
    x = torch.rand(2, 1, 28, 28)
    with pytest.warns(DeprecationWarning, match=r"call model\.embed"):
        features = benchbench.embed(model, x)
    assert torch.equal(features, model.embed(x))


def test_a_saved_model_loads_with_safetensors(tmp_path):
    from safetensors import safe_open

    model = benchbench.train(pretext="none", meta="nearest-centroid", samples=100)
    model.save(tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert "encoder/convs.0.weight" in set(file.keys())


@pytest.mark.parametrize("selection", ["pretext-valid", "labelled-valid"])
def test_selection_keeps_the_best_checkpoint(selection):
    model = benchbench.train(
        pretext="contrastive",
        meta="protonet",
        samples=1200,
        selection=selection,
        settings={"backbone": {"conv4": {"width": 8}}},
        episodes={"meta_batch": 2},
        training={"validate_times": 2},
    )
    assert model.training.recipe["selection"] == selection


def test_public_names_resolve_to_themselves():
    for name in benchbench.__all__:
        assert getattr(benchbench, name) is not None
