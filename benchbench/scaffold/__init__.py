"""A complete distribution for a new plugin, from the templates beside this file."""

import re
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from benchbench.components.registry import GROUPS, offers
from benchbench.errors import BenchbenchError

KINDS = ("pretext", "meta", "backbone", "dataset", "protocol")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
PREFIX = "benchbench-"

#: Where each template goes in the distribution; `$module` and similar are filled in here too.
FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "LICENSE": "LICENSE",
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/tests.yml",
    "{kind}.py": "$module.py",
    "test_{kind}.py": "tests/test_$module.py",
}


def new_plugin(name: str, kind: str, folder: Path) -> Path:
    """Write the distribution ``benchbench-NAME`` with one component NAME of `kind` into `folder`; returns its path.

    Raises BenchbenchError for a name that breaks the rules or is taken, and for a path that exists.
    """
    name = name.removeprefix(PREFIX)
    if not NAME.fullmatch(name):
        raise BenchbenchError(
            f"plugin name {name!r}: expected lower-case words of letters and digits with '-' between them, such as "
            "'my-method'"
        )
    for offer in offers(kind):
        if offer.name == name:
            raise BenchbenchError(
                f"plugin name {name!r}: {offer.distribution} offers a {kind} of this name: take another"
            )
    words = _words(name, kind)
    if find_spec(words["module"]):
        raise BenchbenchError(f"plugin name {name!r}: a package {words['module']} is installed: take another")
    target = folder / words["distribution"]
    if target.exists():
        raise BenchbenchError(f"{target} exists: name another --path, or move it away")
    try:
        for template, place in FILES.items():
            text = _template(template.format(kind=kind))
            path = target / Template(place).substitute(words)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(Template(text).substitute(words), "utf-8")
    except OSError as error:
        raise BenchbenchError(f"{target} cannot be written: {error.strerror}") from None
    return target


def _template(name: str) -> str:
    return files(__package__).joinpath("templates", f"{name}.tmpl").read_text("utf-8")


def _words(name: str, kind: str) -> dict[str, str]:
    """The values that templates are filled with."""
    cls = "".join(word.capitalize() for word in name.split("-"))
    if re.search(rf"\b{cls}\b", _template(f"{kind}.py")):
        # The class would hide a name that the module imports.
        cls += kind.capitalize()
    return {
        "name": name,
        "kind": kind,
        "group": GROUPS[kind],
        "distribution": f"{PREFIX}{name}",
        "module": f"benchbench_{name.replace('-', '_')}",
        "cls": cls,
    }
