"""What components of every kind share. Imports no torch."""

from collections.abc import Mapping
from typing import Any, ClassVar


class Component:
    """Its settings are the keyword-only arguments of its constructor (`benchbench.components.settings`)."""

    #: Which kind of component a subclass is: set by the contract, checked by the registry.
    kind: ClassVar[str] = ""
    #: Increased when its results change.
    revision: ClassVar[int] = 1
    #: Settings added later, each with the value under which nothing changes: a setting equal to it stays out of keys.
    neutral: ClassVar[Mapping[str, Any]] = {}
    #: Settings that only say where files are: left out of keys, so that the same data elsewhere are the same data.
    locators: ClassVar[frozenset[str]] = frozenset()
    #: Other names that the field searches for it by; case, hyphens and underscores do not matter.
    synonyms: ClassVar[tuple[str, ...]] = ()
