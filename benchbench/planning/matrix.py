"""The matrix file: what is compared, on what, under which budget. Validation reports the first fault in one message."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
    with_config,
)
from typing_extensions import TypedDict

from benchbench.components.limits import MOST, check_values, quoted
from benchbench.components.reference import ComponentRef
from benchbench.components.registry import find
from benchbench.errors import BenchbenchError, suggest
from benchbench.packaged import tasks_folder
from benchbench.planning.toml import read_toml as read_toml
from benchbench.training.chain import REGIMES, Regime

AXES = ("pretext", "meta", "backbone", "source", "target", "protocol", "regime")
KINDS = ("pretext", "meta", "backbone", "dataset", "protocol")
#: The baselines of every leaderboard (matrix key ``floors``): an encoder that was never trained, and raw pixels.
FLOORS = (
    {"pretext": "none", "meta": "nearest-centroid", "regime": "joint"},
    {"pretext": "none", "meta": "nearest-neighbour", "backbone": "pixels", "regime": "joint"},
)
#: What a matrix may call a component: nothing that tables, `compare` or ``--only`` would take apart.
OWN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,99}")
OWN_NAME_RULE = "a name begins with a letter or digit and has at most 100 letters, digits, spaces and . _ + -"
#: The most points that axes, ``[[include]]`` rules and seeds may make together.
POINTS = 10_000_000


def _once(values: list[Any]) -> list[Any]:
    (often, times), *_ = Counter(values).most_common(1)
    if times > 1:
        raise ValueError(f"each must be given once, and {often!r} is given {times} times")
    return values


def _plain(name: str) -> str:
    if name.startswith(".") or any(c in "/\\" or ord(c) < 32 for c in name):
        raise ValueError("a name begins with no dot and has no slash or control character")
    return name


def _own(name: str) -> str:
    if not OWN_NAME.fullmatch(name):
        raise ValueError(OWN_NAME_RULE)
    return name


Names = Annotated[list[str], Field(min_length=1, max_length=10_000), AfterValidator(_once)]
Count = Annotated[int, Field(ge=1, le=10**6)]
Amount = Annotated[int, Field(ge=1, le=10**12)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Axes(_Section):
    """The names along each axis. If `regime` is left out, adapter-only learners use ``joint`` and all others
    ``pseudo``."""

    pretext: Names
    meta: Names
    backbone: Names
    source: Names
    target: Names
    protocol: Names
    regime: Annotated[list[Regime], Field(min_length=1), AfterValidator(_once)] = ["joint", "pseudo"]


class Budget(_Section):
    """How much each training may use: `samples` (views that enter a loss, over all stages) or optimiser `steps`."""

    samples: Amount | None = None
    steps: Amount | None = None


class EpisodeSettings(_Section):
    """Training episodes: `ways` classes, `shots` and `queries` per class, and `meta_batch` episodes per step.

    If `sampler` is ``meta-dataset``, labelled episodes vary as in Meta-Dataset (`benchbench.VariableShape` with its
    defaults), and the fixed numbers are used only for validation.
    """

    sampler: Literal["fixed", "meta-dataset"] = "fixed"
    ways: Annotated[int, Field(ge=2, le=MOST["ways"])] = 5
    shots: Annotated[int, Field(ge=1, le=MOST["shots"])] = 1
    queries: Annotated[int, Field(ge=1, le=MOST["queries"])] = 5
    meta_batch: Annotated[int, Field(ge=1, le=MOST["meta_batch"])] = 8


class TrainingSettings(_Section):
    """The optimisation. `schedule` is constant, cosine decay to zero, or halving every `halve_every` steps.

    `auxiliary_weight` multiplies the plain objective in regime ``auxiliary``; `validate_times` is how many times a
    stage is validated, if selection needs it.
    """

    batch_size: Annotated[int, Field(ge=1, le=MOST["batch_size"])] = 64
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    lr: Rate = 1e-3
    weight_decay: Weight = 0.0
    schedule: Literal["constant", "cosine", "halving"] = "cosine"
    halve_every: Amount = 2000
    auxiliary_weight: Weight = 1.0
    validate_times: Count = 10


class Range(_Section):
    """The values from `low` to `high`, inclusive: integers if both bounds are integers. With `log`, they are spread
    evenly on a logarithmic scale."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("low must be below high, and above 0 with log")
        return self

    def __contains__(self, value: object) -> bool:
        """Whether `value` lies in the range."""
        return isinstance(value, int | float) and self.low <= value <= self.high


