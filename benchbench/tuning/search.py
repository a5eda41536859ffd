"""The search for methods' settings: trials on the source's validation classes, never on a test part.

Each trial is proposed by a sampler of its own, seeded by the trial's number, from the finished trials alone. So an
interrupted search continues as if it had not been interrupted, a search with more trials begins with those of a shorter
one, and the trial in flight resumes from its checkpoint.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal

from filelock import Timeout

from benchbench.components.reference import ComponentRef, key_content
from benchbench.components.registry import find
from benchbench.data.prepare import prepare
from benchbench.errors import BenchbenchError, Stopped, StorageError
from benchbench.evaluation.target import Target
from benchbench.execution.interrupts import Interrupts
from benchbench.execution.job import explain, train
from benchbench.execution.settled import settled
from benchbench.keys import content_key
from benchbench.planning.identity import relevant
from benchbench.planning.matrix import Matrix
from benchbench.planning.plan import plan
from benchbench.planning.rules import METHOD_AXES
from benchbench.planning.tuned import Range, Space, Tuned
from benchbench.rng import Rng, derive
from benchbench.store.files import Store
from benchbench.store.records import Metric, Summary, shown
from benchbench.training.chain import LABELLED_REGIMES, Stage, Training, uses_labels
from benchbench.tuning.fragment import rule
from benchbench.tuning.space import Place, at, places, put

try:
    import optuna
    from optuna.storages.journal import JournalFileBackend
except ModuleNotFoundError:
    optuna = None  # type: ignore[assignment]

Criterion = Literal["labelled-valid", "pretext-valid"]
Sampler = Literal["tpe", "random"]
#: Called after each trial with its number from 1, its values by place, and its score or why it has none.
Report = Callable[[int, Mapping[Place, Any], float | str], None]


class TrialsFailed(BenchbenchError):
    """No trial of a search has a score."""


@dataclass(frozen=True)
class Search:
    """What is searched, and how: every method of `matrix` that `only` leaves, or the one at `where` (`methods`).

    A trial is judged by the mean over `repeats` trainings. Their seeds are the search's own: settings chosen on those
    that `matrix` reports would suit just these. ``labelled-valid`` is the mean score under the matrix's protocols on
    the source's validation part. ``pretext-valid`` is the negative of an unlabelled method's outer loss there.
    """

    matrix: Matrix
    space: Space
    criterion: Criterion = "labelled-valid"
    sampler: Sampler = "tpe"
    seed: int = 0
    repeats: int = 1
    only: Mapping[str, list[str]] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The method at `where`, as messages and declarations name it."""
        pretext, meta, *rest = (self.where[axis] for axis in METHOD_AXES)
        return f"{pretext} × {meta} ({', '.join(rest)})"

    @property
    def seeds(self) -> list[int]:
        """The seeds that trials train with, the same for every method."""
        found: list[int] = []
        drawn = (derive(self.seed, "tune", number) % 2**31 for number in count())
        while len(found) < self.repeats:
            if (seed := next(drawn)) not in (*self.matrix.seeds, *found):
                found.append(seed)
        return found

    def methods(self) -> list["Search"]:
        """A search for each method, in the order of the matrix, with the part of the space that concerns it, which may
        be empty.

        Raises BenchbenchError if part of the space concerns no method, if a method's source has no validation classes,
        or if the criterion cannot compare what the space holds.
        """
        found = []
        for training in self._plan({"seeds": self.seeds[:1]}):
            where = training.axes
            kept = {place for place in places(self.space) if _concerns(place, training)}
            one = replace(self, space=at(self.space, kept), where={axis: where[axis] for axis in METHOD_AXES})
            if kept:
                one._check(training)
            found.append(one)
        # What concerns only methods that `only` leaves out is no slip of the pen.
        every = replace(self, only={})._plan({"seeds": self.seeds[:1]}, prepare_data=False)
        for place in places(self.space):
            if not any(_concerns(place, training) for training in every):
                raise BenchbenchError(f"no method here depends on {'.'.join(place)}, which is to be searched")
        if not any(one.space for one in found):
            raise BenchbenchError("no method that --only leaves depends on what is to be searched")
        return found

    def trainings(self, chosen: Mapping[Place, Any]) -> list[Training]:
        """One training per seed of the method at `where`, under the matrix's settings with the `chosen` ones on top."""
        last = rule(self.where, chosen)
        update: dict[str, Any] = {"when": [*self.matrix.when, last]}
        if self.criterion == "pretext-valid":
            update["selection"] = "pretext-valid"
            # Validated once, at its end.
            put(last, ("training", "validate_times"), 1)
        return self._plan(update)

    def _plan(self, update: dict[str, Any], *, prepare_data: bool = True) -> list[Training]:
        update = {"seeds": self.seeds, "floors": False, "tuned": [], **update}
        only = {**self.only, **{axis: [name] for axis, name in self.where.items()}}
        return plan(self.matrix.model_copy(update=update), only=only, prepare_data=prepare_data).trainings

    def _check(self, training: Training) -> None:
        if not prepare(training.source).split.valid:
            raise BenchbenchError(f"dataset {training.source_name} has no validation classes to judge a trial by")
        if self.criterion == "labelled-valid":
            return
        regime = training.method.regime
        if not _in_steps(training):
            raise BenchbenchError(f"{self.label} trains nothing by steps, so pretext-valid has no loss to compare")
        if regime in LABELLED_REGIMES or uses_labels(training.stages[0].pretext):
            raise BenchbenchError(
                f"{self.label} reads labels: criterion pretext-valid is for methods that do not, labelled-valid for all"
            )
        if regime == "joint" and self.space.get("meta"):
            raise BenchbenchError("an adapter has no part in the loss that pretext-valid compares: leave it out")
        _check_comparable(self.space)


