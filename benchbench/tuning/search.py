"""The search for a method's settings: trials on the source's validation classes, never on a test part.

Each trial is proposed by a sampler of its own, seeded by the trial's number, from the finished trials alone. So an
interrupted search continues as if it had not been interrupted, a search with more trials begins with those of a shorter
one, and the trial in flight resumes from its checkpoint.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from filelock import Timeout

from benchbench.components.reference import ComponentRef, bare, key_content
from benchbench.data.prepare import prepare
from benchbench.errors import BenchbenchError, Stopped, StorageError
from benchbench.evaluation.target import Target
from benchbench.execution.interrupts import Interrupts
from benchbench.execution.job import explain, settled, train
from benchbench.keys import content_key
from benchbench.planning.matrix import Matrix, Range, Space, Tuned
from benchbench.planning.plan import plan
from benchbench.rng import Rng, derive
from benchbench.store.files import Store
from benchbench.store.records import Metric, Summary, shown
from benchbench.training.chain import LABELLED_REGIMES, Training, uses_labels
from benchbench.tuning.space import Place, places

try:
    import optuna
    from optuna.storages.journal import JournalFileBackend
except ModuleNotFoundError:
    optuna = None  # type: ignore[assignment]

Criterion = Literal["labelled-valid", "pretext-valid"]
Sampler = Literal["tpe", "random"]
#: Called after each trial with its number from 1, its values by place, and its score or why it has none.
Report = Callable[[int, Mapping[Place, Any], float | str], None]


@dataclass(frozen=True)
class Search:
    """What is searched, and how: one method of `matrix` (the one that `only` leaves), judged by the mean over its
    seeds.

    ``labelled-valid`` is the mean score under the matrix's protocols on the source's validation part. ``pretext-valid``
    is the negative of an unlabelled method's outer loss there. Settings of the pretext would redefine that loss, and an
    adapter has no part in it.
    """

    matrix: Matrix
    space: Space
    criterion: Criterion = "labelled-valid"
    sampler: Sampler = "tpe"
    seed: int = 0
    only: Mapping[str, list[str]] | None = None

    def trainings(self, chosen: Mapping[Place, Any]) -> list[Training]:
        """One training per seed, under the matrix's settings with the `chosen` ones on top."""
        settings = {kind: {name: {**s} for name, s in named.items()} for kind, named in self.matrix.settings.items()}
        for (kind, name, setting), value in chosen.items():
            named = settings.setdefault(kind, {})
            # Last, so that it overrides settings that the matrix gives under the component's qualified name.
            named[name] = {**named.pop(name, {}), setting: value}
        update: dict[str, Any] = {"settings": settings, "floors": False, "tuned": []}
        if self.criterion == "pretext-valid":
            # Validated once, at its end.
            validated = self.matrix.training.model_copy(update={"validate_times": 1})
            update |= {"selection": "pretext-valid", "training": validated}
        found = plan(self.matrix.model_copy(update=update), only=self.only)
        if len(found.trainings) != len(self.matrix.seeds):
            labels = ", ".join(dict.fromkeys(t.label for t in found.trainings))
            raise BenchbenchError(f"a search is of one method: choose one by --only from {labels}")
        return found.trainings

    def check(self, trainings: list[Training]) -> None:
        """Raise BenchbenchError if the space names a component that the method lacks, the source has no validation
        classes, or the criterion does not apply."""
        training = trainings[0]
        parts = {"pretext": training.content["pretext"], "meta": training.content["learner"]}
        parts["backbone"] = training.content["backbone"]
        for kind, name, _ in places(self.space):
            if name not in (parts[kind]["name"], bare(parts[kind]["name"])):
                raise BenchbenchError(f"{training.label} has no {kind} {name}, whose settings are to be searched")
        if not prepare(training.source).split.valid:
            raise BenchbenchError(f"dataset {training.source_name} has no validation classes to judge a trial by")
        if self.criterion == "labelled-valid":
            return
        regime = training.method.regime
        if not training.stages:
            raise BenchbenchError(f"{training.label} trains nothing: criterion pretext-valid compares training losses")
        if regime in LABELLED_REGIMES or uses_labels(training.stages[0].pretext):
            raise BenchbenchError(f"{training.label} reads labels: criterion pretext-valid is for methods that do not")
        if self.space.get("pretext"):
            raise BenchbenchError("settings of a pretext change the loss that pretext-valid compares: leave them out")
        if regime == "joint" and self.space.get("meta"):
            raise BenchbenchError("an adapter has no part in the loss that pretext-valid compares: leave it out")