#: What a ``[[when]]`` rule replaces, where its axes hold.
REPLACED: dict[str, type[BaseModel]] = {"episodes": EpisodeSettings, "training": TrainingSettings}
#: Kinds of component whose settings may be searched; the others define what is measured.
TUNABLE = ("pretext", "meta", "backbone")
#: The axes that tell one method on one source from another.
METHOD_AXES = ("pretext", "meta", "backbone", "source", "regime")

#: What a search tries for a setting.
Tried = Range | Annotated[list[str | bool | int | float], Field(min_length=1)]
_Settings = dict[str, Tried]


@with_config(ConfigDict(extra="forbid", strict=True))
class Space(TypedDict, total=False):
    """What a search tried: of components, by kind and name, and of the training and its episodes, setting -> a range or
    a list of values."""

    pretext: dict[str, _Settings]
    meta: dict[str, _Settings]
    backbone: dict[str, _Settings]
    training: _Settings
    episodes: _Settings


class Tuned(_Section):
    """The search that some settings come from, as written by ``benchbench tune``. It enters the key and the records of
    every training that uses one of these settings.

    Each of the `trials` trained `method` under `budget`, once for each of `seeds`, none of which may be reported; older
    declarations do not say which they were. `best` is the highest value of the criterion: the mean score on the
    source's validation classes (``labelled-valid``), or the negative of the pretext's own loss on them
    (``pretext-valid``). It belongs to the points of the axes that `where` matches, without it to all.
    """

    criterion: Literal["labelled-valid", "pretext-valid"]
    trials: Count
    sampler: str
    seed: int
    seeds: Annotated[list[int], Field(min_length=1), AfterValidator(_once)] | None = None
    best: float
    method: str
    where: dict[str, str | list[str]] | None = None
    budget: dict[str, int]
    space: Space

    @field_validator("where")
    @classmethod
    def _axes(cls, where: dict[str, str | list[str]] | None) -> dict[str, str | list[str]] | None:
        for axis in where or {}:
            if axis not in METHOD_AXES:
                raise ValueError(f"a search has no axis {axis!r}{suggest(axis, METHOD_AXES)}")
        for regime in as_list((where or {}).get("regime", [])):
            if regime not in REGIMES:
                raise ValueError(f"unknown regime {regime!r}{suggest(regime, REGIMES)}")
        return where

    @field_validator("space")
    @classmethod
    def _known(cls, space: Space) -> Space:
        for section, model in REPLACED.items():
            for setting in space.get(section, {}):  # type: ignore[attr-defined]
                if setting not in model.model_fields:
                    raise ValueError(f"{section} has no {setting!r}{suggest(setting, model.model_fields)}")
        return space

    def content(self) -> dict[str, Any]:
        """What keys hash and records hold: not `where`, since a record says itself what it belongs to, and nothing
        that an older declaration does not say."""
        return self.model_dump(mode="json", exclude={"where"}, exclude_none=True)

    def tried(self, refs: Iterable[ComponentRef], recipe: Mapping[str, Any]) -> list[tuple[str, str, Any, Tried]]:
        """What it searched of the given components and of the sections of a recipe: whose setting, its name, its value
        there and the values tried."""
        found = [
            (f"{ref.kind} {ref.bare}", setting, ref.settings.get(setting), tried)
            for ref in refs
            for name, settings in self.space.get(ref.kind, {}).items()  # type: ignore[attr-defined]
            if find(ref.kind, name).qualified == ref.name
            for setting, tried in settings.items()
        ]
        for section, model in REPLACED.items() if recipe else ():
            # A recipe leaves out what is neutral.
            values = model.model_validate(recipe[section])
            searched: _Settings = self.space.get(section, {})  # type: ignore[assignment]
            found += [(section, setting, getattr(values, setting), tried) for setting, tried in searched.items()]
        return found


#: Axis -> a name or a list of names; ``[[when]]`` also has tables of ``episodes``, ``training`` and ``settings``.
Rules = Annotated[list[dict[str, Any]], Field(max_length=10_000)]


class Instance(BaseModel):
    """A component under a name of the user's choosing: what it is `of`, and its settings."""

    model_config = ConfigDict(extra="allow", strict=True)
    of: str


def _plain_tables(instances: dict[str, Instance]) -> dict[str, dict[str, Any]]:
    return {name: instance.model_dump() for name, instance in instances.items()}


#: Name -> what it is ``of``, and its settings.
Instances = Annotated[dict[Annotated[str, AfterValidator(_own)], Instance], AfterValidator(_plain_tables)]


class _RuleSettings(_Section):
    settings: dict[Literal["pretext", "meta", "backbone"], dict[str, dict[str, Any]]]


