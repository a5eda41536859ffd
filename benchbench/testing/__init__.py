"""Conformance tests for plugin authors: one line in a test file checks a component against its kind's whole contract.

    from benchbench.testing import conformance

    test_conformance = conformance("my-pretext", width=8)

`conformance` takes a component's name or class and its settings, and returns a test that pytest runs once per check.
``benchbench plugins check`` runs the same checks on installed components. Every failure is one message that ends with
what to change. `installed` lets tests run a plugin that is not installed as if it were.
"""

from benchbench.testing.cards import Card, Result, check_component, conformance
from benchbench.testing.installing import installed

__all__ = ["Card", "Result", "check_component", "conformance", "installed"]
