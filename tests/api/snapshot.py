"""The public API as text: every name of ``benchbench.__all__`` with its signature, its methods and its attributes."""

import dataclasses
import importlib
import inspect
from pathlib import Path
from typing import Any

import benchbench

LOCK = Path(__file__).with_name("public.txt")


def described() -> str:
    """One line a name or member, in alphabetical order."""
    lines = []
    for name in sorted(benchbench.__all__):
        value = getattr(benchbench, name)
        if inspect.isclass(value) and value.__module__.startswith("benchbench."):
            bases = ", ".join(b.__name__ for b in value.__bases__ if b is not object)
            lines += [f"class {name}({bases})", *(f"    {member}" for member in members(value))]
        elif inspect.ismodule(value):
            # A folder that can be called stands by what it calls.
            home = importlib.import_module(f"benchbench.{benchbench._HOME[name]}")
            lines.append(f"def {name}{inspect.signature(getattr(home, name))}")
        elif inspect.isroutine(value):
            lines.append(f"def {name}{inspect.signature(value)}")
        else:
            # An object without a text of its own stands by its type.
            lines.append(f"{name} = {type(value).__name__ if ' at 0x' in repr(value) else repr(value)}")
    return "\n".join(lines) + "\n"


def members(cls: Any) -> list[str]:
    """What a class itself defines in public: its constructor, fields, attributes, properties and methods."""
    # A dataclass's fields are its constructor's arguments.
    fields = set() if dataclasses.is_dataclass(cls) else set(inspect.get_annotations(cls))
    found = [f"__init__{inspect.signature(cls.__init__)}"] if "__init__" in cls.__dict__ else []
    for name in sorted(fields | {n for n in vars(cls) if not n.startswith("_")}):
        value = inspect.getattr_static(cls, name, None)
        plain = getattr(value, "__func__", value)
        if inspect.isfunction(plain):
            found.append(f"{name}{inspect.signature(plain)}")
        elif not name.startswith("_"):
            found.append(f"{name} (property)" if isinstance(value, property) else name)
    return found


if __name__ == "__main__":
    LOCK.write_text(described(), "utf-8")