class Matrix(_Section):
    """A whole matrix file; see ``tasks/matrices`` for examples.

    Files are named after `name`, so it must not contain a slash or begin with a dot. `missing` says what to do if a
    dataset's files are missing: raise an ``error``, or ``skip`` the dataset and list what to put where.

    `pretext`, `meta`, `backbone`, `dataset` and `protocol` hold components with settings under names of their own, for
    use wherever a name of that kind stands: ``[dataset.birds]`` with ``of = "imagefolder"`` and ``path = "birds"``.

    Axes, ``[[include]]`` rules and seeds make at most ten million points. Every number is finite. In settings of
    components, `episodes` is at most 10,000, `size` (of images) 1,024, `ways`, `shots` and `queries` 1,000 each; see
    `benchbench.components.limits`.
    """

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_plain)] = "matrix"
    seeds: Annotated[list[int], Field(min_length=1, max_length=1_000_000), AfterValidator(_once)] = [0]
    selection: Literal["last", "pretext-valid", "labelled-valid"] = "last"
    threads: Annotated[int, Field(ge=1, le=1_024)] = 1
    floors: bool = True
    missing: Literal["error", "skip"] = "error"
    axes: Axes
    budget: Budget
    episodes: EpisodeSettings = EpisodeSettings()
    training: TrainingSettings = TrainingSettings()
    pretext: Instances = {}
    meta: Instances = {}
    backbone: Instances = {}
    dataset: Instances = {}
    protocol: Instances = {}
    settings: dict[str, dict[str, dict[str, Any]]] = {}
    exclude: Rules = []
    include: Rules = []
    when: Rules = []
    tuned: list[Tuned] = []
    _written: dict[str, list[str]] = PrivateAttr(default_factory=dict)

    @property
    def written(self) -> Mapping[str, list[str]]:
        """The axes as the file has them, without ``--set``."""
        return self._written

    def added(self, *, floors: bool) -> list[Mapping[str, Any]]:
        """The rules that add points to those of the axes, with the leaderboard's `floors` or without."""
        return [*self.include, *(FLOORS if floors else ())]

    def recipe(self, point: Mapping[str, str]) -> dict[str, Any]:
        """Budget, episodes, optimisation and selection for one point of the axes, with ``[[when]]`` rules applied."""
        episodes, training = self.episodes.model_dump(), self.training.model_dump()
        for rule in self.when:
            if applies(rule, point):
                episodes |= rule.get("episodes", {})
                training |= rule.get("training", {})
        return {
            "budget": self.budget.model_dump(exclude_none=True),
            "episodes": _neutral(EpisodeSettings.model_validate(episodes).model_dump()),
            "training": TrainingSettings.model_validate(training).model_dump(),
            "selection": self.selection,
            "threads": self.threads,
            "precision": "float32",
        }


def _neutral(episodes: dict[str, Any]) -> dict[str, Any]:
    """The settings without those added later that have their neutral value, so that older keys stay valid."""
    return {k: v for k, v in episodes.items() if (k, v) != ("sampler", "fixed")}


def matches(rule: Mapping[str, Any], point: Mapping[str, str]) -> bool:
    """Whether a point satisfies all axes of a rule, each given as a name or a list of names."""
    return all(point.get(axis) in as_list(names) for axis, names in rule.items())


def applies(rule: Mapping[str, Any], point: Mapping[str, str]) -> bool:
    """Whether a point satisfies all axes of a ``[[when]]`` rule."""
    return matches({axis: names for axis, names in rule.items() if axis in AXES}, point)


def as_list(names: str | list[str]) -> list[str]:
    """The names that a rule gives for an axis."""
    return names if isinstance(names, list) else [names]


def load_matrix(name: str | Path, overrides: Mapping[str, Any] | None = None) -> Matrix:
    """The matrix in a TOML file, or a packaged one by name. `overrides` maps dotted keys to values.

    Raises BenchbenchError naming the file, the key and what was expected.
    """
    path = _find(str(name))
    content = read_toml(path)
    content.setdefault("name", path.stem)
    return parse_matrix(content, str(path), overrides)


def parse_matrix(content: dict[str, Any], where: str, overrides: Mapping[str, Any] | None = None) -> Matrix:
    """A matrix from plain values; every error message begins with `where`."""
    written = content.get("axes")
    before = dict(written) if isinstance(written, dict) else {}
    for key, value in (overrides or {}).items():
        _put(content, key, value)
    check_values(where, content)
    matrix: Matrix = _valid(Matrix, content, where)
    matrix._written = {
        axis: [name for name in as_list(names) if isinstance(name, str)]
        for axis, names in before.items()
        if isinstance(names, str | list)
    }
    for section in ("exclude", "include", "when"):
        for number, rule in enumerate(getattr(matrix, section)):
            _check_rule(rule, f"{where}: {section}.{number}", section)
    for kind in matrix.settings:
        if kind not in KINDS:
            raise BenchbenchError(f"{where}: [settings.{kind}]: unknown kind {kind!r}{suggest(kind, KINDS)}")
    if (matrix.budget.samples is None) == (matrix.budget.steps is None):
        raise BenchbenchError(f"{where}: [budget] needs exactly one of 'samples' and 'steps'")
    if (points := _points(matrix)) > POINTS:
        raise BenchbenchError(f"{where}: its axes, includes and seeds make {points:,} points, more than {POINTS:,}")
    return matrix


