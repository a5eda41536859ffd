"""Whether code changed: a hash of what a component's results depend on in its own distribution."""

import ast
import hashlib
import inspect
import sys
from collections.abc import Mapping
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

from benchbench.components.reference import ComponentRef

#: The parts of the harness that results depend on: whole folders, so that a file added to one counts at once, and the
#: files that build, train and score. In keys, `benchbench.revisions` stands for them. Settings, whatever makes them,
#: are in keys themselves.
ENGINE = (
    "data",
    "encoding",
    "episodes",
    "evaluation",
    "training",
    "execution/job.py",
    "execution/recording.py",
    "rng.py",
)


def component_hash(ref: ComponentRef) -> str:
    """The hash of a component's code: the modules of its class and base classes, and what these import from their own
    package. The harness and third-party libraries are left out."""
    return class_hash(ref.load())


@cache
def class_hash(cls: type) -> str:
    """`component_hash` of a class."""
    modules = {base.__module__ for base in cls.__mro__ if not _is_library(base.__module__)}
    waiting = sorted(modules)
    while waiting:
        for name in _own_imports(waiting.pop()) - modules:
            modules.add(name)
            waiting.append(name)
    return _hash({name: _path(sys.modules[name]) for name in modules})


def engine_hash(package: Path) -> str:
    """The hash of the code of `ENGINE` in a copy of the harness. File paths count; comments and docstrings do not."""
    found = [package / place for place in ENGINE]
    files = [file for place in found for file in ([place] if place.is_file() else place.rglob("*.py"))]
    return _hash({path.relative_to(package).as_posix(): path for path in files})


def _hash(named: Mapping[str, Path | None]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(named.items()):
        digest.update(f"{name}\n{code(path) if path else ''}\n".encode())
    return digest.hexdigest()[:16]


def code(path: Path) -> str:
    """A module's text without blank lines, docstrings and whole-line comments: the same under every Python version."""
    text = path.read_text("utf-8")
    prose = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and ast.get_docstring(node, clean=False) is not None
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    lines = (line.rstrip() for number, line in enumerate(text.splitlines(), 1) if number not in prose)
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def _is_library(module: str) -> bool:
    top = module.split(".")[0]
    return top in ("benchbench", "torch", "torchvision") or top in sys.stdlib_module_names


def _path(module: ModuleType) -> Path | None:
    try:
        found = inspect.getsourcefile(module)
    except TypeError:
        return None
    return Path(found) if found and Path(found).is_file() else None


def _own_imports(name: str) -> set[str]:
    """The modules of its own top-level package that a module imports, anywhere in its code."""
    module = sys.modules[name]
    path = _path(module)
    if path is None:
        return set()
    package, found = name.split(".")[0], set[str]()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            written = "." * node.level + (node.module or "")
            base = resolve_name(written, module.__package__ or "")
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {n for n in found if n.split(".")[0] == package and n in sys.modules}
