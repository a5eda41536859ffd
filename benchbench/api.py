"""What the command does, from Python."""

import copy
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from benchbench.data.prepare import prepare
from benchbench.errors import BenchbenchError
from benchbench.evaluation.target import Target
from benchbench.evaluation.trained import Trained
from benchbench.execution.job import Event
from benchbench.execution.job import train as train_stages
from benchbench.execution.notebook import NotebookProgress, in_notebook
from benchbench.execution.run import Outcome, missing_cells, run_plan, sharded
from benchbench.execution.settled import settled
from benchbench.planning.matrix import Matrix, load_matrix, parse_matrix
from benchbench.planning.names import Names, spelt
from benchbench.planning.plan import plan
from benchbench.results.collection import Records
from benchbench.results.compare import Comparisons
from benchbench.rng import Rng
from benchbench.store.files import Store
from benchbench.store.records import Metric, Record, Summary
from benchbench.store.reprs import as_html, brief
from benchbench.training.chain import Training
from benchbench.training.checkpoints import save_checkpoint


class Run(Outcome):
    """What `run` did, with the records of its matrix and tables of them."""

    def __repr__(self) -> str:
        return brief(f"Run({self._said()})")

    def _repr_html_(self) -> str:
        return as_html("Run", self._said())

    def _said(self) -> str:
        matrix = next((t.matrix for t in self.trainings), "nothing")
        first = "".join(f"; first failure: {label}: {reason}" for label, reason in self.failed[:1])
        counts = f"trained {self.trained}, reused {self.reused}, failed {len(self.failed)}"
        return f"{matrix}: {counts}; records in {self.store.root}{first}"

    @cached_property
    def records(self) -> Records:
        """The records of the matrix, in the order of its cells; read from the store on first use."""
        return Records(self._read())

    def to_frame(self, *, every_metric: bool = False) -> pd.DataFrame:
        """`Records.to_frame` of the records."""
        return self.records.to_frame(every_metric=every_metric)

    def leaderboard(self, view: str = "overall", **options: Any) -> pd.DataFrame:
        """`benchbench.leaderboard` of the records."""
        return self.records.leaderboard(view, **options)

    def compare(self, a: str | Path | Iterable[Record], b: str | None = None) -> Comparisons:
        """`Records.compare` of the records: two of their methods, or other records with these."""
        return self.records.compare(a, b)


def run(
    matrix: Matrix | Mapping[str, Any] | str | Path,
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
    report: Callable[[Event], None] | None = None,
) -> Run:
    """Train and score everything in `matrix` that the store `results` does not hold yet.

    A matrix is a name, a path, what a matrix file holds as a dictionary, or a `Matrix`. `report` is told every event;
    without one, a notebook shows the progress. Failed cells stay failed unless `retry_failed`; records made by other
    code with the same revisions are reused unless `rerun_changed`. `executor_settings` are the executor's settings
    other than `jobs`, such as ``{"timeout": seconds, "memory": GiB}``. `shard` (i, n) runs the i-th of n parts, from 1.
    Raises BenchbenchError for bad input before anything is computed, StorageError if the store can no longer be
    written, Interrupted after a signal.
    """
    if isinstance(matrix, Mapping):
        matrix = parse_matrix(copy.deepcopy(dict(matrix)), "benchbench.run")
    elif not isinstance(matrix, Matrix):
        matrix = load_matrix(matrix)
    if seeds:
        matrix = matrix.model_copy(update={"seeds": list(seeds)})
    todo = plan(matrix, only=only)
    if report is None and in_notebook():
        store = Store(results)
        report = NotebookProgress(
            sum(bool(missing_cells(t, store, retry_failed)) for t in sharded(todo.trainings, shard))
        )
    done = run_plan(
        todo,
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
    return Run(**vars(done))


class Model(Trained):
    """A trained encoder with its learner: `embed` images, `evaluate` on a target, `save` the weights."""

    training: Training
    names: Names

    def __repr__(self) -> str:
        return brief(f"Model({self._said()})")

    def _repr_html_(self) -> str:
        return as_html("Model", self._said())

    def _said(self) -> str:
        parameters = sum(p.numel() for p in self.encoder.parameters())
        shape = f"{tuple(self.sample.shape)} -> {self.encoder.dim} features"
        return f"{self.training.label}: encoder of {parameters:,} parameters, {shape}, on {self.device}"

    def evaluate(
        self, target: str | Mapping[str, Any], protocol: str | Mapping[str, Any] = "5way-1shot", **settings: Any
    ) -> Summary:
        """Mean accuracy and 95% interval over the fixed test episodes of `target` under `protocol`.

        Both are named as in the matrix that `train` was given, whose instances and settings hold here too, or are an
        instance themselves: ``{"of": "imagefolder", "path": "birds"}``. `settings` are the protocol's, on top. Raises
        BenchbenchError for bad input.
        """
        (data, its), (scored, own) = _instance("target", target), _instance("protocol", protocol)
        name = self.names.spelt("protocol", scored)
        ref = self.names.resolve("protocol", name, {**own, **settings})
        component = ref.build()
        dataset = self.names.resolve("dataset", self.names.spelt("dataset", data), its)
        held = Target(prepare(dataset), self.sample, device=str(self.device))
        component.check(held)
        with settled(self.training.recipe["threads"], str(self.device)):
            rng = Rng(self.training.seed, "evaluate", self.names.recorded(name, ref))
            scores = component.evaluate(self, held, rng)
        first = next(iter(scores.values()))
        return Summary.of(Metric(values=first.values, denominator=first.denominator, unit=first.unit))

    def save(self, path: Path | str) -> None:
        """Write encoder and learner as safetensors, with a header that says how they were trained."""
        about = {"content": self.training.content, "label": self.training.label}
        save_checkpoint(Path(path), {"encoder": self.encoder, "learner": self.learner}, None, about)


def _instance(what: str, given: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A name, and the settings that come with it."""
    if isinstance(given, str):
        return given, {}
    if not isinstance(given.get("of"), str):
        raise BenchbenchError(f"{what}: expected a name, or settings with the name that they are 'of', got {given!r}")
    return given["of"], {key: value for key, value in given.items() if key != "of"}


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
    ``episodes={"ways": 20}``, ``training={"lr": 1e-3}``, ``dataset={"birds": {"of": "imagefolder", "path": "birds"}}``,
    which lets `source` be ``"birds"``. Raises TrainingFailed, and BenchbenchError for bad input.
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
    matrix = parse_matrix(content, "benchbench.train")
    todo = plan(matrix)
    training = todo.trainings[0]
    with settled(training.recipe["threads"], device):
        trained, _ = train_stages(training, prepare(training.source), None, device, lambda _: None)
    model = Model(trained.encoder, trained.learner, trained.sample, device)
    model.training, model.names = training, spelt(matrix)[1]
    return model


def evaluate(
    model: Model, target: str | Mapping[str, Any], protocol: str | Mapping[str, Any] = "5way-1shot", **settings: Any
) -> Summary:
    """`Model.evaluate`. Deprecated: call the method."""
    warnings.warn("benchbench.evaluate is deprecated: call model.evaluate(...)", DeprecationWarning, stacklevel=2)
    return model.evaluate(target, protocol, **settings)


def embed(model: Trained, x: Tensor) -> Tensor:
    """`Trained.embed`: images (N, C, H, W) in [0, 1] -> features (N, dim). Deprecated: call the method."""
    warnings.warn("benchbench.embed is deprecated: call model.embed(x)", DeprecationWarning, stacklevel=2)
    return model.embed(x)