def _valid(section: type[BaseModel], content: Any, where: str) -> Any:
    try:
        return section.model_validate(content)
    except ValidationError as error:
        raise BenchbenchError(f"{where}: {explain(error, section.model_fields)}") from None


def _points(matrix: Matrix) -> int:
    axes = {axis: getattr(matrix.axes, axis) for axis in AXES}
    each = [prod(len(as_list(rule.get(axis, names))) for axis, names in axes.items()) for rule in [{}, *matrix.include]]
    return sum(each) * len(matrix.seeds)


def _find(name: str) -> Path:
    path = Path(name)
    packaged = {p.stem: p for p in (tasks_folder() / "matrices").glob("*.toml")}
    if path.is_file():
        return path
    if name in packaged:
        return packaged[name]
    if path.exists():
        raise BenchbenchError(f"matrix {name}: expected a .toml file or the name of a packaged matrix")
    if path.suffix == ".toml":
        beside = {p.name for p in path.parent.glob("*.toml")}
        raise BenchbenchError(f"no matrix file {name}{suggest(path.name, beside or packaged)}")
    raise BenchbenchError(f"unknown matrix {quoted(name)}{suggest(name, packaged)} (or a path to a .toml file)")


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    if not all([*path, last]):
        raise BenchbenchError(f"--set {key}: expected names with single dots between them, such as budget.samples")
    for part in path:
        content = content.setdefault(part, {})
        if not isinstance(content, dict):
            raise BenchbenchError(f"--set {key}: {part!r} is no table")
    content[last] = value


def _check_rule(rule: Mapping[str, Any], where: str, section: str) -> None:
    allowed = (*AXES, *((*REPLACED, "settings") if section == "when" else ()))
    for axis, value in rule.items():
        if axis not in allowed:
            raise BenchbenchError(f"{where}: unknown axis {axis!r}{suggest(axis, allowed)}")
        if axis in REPLACED:
            _valid(REPLACED[axis], value, f"{where}.{axis}")
        elif axis == "settings":
            for kind in value if isinstance(value, Mapping) else ():
                if kind not in TUNABLE:
                    raise BenchbenchError(
                        f"{where}.settings.{kind}: a rule sets no components of this kind{suggest(str(kind), TUNABLE)}"
                    )
            _valid(_RuleSettings, {"settings": value}, where)
            if scored := sorted(rule.keys() & {"target", "protocol"}):
                raise BenchbenchError(
                    f"{where}.{scored[0]}: one training is scored on all of them, so its settings cannot depend on it"
                )
        elif not as_list(value) or not all(isinstance(name, str) for name in as_list(value)):
            raise BenchbenchError(f"{where}.{axis}: expected a name or a list of names, got {quoted(value)}")
        elif axis == "regime" and (unknown := set(as_list(value)) - set(REGIMES)):
            raise BenchbenchError(f"{where}: unknown regime {min(unknown)!r}{suggest(min(unknown), REGIMES)}")


_SECTIONS: dict[str, Iterable[str]] = {
    "axes": Axes.model_fields,
    "budget": Budget.model_fields,
    "episodes": EpisodeSettings.model_fields,
    "training": TrainingSettings.model_fields,
    "tuned": Tuned.model_fields,
    "space": Space.__annotations__,
    "Range": Range.model_fields,
}


def explain(error: ValidationError, keys: Iterable[str] = ()) -> str:
    """The first fault of a matrix, or of part of one that has these `keys`, in one line."""
    first = error.errors()[0]
    place = [str(p) for p in first["loc"]]
    key = ".".join(place)
    if first["type"] == "extra_forbidden":
        known = next((_SECTIONS[part] for part in reversed(place[:-1]) if part in _SECTIONS), keys)
        what = "axis" if place[0] == "axes" else "key"
        return f"unknown {what} {key!r}{suggest(place[-1], known)}"
    if first["type"] == "missing":
        return f"{key!r} is missing"
    message = first["msg"].removeprefix("Value error, ")
    return f"{key + ': ' if key else ''}{message[0].lower()}{message[1:]}, got {quoted(first['input'])}"
