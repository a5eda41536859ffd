"""The result of a search as a fragment of a matrix file."""

from collections.abc import Mapping
from typing import Any

from benchbench.errors import BenchbenchError
from benchbench.planning.tuned import Tuned
from benchbench.tuning.space import Place, put


def rule(where: Mapping[str, Any], chosen: Mapping[Place, Any]) -> dict[str, Any]:
    """The ``[[when]]`` rule that gives a method, by its axes, the chosen values."""
    found: dict[str, Any] = dict(where)
    for place, value in chosen.items():
        # Settings of components stand in a table of their own, below which they are named as in the space.
        put(found, place if len(place) == 2 else ("settings", *place), value)
    return found


def fragment(chosen: Mapping[Place, Any], declared: Tuned) -> str:
    """TOML to put at the end of a matrix: a rule with the chosen values, and the declaration of the search. Both are
    elements of arrays, so any number of fragments may follow each other."""
    declaration = declared.model_dump(mode="json", exclude_none=True)
    return _element("when", rule(declared.where or {}, chosen)) + "\n" + _element("tuned", declaration)


def _element(array: str, content: Mapping[str, Any]) -> str:
    try:
        import tomli_w
    except ModuleNotFoundError:
        raise BenchbenchError("benchbench tune needs tomli-w: install benchbench-suite[tune]") from None
    # The library would write a short array of tables on one line, to which nothing can be appended.
    return tomli_w.dumps({array: content}).replace(f"[{array}]", f"[[{array}]]", 1)
