"""The result of a search as a fragment of a matrix file."""

from collections.abc import Mapping
from typing import Any

from benchbench.errors import BenchbenchError
from benchbench.planning.matrix import Tuned
from benchbench.tuning.space import Place


def fragment(chosen: Mapping[Place, Any], declared: Tuned) -> str:
    """TOML to put into a matrix: ``[settings]`` with the chosen values, and the declaration of the search."""
    try:
        import tomli_w
    except ModuleNotFoundError:
        raise BenchbenchError("benchbench tune needs tomli-w: install benchbench-suite[tune]") from None
    settings: dict[str, dict[str, dict[str, Any]]] = {}
    for (kind, name, setting), value in chosen.items():
        settings.setdefault(kind, {}).setdefault(name, {})[setting] = value
    return tomli_w.dumps({"settings": settings, "tuned": [declared.model_dump(mode="json")]})
