"""What components of every kind share. Imports no torch."""

from collections.abc import Mapping
from typing import Any, ClassVar


class Component:
    """Its settings are the keyword-only arguments of its constructor (`benchbench.components.settings`)."""

    #: What a subclass of a contract is a component of: the contract says it, and the registry asks for it.
    kind: ClassVar[str] = ""
    #: Raised when its results change.
    revision: ClassVar[int] = 1
    #: Settings added later, and the values under which nothing changes: equal to them, they stay out of keys.
    neutral: ClassVar[Mapping[str, Any]] = {}
    #: Settings that only say where files lie: out of keys, so that the same data elsewhere are the same data.
    locators: ClassVar[frozenset[str]] = frozenset()