def search(
    what: Search, store: Store, *, trials: int, device: str = "cpu", report: Report = lambda *_: None
) -> tuple[dict[Place, Any], Tuned]:
    """Run the trials that `store` does not hold yet, `trials` in all; returns the best settings and their declaration.

    A trial that fails (a non-finite loss, incompatible settings) counts but is never the best. Raises BenchbenchError
    for bad input or if every trial failed, StorageError, and Interrupted after a signal.
    """
    if optuna is None:
        raise BenchbenchError("benchbench tune needs Optuna: install benchbench-suite[tune]")
    base = what.trainings({})
    what.check(base)
    content = {
        "trainings": [t.key for t in base],
        "protocols": [key_content(component) for component in _protocols(base[0]).values()],
        "space": {".".join(place): str(tried) for place, tried in places(what.space).items()},
        "how": [what.criterion, what.sampler, what.seed],
    }
    key = content_key(content)
    with _held(store, key), Interrupts() as interrupts:
        study = _study(store, key)
        while len(finished := _finished(study)) < trials:
            interrupts.check()
            study.sampler = _sampler(what, len(finished))
            trial = study.ask(_distributions(what.space))
            chosen = {place: trial.params[".".join(place)] for place in places(what.space)}
            try:
                means = [_score(t, what, store, device, lambda: bool(interrupts)) for t in what.trainings(chosen)]
            except Stopped:
                interrupts.check()
            except StorageError:
                raise
            except Exception as error:
                reason, _ = explain(error)
                trial.set_user_attr("reason", reason)
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                report(len(finished) + 1, chosen, reason)
            else:
                score = math.fsum(means) / len(means)
                study.tell(trial, score)
                report(len(finished) + 1, chosen, score)
        good = [t for t in finished[:trials] if t.value is not None]
        if not good:
            raise BenchbenchError(f"all {trials} trials failed, the last one: {finished[-1].user_attrs['reason']}")
    best, method = max(good, key=lambda t: t.value), base[0].method
    declared = Tuned(
        criterion=what.criterion,
        trials=trials,
        sampler=what.sampler,
        seed=what.seed,
        best=best.value,
        method=f"{method.label} ({method.backbone}, {base[0].source_name}, {method.regime})",
        budget=base[0].recipe["budget"],
        space=what.space,
    )
    return {place: best.params[".".join(place)] for place in places(what.space)}, declared


def _protocols(training: Training) -> dict[str, ComponentRef]:
    """The protocols that a training is scored under, by name, whatever the target."""
    return dict(sorted({cell.protocol: cell.component for cell in training.cells}.items()))


def _score(training: Training, what: Search, store: Store, device: str, stop: Callable[[], bool]) -> float:
    """The value of the criterion for a training, after training whatever the store does not hold yet."""
    with settled(training.recipe["threads"], device):
        data = prepare(training.source)
        trained, stages = train(training, data, store, device, lambda _: None, stop=stop)
        if what.criterion == "pretext-valid":
            assert stages[-1].best is not None
            return stages[-1].best
        target = Target(data, trained.sample, part="valid", device=device)
        means = []
        for name, component in _protocols(training).items():
            protocol = component.build()
            protocol.check(target)
            scores = protocol.evaluate(trained, target, Rng(training.seed, "tune", name))
            s = scores[shown(scores)]
            metric = Metric(values=s.values, denominator=s.denominator, unit=s.unit)
            means.append(Summary.of(metric).mean)
        return math.fsum(means) / len(means)


@contextmanager
def _held(store: Store, key: str) -> Iterator[None]:
    """The right to run a search: two processes at once would repeat each other's trials."""
    lease = store.lease(key)
    try:
        lease.acquire(timeout=0)
    except Timeout:
        raise BenchbenchError(f"another process runs this search in {store.root}") from None
    try:
        yield
    finally:
        lease.release()


def _study(store: Store, key: str) -> Any:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = store.root / "studies" / f"{key[:16]}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    return optuna.create_study(study_name=key, storage=storage, direction="maximize", load_if_exists=True)


def _finished(study: Any) -> list[Any]:
    # An interrupted trial stays unfinished for ever; its settings are proposed again.
    done = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL)
    return list(study.get_trials(deepcopy=False, states=done))


def _sampler(what: Search, number: int) -> Any:
    seed = derive(what.seed, "trial", number) % 2**32
    if what.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    # Unfinished trials must have no influence; without the constant liar they have none.
    return optuna.samplers.TPESampler(seed=seed, constant_liar=False)


def _distributions(space: Space) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for place, tried in places(space).items():
        name = ".".join(place)
        if not isinstance(tried, Range):
            found[name] = optuna.distributions.CategoricalDistribution(tried)
        elif isinstance(tried.low, int) and isinstance(tried.high, int):
            found[name] = optuna.distributions.IntDistribution(tried.low, tried.high, log=tried.log)
        else:
            found[name] = optuna.distributions.FloatDistribution(tried.low, tried.high, log=tried.log)
    return found
