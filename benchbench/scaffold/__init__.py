"""A complete distribution for a new plugin, from the templates beside this file."""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from benchbench.components.registry import GROUPS, offers
from benchbench.errors import BenchbenchError

KINDS = ("pretext", "meta", "backbone", "dataset", "protocol")
#: Kinds whose example depends on what samples are, and the modalities that there are examples for.
OF_SAMPLES, MODALITIES = ("pretext", "backbone", "dataset"), ("image", "text")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
PREFIX = "benchbench-"

#: Where each template goes in the distribution, and once for each component; `$module` is filled in here too.
FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "LICENSE": "LICENSE",
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/tests.yml",
}
COMPONENT_FILES = {"$template.py": "$module.py", "test_$template.py": "tests/test_$module.py"}


def new_plugin(name: str, kinds: str | Sequence[str], folder: Path, modality: str = "image") -> Path:
    """Write the distribution ``benchbench-NAME`` into `folder`, for samples of a modality; returns its path.

    It offers one component NAME, or, of several `kinds`, one called NAME-KIND of each. Raises BenchbenchError for a
    name that breaks the rules or is taken, and for a path that exists.
    """
    name, kinds = name.removeprefix(PREFIX), [kinds] if isinstance(kinds, str) else list(dict.fromkeys(kinds))
    if not NAME.fullmatch(name):
        raise BenchbenchError(
            f"plugin name {name!r}: expected lower-case words of letters and digits with '-' between them, such as "
            "'my-method'"
        )
    if modality not in MODALITIES:
        raise BenchbenchError(f"--modality {modality}: there are examples of {' and '.join(MODALITIES)}")
    components = [_words(name if len(kinds) == 1 else f"{name}-{kind}", kind, modality) for kind in kinds]
    for words in components:
        _check_free(words["name"], words["kind"], words["module"])
    target = folder / f"{PREFIX}{name}"
    if target.exists():
        raise BenchbenchError(f"{target} exists: name another --path, or move it away")
    try:
        for template, place in FILES.items():
            _write(target, template, place, _whole(name, components))
        for words in components:
            for template, place in COMPONENT_FILES.items():
                _write(target, Template(template).substitute(words), place, words)
    except OSError as error:
        raise BenchbenchError(f"{target} cannot be written: {error.strerror}") from None
    return target


def _check_free(name: str, kind: str, module: str) -> None:
    for offer in offers(kind):
        if offer.name == name:
            raise BenchbenchError(
                f"plugin name {name!r}: {offer.distribution} offers a {kind} of this name: take another"
            )
    if find_spec(module):
        raise BenchbenchError(f"plugin name {name!r}: a package {module} is installed: take another")


def _write(target: Path, template: str, place: str, words: Mapping[str, str]) -> None:
    path = target / Template(place).substitute(words)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(Template(_template(template)).substitute(words), "utf-8")


def _template(name: str) -> str:
    return files(__package__).joinpath("templates", f"{name}.tmpl").read_text("utf-8")


def _words(name: str, kind: str, modality: str) -> dict[str, str]:
    """The values that templates are filled with."""
    cls = "".join(word.capitalize() for word in name.split("-"))
    template = f"{kind}.{modality}" if modality != "image" and kind in OF_SAMPLES else kind
    if re.search(rf"\b{cls}\b", _template(f"{template}.py")):
        # The class would hide a name that the module imports.
        cls += kind.capitalize()
    return {
        "name": name,
        "kind": kind,
        "template": template,
        "group": GROUPS[kind],
        "distribution": f"{PREFIX}{name}",
        "module": f"benchbench_{name.replace('-', '_')}",
        "cls": cls,
    }


def _whole(name: str, components: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The values for the files of the distribution, which tell of every component."""
    points = '\n[project.entry-points."$group"]\n$name = "$module:$cls"\n'
    return {
        "distribution": f"{PREFIX}{name}",
        "what": " and ".join(f"{words['kind']} {words['name']}" for words in components),
        "marked": " and ".join(f"{words['kind']} `{words['name']}`" for words in components),
        "shows": "\n".join(f"    python -m benchbench plugins show {words['name']}" for words in components),
        "entry_points": "".join(Template(points).substitute(words) for words in components),
        "files": ", ".join(f'"{words["module"]}.py"' for words in components),
        "modules": " and ".join(f"`{words['module']}.py`" for words in components),
        "tests": " and ".join(f"`tests/test_{words['module']}.py`" for words in components),
        "checks": "checks" if len(components) == 1 else "check",
    }
