"""What the command does, from Python."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from benchbench.components.reference import resolve_component
from benchbench.data.prepare import prepare
from benchbench.evaluation.target import Target
from benchbench.evaluation.trained import Trained
from benchbench.execution.job import Event, settled
from benchbench.execution.job import train as train_stages
from benchbench.execution.run import Outcome, run_plan
from benchbench.planning.matrix import Matrix, load_matrix, parse_matrix
from benchbench.planning.plan import plan
from benchbench.planning.presets import load_protocol
from benchbench.rng import Rng
from benchbench.store.records import Metric, Summary
from benchbench.training.chain import Training
from benchbench.training.checkpoints import save_checkpoint


def run(
    matrix: Matrix | str | Path,
    results: Path | str = "runs",
    *,
    seeds: Sequence[int] | None = None,
    only: Mapping[str, list[str]] | None = None,
    jobs: int | None = None,
    executor: str = "local",
    executor_settings: Mapping[str, Any] | None = None,
    shard: tuple[int, int] | None = None,
    device: str = "cpu",
    retry_failed: bool = False,
    rerun_changed: bool = False,
    strict: bool = False,
    report: Callable[[Event], None] | None = None,
) -> Outcome:
    """Train and score everything in `matrix` that the store `results` does not hold yet.

    A matrix is a name, a path or a `Matrix`. Failed cells stay failed unless `retry_failed`; records made by different
    code with the same revisions are reused unless `rerun_changed`. `executor_settings` are the executor's settings
    other than `jobs`, such as ``{"timeout": seconds, "memory": GiB}``. `shard` (i, n) runs the i-th of n parts, from 1.
    Cells that data cannot fill, such as 20 ways on 10 classes, are left out unless `strict`, which refuses them.
    Raises BenchbenchError for bad input before anything is computed, StorageError if the store can no longer be
    written, Interrupted after a signal.
    """
    if not isinstance(matrix, Matrix):
        matrix = load_matrix(matrix)
    if seeds:
        matrix = matrix.model_copy(update={"seeds": list(seeds)})
    return run_plan(
        plan(matrix, only=only, strict=strict),
        results,
        jobs=jobs,
        executor=executor,
        executor_settings=executor_settings,
        shard=shard,
        device=device,
        retry_failed=retry_failed,
        rerun_changed=rerun_changed,
        report=report,
    )


class Model(Trained):
    """A trained encoder with its learner: `embed` images, `evaluate` on a target, `save` the weights."""

    training: Training

    def evaluate(self, target: str, protocol: str = "5way-1shot", **settings: Any) -> Summary:
        """Mean accuracy and 95% interval over the fixed test episodes of `target` under `protocol`."""
        ref = load_protocol(protocol, {protocol: settings} if settings else {})
        component = ref.build()
        held = Target(prepare(resolve_component("dataset", target)), self.sample, device=str(self.device))
        component.check(held)
        with settled(self.training.recipe["threads"], str(self.device)):
            rng = Rng(self.training.seed, "evaluate", protocol)
            scores = component.evaluate(self, held, rng)
        first = next(iter(scores.values()))
        return Summary.of(Metric(values=first.values, denominator=first.denominator, unit=first.unit))

    def save(self, path: Path | str) -> None:
        """Write encoder and learner as safetensors, with a header that says how they were trained."""
        about = {"content": self.training.content, "label": self.training.label}
        save_checkpoint(Path(path), {"encoder": self.encoder, "learner": self.learner}, None, about)


def train(
    *,
    pretext: str,
    meta: str,
    backbone: str = "conv4",
    source: str = "glyphs",
    regime: str | None = None,
    samples: int = 60_000,
    seed: int = 0,
    device: str = "cpu",
    settings: Mapping[str, Any] | None = None,
    **sections: Any,
) -> Model:
    """Train one method, as a single-cell matrix would, and return it. Nothing is stored.

    `settings` and `sections` are those of a matrix file: ``settings={"meta": {"maml": {"inner_lr": 0.5}}}``,
    ``episodes={"ways": 20}``, ``training={"lr": 1e-3}``. Raises TrainingFailed, and BenchbenchError for bad input.
    """
    axes = {"pretext": [pretext], "meta": [meta], "backbone": [backbone], "source": [source], "target": [source]}
    axes |= {"protocol": ["episodic"]} | ({"regime": [regime]} if regime else {})
    content = {
        "axes": axes,
        "seeds": [seed],
        "budget": {"samples": samples},
        "floors": False,
        "settings": {**(settings or {})},
        **sections,
    }
    todo = plan(parse_matrix(content, "benchbench.train"))
    training = todo.trainings[0]
    with settled(training.recipe["threads"], device):
        trained, _ = train_stages(training, prepare(training.source), None, device, lambda _: None)
    model = Model(trained.encoder, trained.learner, trained.sample, device)
    model.training = training
    return model


def evaluate(model: Model, target: str, protocol: str = "5way-1shot", **settings: Any) -> Summary:
    """`Model.evaluate`. Deprecated: call the method."""
    warnings.warn("benchbench.evaluate is deprecated: call model.evaluate(...)", DeprecationWarning, stacklevel=2)
    return model.evaluate(target, protocol, **settings)


def embed(model: Trained, x: Tensor) -> Tensor:
    """`Trained.embed`: images (N, C, H, W) in [0, 1] -> features (N, dim). Deprecated: call the method."""
    warnings.warn("benchbench.embed is deprecated: call model.embed(x)", DeprecationWarning, stacklevel=2)
    return model.embed(x)
