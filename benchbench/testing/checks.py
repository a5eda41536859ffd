"""The list of checks: functions of a `Subject`, registered for the kinds that they apply to."""

from collections.abc import Callable
from dataclasses import dataclass

from benchbench.testing.subjects import CONTRACTS, Subject


@dataclass(frozen=True)
class Check:
    """A check: `what` is its requirement, in one sentence. `run` raises Fault or NotApplicable."""

    name: str
    what: str
    run: Callable[[Subject], None]


CHECKS: dict[str, list[Check]] = {kind: [] for kind in CONTRACTS}


def check(*kinds: str) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Register a check for some kinds; its name is the function's, its requirement the docstring."""

    def register(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
        made = Check(function.__name__.replace("_", " "), " ".join((function.__doc__ or "").split()), function)
        for kind in kinds:
            CHECKS[kind].append(made)
        return function

    return register
