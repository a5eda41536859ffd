"""What a search may try: settings of components and of the training, each with a range or a list of values, as a TOML
file."""

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from benchbench.components.registry import find
from benchbench.components.settings import schema, validate
from benchbench.errors import BenchbenchError, suggest
from benchbench.planning.matrix import valid
from benchbench.planning.recipe import REPLACED
from benchbench.planning.rules import TUNABLE
from benchbench.planning.task_files import task_file
from benchbench.planning.toml import read_toml
from benchbench.planning.tuned import Range, Space, Tried

#: (kind, component, setting), or (section of the matrix, setting)
Place = tuple[str, ...]

#: What no search may change, and what it is.
FIXED = {"validate_times": "how often a training is judged", "precision": "in which a matrix computes"}


def load_space(name: str | Path) -> Space:
    """The space in a TOML file, or a packaged one by name. It is written as ``[meta.maml]`` with ``inner_lr = {low =
    0.01, high = 1.0, log = true}`` and ``train_norm = ["call", "support"]``, or ``[training]`` with ``lr = [0.001,
    0.01]``.

    Raises BenchbenchError naming the file, the key and what was expected.
    """
    path = task_file("space", str(name), "spaces/*.toml")
    content = read_toml(path)
    if unknown := content.keys() - Space.__annotations__.keys():
        table = min(unknown)
        raise BenchbenchError(f"{path}: [{table}]: a search cannot change it{suggest(table, Space.__annotations__)}")
    space: Space = valid(Space, content, str(path))
    if not places(space):
        raise BenchbenchError(f"{path}: it names no setting to search")
    check(space, str(path))
    return space


def places(space: Space) -> dict[Place, Tried]:
    """Each setting of a space with what may be tried, sorted by name."""
    tables = cast(Mapping[str, Mapping[str, Any]], space)
    found: dict[Place, Tried] = {
        (kind, name, setting): tried
        for kind in TUNABLE
        for name, settings in tables.get(kind, {}).items()
        for setting, tried in settings.items()
    }
    found |= {(section, setting): tried for section in REPLACED for setting, tried in tables.get(section, {}).items()}
    return dict(sorted(found.items()))


def at(space: Space, kept: Container[Place]) -> Space:
    """The part of a space at the given places."""
    found: dict[str, Any] = {}
    for place, tried in places(space).items():
        if place in kept:
            put(found, place, tried)
    return cast(Space, found)


def put(table: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set the value at a path through nested tables, which are made where they are missing."""
    *parents, last = path
    for name in parents:
        table = table.setdefault(name, {})
    table[last] = value


def check(space: Space, where: str) -> None:
    """Raise BenchbenchError for a component or setting that does not exist, or a value or bound that it refuses.
    Imports the components."""
    for (*owner, setting), tried in places(space).items():
        place = f"{where}: [{'.'.join(owner)}]"
        if setting in FIXED:
            raise BenchbenchError(f"{place}: a search cannot change {setting!r}, {FIXED[setting]}")
        model = schema(find(*owner).load()) if len(owner) == 2 else REPLACED[owner[0]]
        if setting not in model.model_fields:
            raise BenchbenchError(f"{place}: unknown setting {setting!r}{suggest(setting, model.model_fields)}")
        for value in [tried.low, tried.high] if isinstance(tried, Range) else tried:
            if len(owner) == 2:
                validate(place, find(*owner).load(), {setting: value})
            else:
                valid(model, {setting: value}, place)
