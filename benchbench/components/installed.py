"""The entry points of installed distributions that ``BENCHBENCH_PLUGINS`` lets load.

If it is unset, every installed plugin may load. If set, it is a comma-separated list of distributions, and only those
(and benchbench-suite itself, whose standard plugins are always there) offer components, hooks and commands; if empty,
only the standard plugins load. What is left out is neither imported nor listed.
"""

import os
import re
from importlib import metadata
from importlib.metadata import EntryPoint

from benchbench.errors import BenchbenchError, suggest

STANDARD = "benchbench-suite"
VARIABLE = "BENCHBENCH_PLUGINS"


def entry_points(group: str) -> list[EntryPoint]:
    """The entry points of a group that may load. Raises BenchbenchError if the list names a plugin not installed."""
    found = list(metadata.entry_points(group=group))
    chosen = _chosen()
    return found if chosen is None else [e for e in found if _owner(e) in chosen]


def left_out(group: str, name: str) -> list[str]:
    """The distributions that offer `name` but may not load."""
    chosen = _chosen()
    every = metadata.entry_points(group=group) if chosen is not None else ()
    named = [(e, e.dist.name) for e in every if e.dist and name in (e.name, f"{e.dist.name}:{e.name}")]
    return sorted({owner for e, owner in named if chosen is not None and _owner(e) not in chosen})


def _chosen() -> set[str] | None:
    text = os.environ.get(VARIABLE)
    if text is None:
        return None
    named = [_normal(part.strip()) for part in text.split(",") if part.strip()]
    if named:
        points = metadata.entry_points()
        groups = [group for group in points.groups if group.startswith("benchbench.")]
        plugins = {_owner(e) for group in groups for e in points.select(group=group)}
        for name in named:
            if name not in plugins:
                raise BenchbenchError(f"{VARIABLE}: no plugin {name!r} is installed{suggest(name, plugins)}")
    return {STANDARD, *named}


def _owner(entry: EntryPoint) -> str:
    return _normal(entry.dist.name) if entry.dist else "?"


def _normal(name: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
