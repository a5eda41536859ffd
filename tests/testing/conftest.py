"""What tests of the conformance suite share."""

import pytest

from benchbench.testing import check_component
from benchbench.testing.cards import checks_of, run_check
from benchbench.testing.subjects import Subject


@pytest.fixture
def conforms():
    """Assert that a component passes every check."""

    def assert_conforms(component: type, **options: object) -> None:
        card = check_component(component, **options)
        assert card.conforms, card.text()

    return assert_conforms


@pytest.fixture
def caught():
    """Assert that the check that a mutant names fails on it, with a message that names the fix."""

    def assert_caught(component: type) -> None:
        name, advice = component.caught
        subject = Subject.of(component, {}, ())
        (check,) = [c for c in checks_of(subject.kind) if c.name == name]
        result = run_check(check, subject)
        assert result.outcome == "fail", result
        assert advice in result.message
        assert result.message.startswith(f"{subject.kind} {component.__name__}: ")

    return assert_caught
