"""The matrix file: what is compared, on what, under which budget. Validation reports the first fault in one message."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchbench.components.reference import ComponentRef
from benchbench.errors import BenchbenchError, suggest
from benchbench.packaged import tasks_folder
from benchbench.training.chain import Regime

AXES = ("pretext", "meta", "backbone", "source", "target", "protocol", "regime")
KINDS = ("pretext", "meta", "backbone", "dataset", "protocol")
Names = Annotated[list[str], Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]


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
    regime: Annotated[list[Regime], Field(min_length=1)] = ["joint", "pseudo"]


class Budget(_Section):
    """How much each training may use: `samples` (views that enter a loss, over all stages) or optimiser `steps`."""

    samples: Count | None = None
    steps: Count | None = None


class EpisodeSettings(_Section):
    """Training episodes: `ways` classes, `shots` and `queries` per class, and `meta_batch` episodes per step.

    If `sampler` is ``meta-dataset``, labelled episodes vary as in Meta-Dataset (`benchbench.VariableShape` with its
    defaults), and the fixed numbers are used only for validation.
    """

    sampler: Literal["fixed", "meta-dataset"] = "fixed"
    ways: Annotated[int, Field(ge=2)] = 5
    shots: Count = 1
    queries: Count = 5
    meta_batch: Count = 8


class TrainingSettings(_Section):
    """The optimisation. `schedule` is constant, cosine decay to zero, or halving every `halve_every` steps.

    `auxiliary_weight` multiplies the plain objective in regime ``auxiliary``; `validate_times` is how many times a
    stage is validated, if selection needs it.
    """

    batch_size: Count = 64
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    lr: Rate = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["constant", "cosine", "halving"] = "cosine"
    halve_every: Count = 2000
    auxiliary_weight: Annotated[float, Field(ge=0)] = 1.0
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


#: Kinds of component whose settings may be searched; the others define what is measured.
TUNABLE = ("pretext", "meta", "backbone")
#: What a search tried: kind -> component -> setting -> a range or a list of values.
Space = dict[
    Literal["pretext", "meta", "backbone"],
    dict[str, dict[str, Range | Annotated[list[str | bool | int | float], Field(min_length=1)]]],
]


class Tuned(_Section):
    """The search that some settings come from, as written by ``benchbench tune``. It enters the key and the records of
    every training that uses one of these settings.

    Each of the `trials` trained `method` under `budget`. `best` is the highest value of the criterion: the mean score
    on the source's validation classes (``labelled-valid``), or the negative of the pretext's own loss on them
    (``pretext-valid``).
    """

    criterion: Literal["labelled-valid", "pretext-valid"]
    trials: Count
    sampler: str
    seed: int
    best: float
    method: str
    budget: dict[str, int]
    space: Space

    def tried(self, refs: Iterable[ComponentRef]) -> list[tuple[ComponentRef, str, Range | list[Any]]]:
        """The settings of the given components that it searched, each with the values it tried."""
        return [
            (ref, setting, tried)
            for ref in refs
            for name, settings in self.space.get(ref.kind, {}).items()  # type: ignore[call-overload]
            if name in (ref.name, ref.bare)
            for setting, tried in settings.items()
        ]


class Matrix(_Section):
    """A whole matrix file; see ``tasks/matrices`` for examples.

    Files are named after `name`, so it must not contain a slash or begin with a dot. `missing` says what to do if a
    dataset's files are missing: raise an ``error``, or ``skip`` the dataset and list what to put where.
    """

    name: Annotated[str, Field(pattern=r"^[^./\\][^/\\]*$")] = "matrix"
    seeds: Annotated[list[int], Field(min_length=1)] = [0]
    selection: Literal["last", "pretext-valid", "labelled-valid"] = "last"
    threads: Count = 1
    floors: bool = True
    missing: Literal["error", "skip"] = "error"
    axes: Axes
    budget: Budget
    episodes: EpisodeSettings = EpisodeSettings()
    training: TrainingSettings = TrainingSettings()
    settings: dict[str, dict[str, dict[str, Any]]] = {}
    exclude: list[dict[str, Any]] = []
    include: list[dict[str, Any]] = []
    when: list[dict[str, Any]] = []
    tuned: list[Tuned] = []

    def recipe(self, point: Mapping[str, str]) -> dict[str, Any]:
        """Budget, episodes, optimisation and selection for one point of the axes, with ``[[when]]`` rules applied."""
        episodes, training = self.episodes.model_dump(), self.training.model_dump()
        for rule in self.when:
            if matches({k: v for k, v in rule.items() if k in AXES}, point):
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
    return all(point.get(axis) in (names if isinstance(names, list) else [names]) for axis, names in rule.items())


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises BenchbenchError naming the file and, for a syntax error, the line."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BenchbenchError(f"{path}: TOML syntax error: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BenchbenchError(f"{path}: cannot be read: {error}") from None


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
    for key, value in (overrides or {}).items():
        _put(content, key, value)
    try:
        matrix = Matrix.model_validate(content)
        for rule in matrix.when:
            _check_rule(rule, "when", where, (*AXES, "episodes", "training"))
            EpisodeSettings.model_validate(rule.get("episodes", {}))
            TrainingSettings.model_validate(rule.get("training", {}))
    except ValidationError as error:
        raise BenchbenchError(f"{where}: {explain(error)}") from None
    for section in ("exclude", "include"):
        for rule in getattr(matrix, section):
            _check_rule(rule, section, where, AXES)
    for kind in matrix.settings:
        if kind not in KINDS:
            raise BenchbenchError(f"{where}: [settings.{kind}]: unknown kind {kind!r}{suggest(kind, KINDS)}")
    if (matrix.budget.samples is None) == (matrix.budget.steps is None):
        raise BenchbenchError(f"{where}: [budget] needs exactly one of 'samples' and 'steps'")
    return matrix


def _find(name: str) -> Path:
    folder = tasks_folder() / "matrices"
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        if not path.is_file():
            raise BenchbenchError(f"no matrix file {name}")
        return path
    packaged = {p.stem: p for p in folder.glob("*.toml")}
    if name not in packaged:
        raise BenchbenchError(f"unknown matrix {name!r}{suggest(name, packaged)} (or a path to a .toml file)")
    return packaged[name]


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        content = content.setdefault(part, {})
        if not isinstance(content, dict):
            raise BenchbenchError(f"--set {key}: {part!r} is no table")
    content[last] = value


def _check_rule(rule: Mapping[str, Any], section: str, where: str, allowed: tuple[str, ...]) -> None:
    for axis in rule:
        if axis not in allowed:
            raise BenchbenchError(f"{where}: [[{section}]]: unknown axis {axis!r}{suggest(axis, allowed)}")


def explain(error: ValidationError) -> str:
    """The first fault of a matrix, or of part of one, in one line."""
    first = error.errors()[0]
    place = [str(p) for p in first["loc"]]
    key = ".".join(place)
    if first["type"] == "extra_forbidden":
        section: dict[str, type[BaseModel]] = {
            "axes": Axes,
            "budget": Budget,
            "episodes": EpisodeSettings,
            "training": TrainingSettings,
        }
        model: type[BaseModel] = section.get(place[0], Matrix) if len(place) > 1 else Matrix
        what = "axis" if place[0] == "axes" else "key"
        return f"unknown {what} {key!r}{suggest(place[-1], model.model_fields)}"
    if first["type"] == "missing":
        return f"{key!r} is missing"
    return f"{key}: {first['msg'][0].lower()}{first['msg'][1:]}, got {first['input']!r}"