def _in_steps(training: Training) -> list[Stage]:
    """The stages that an optimiser takes steps in."""
    return [s for s in training.stages if s.objective != "plain" or not s.pretext.load().closed_form]


def _concerns(place: Place, training: Training) -> bool:
    """Whether a training depends on a setting."""
    if len(place) == 3:
        name = training.content["learner" if place[0] == "meta" else place[0]]["name"]
        return find(place[0], place[1]).qualified == name
    section, setting = place
    recipes = [relevant(training.recipe, stage.objective) for stage in _in_steps(training)]
    # A recipe leaves out episode settings that are neutral.
    return any(section in held and (section == "episodes" or setting in held[section]) for held in recipes)


def _check_comparable(space: Space) -> None:
    """Raise BenchbenchError for a setting whose values have different losses, which pretext-valid would compare."""
    reasons = {
        "pretext": "it is a setting of the loss itself: a temperature, say, scales InfoNCE",
        "training": "a loss over a batch changes with its size: InfoNCE, say, tells each sample from the others in it",
        "episodes": "a loss over episodes changes with their shape: more classes are harder to tell apart",
    }
    for place in places(space):
        optimisation = place[0] == "training" and place[-1] != "batch_size"
        if place[0] in reasons and not optimisation and place != ("episodes", "meta_batch"):
            raise BenchbenchError(
                f"pretext-valid cannot compare values of {place[-1]!r} of {' '.join(place[:-1])}: {reasons[place[0]]}; "
                "search it by labelled-valid"
            )


def search(
    what: Search, store: Store, *, trials: int, device: str = "cpu", report: Report = lambda *_: None
) -> tuple[dict[Place, Any], Tuned]:
    """Run the trials of one method (`Search.methods`) that `store` does not hold yet, `trials` in all; returns the best
    settings and their declaration.

    A trial that fails (a non-finite loss, incompatible settings) counts but is never the best. Raises TrialsFailed if
    all did, BenchbenchError for bad input, StorageError, and Interrupted after a signal.
    """
    if optuna is None:
        raise BenchbenchError("benchbench tune needs Optuna: install benchbench-suite[tune]")
    base = what.trainings({})
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
            reason = finished[-1].user_attrs["reason"]
            raise TrialsFailed(f"{what.label}: all {trials} trials failed, the last one: {reason}")
    best = max(good, key=lambda t: t.value)
    declared = Tuned(
        criterion=what.criterion,
        trials=trials,
        sampler=what.sampler,
        seed=what.seed,
        seeds=what.seeds,
        best=best.value,
        method=what.label,
        where={**what.where},
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
