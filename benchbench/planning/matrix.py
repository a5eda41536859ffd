"""The matrix file: what is compared, on what, under which budget. Validation reports the first fault in one message."""

import re
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError

from benchbench.components.limits import check_values, quoted
from benchbench.errors import BenchbenchError, suggest
from benchbench.planning.recipe import REPLACED, Budget, EpisodeSettings, Section, TrainingSettings, neutral, once
from benchbench.planning.rules import AXES, KINDS, TUNABLE, UNTRAINED, applies, as_list, raw_floors
from benchbench.planning.task_files import task_file
from benchbench.planning.toml import read_toml
from benchbench.planning.tuned import Range, Space, Tuned
from benchbench.training.chain import REGIMES, Regime

#: What a matrix may call a component: nothing that tables, `compare` or ``--only`` would take apart.
OWN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,99}")
OWN_NAME_RULE = "a name begins with a letter or digit and has at most 100 letters, digits, spaces and . _ + -"
#: The most points that axes, ``[[include]]`` rules and seeds may make together.
POINTS = 10_000_000


def _plain(name: str) -> str:
    if name.startswith(".") or any(c in "/\\" or ord(c) < 32 for c in name):
        raise ValueError("a name begins with no dot and has no slash or control character")
    return name


def _own(name: str) -> str:
    if not OWN_NAME.fullmatch(name):
        raise ValueError(OWN_NAME_RULE)
    return name


Names = Annotated[list[str], Field(min_length=1, max_length=10_000), AfterValidator(once)]


class Axes(Section):
    """The names along each axis. If `regime` is left out, adapter-only learners use ``joint`` and all others
    ``pseudo``."""

    pretext: Names
    meta: Names
    backbone: Names
    source: Names
    target: Names
    protocol: Names
    regime: Annotated[list[Regime], Field(min_length=1), AfterValidator(once)] = ["joint", "pseudo"]


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


class _RuleSettings(Section):
    settings: dict[Literal["pretext", "meta", "backbone"], dict[str, dict[str, Any]]]


class Matrix(Section):
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
    seeds: Annotated[list[int], Field(min_length=1, max_length=1_000_000), AfterValidator(once)] = [0]
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
        """The rules that add points to those of the axes, with the leaderboard's `floors` of every modality or
        without."""
        raw = [rule for rules in raw_floors().values() for rule in rules] if floors else []
        return [*self.include, *([UNTRAINED] if floors else []), *raw]

    def recipe(self, point: Mapping[str, str]) -> dict[str, Any]:
        """Budget, episodes, optimisation and selection for one point of the axes, with ``[[when]]`` rules applied."""
        episodes, training = self.episodes.model_dump(), self.training.model_dump()
        for rule in self.when:
            if applies(rule, point):
                episodes |= rule.get("episodes", {})
                training |= rule.get("training", {})
        training = TrainingSettings.model_validate(training).model_dump()
        # Beside the optimisation, where records have always had it.
        precision = training.pop("precision")
        return {
            "budget": self.budget.model_dump(exclude_none=True),
            "episodes": neutral(EpisodeSettings.model_validate(episodes).model_dump()),
            "training": training,
            "selection": self.selection,
            "threads": self.threads,
            "precision": precision,
        }


def load_matrix(name: str | Path, overrides: Mapping[str, Any] | None = None) -> Matrix:
    """The matrix in a TOML file, or a packaged one by name. `overrides` maps dotted keys to values.

    Raises BenchbenchError naming the file, the key and what was expected.
    """
    path = task_file("matrix", str(name), "matrices/*.toml")
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
    matrix: Matrix = valid(Matrix, content, where)
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


def valid(expected: Any, content: Any, where: str) -> Any:
    """`content` as what is `expected`, a model or another type. Raises BenchbenchError, which begins with `where`."""
    try:
        return TypeAdapter(expected).validate_python(content)
    except ValidationError as error:
        raise BenchbenchError(f"{where}: {_explain(error, getattr(expected, 'model_fields', ()))}") from None


def _points(matrix: Matrix) -> int:
    axes = {axis: getattr(matrix.axes, axis) for axis in AXES}
    each = [prod(len(as_list(rule.get(axis, names))) for axis, names in axes.items()) for rule in [{}, *matrix.include]]
    return sum(each) * len(matrix.seeds)


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
            valid(REPLACED[axis], value, f"{where}.{axis}")
        elif axis == "settings":
            for kind in value if isinstance(value, Mapping) else ():
                if kind not in TUNABLE:
                    raise BenchbenchError(
                        f"{where}.settings.{kind}: a rule sets no components of this kind{suggest(str(kind), TUNABLE)}"
                    )
            valid(_RuleSettings, {"settings": value}, where)
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


def _explain(error: ValidationError, keys: Iterable[str] = ()) -> str:
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
