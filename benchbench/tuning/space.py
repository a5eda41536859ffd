"""What a search may try: the settings of components, each with a range or a list of values, as a TOML file."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from benchbench.components.registry import find
from benchbench.components.settings import schema, validate
from benchbench.errors import BenchbenchError, suggest
from benchbench.planning.matrix import TUNABLE, Range, Space, explain, read_toml

#: (kind, component, setting)
Place = tuple[str, str, str]


def load_space(path: Path) -> Space:
    """The space in a file such as ``[meta.maml]`` with ``inner_lr = {low = 0.01, high = 1.0, log = true}`` and
    ``train_norm = ["call", "support"]``.

    Raises BenchbenchError naming the file, the key and what was expected.
    """
    content = read_toml(path)
    if unknown := content.keys() - set(TUNABLE):
        name = min(unknown)
        raise BenchbenchError(f"{path}: [{name}]: a search cannot change it{suggest(name, TUNABLE)}")
    try:
        space: Space = TypeAdapter(Space).validate_python(content)
    except ValidationError as error:
        raise BenchbenchError(f"{path}: {explain(error)}") from None
    if not places(space):
        raise BenchbenchError(f"{path}: it names no setting to search")
    check(space, str(path))
    return space


def places(space: Space) -> dict[Place, Range | list[Any]]:
    """Each setting of a space with what may be tried, sorted by name."""
    found = {
        (kind, name, setting): tried
        for kind, named in space.items()
        for name, settings in named.items()
        for setting, tried in settings.items()
    }
    return dict(sorted(found.items()))


def check(space: Space, where: str) -> None:
    """Raise BenchbenchError for a component or setting that does not exist, or a value or bound that it refuses.
    Imports the components."""
    for (kind, name, setting), tried in places(space).items():
        cls = find(kind, name).load()
        if setting not in schema(cls).model_fields:
            known = suggest(setting, schema(cls).model_fields)
            raise BenchbenchError(f"{where}: [{kind}.{name}]: unknown setting {setting!r}{known}")
        for value in [tried.low, tried.high] if isinstance(tried, Range) else tried:
            validate(f"{where}: [{kind}.{name}]", cls, {setting: value})
