"""Run the checks of a component and put the results on a report card."""

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from benchbench.components.registry import Offer
from benchbench.components.settings import validate
from benchbench.encoding.sample import SampleSpec
from benchbench.errors import BrokenPlugin
from benchbench.testing.checks import CHECKS, Check
from benchbench.testing.subjects import Fault, NotApplicable, Subject

#: The modules that hold a kind's checks.
HOMES = {
    "pretext": ("contract", "pretexts", "episodes", "devices"),
    "meta": ("contract", "metas", "gradients", "devices"),
    "backbone": ("contract", "backbones", "capabilities", "devices"),
    "dataset": ("contract", "datasets"),
    "protocol": ("contract", "protocols", "devices"),
    "modality": ("contract", "modalities"),
}


@dataclass(frozen=True)
class Result:
    """The outcome of one check; `message` says what to change, or why the check does not apply."""

    check: str
    outcome: Literal["pass", "fail", "skip"]
    message: str = ""


@dataclass(frozen=True)
class Card:
    """The report card of a component."""

    kind: str
    name: str
    results: tuple[Result, ...]

    @property
    def conforms(self) -> bool:
        """Whether no check failed."""
        return all(r.outcome != "fail" for r in self.results)

    def text(self) -> str:
        """One line per check; failures say what to change."""
        counts = {o: sum(r.outcome == o for r in self.results) for o in ("pass", "fail", "skip")}
        verdict = "conforms" if self.conforms else "does not conform"
        lines = [
            f"{self.kind} {self.name} {verdict}: "
            f"{counts['pass']} passed, {counts['fail']} failed, {counts['skip']} not applicable"
        ]
        lines += [f"  {r.outcome}  {r.check}" + (f": {r.message}" if r.message else "") for r in self.results]
        return "\n".join(lines)

    def plain(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": self.kind,
            "name": self.name,
            "conforms": self.conforms,
            "checks": [vars(r) for r in self.results],
        }


def checks_of(kind: str) -> list[Check]:
    """Every check of a kind, in order."""
    for home in HOMES[kind]:
        import_module(f"benchbench.testing.{home}")
    return CHECKS[kind]


def run_check(check: Check, subject: Subject) -> Result:
    """Run one check; whatever a component raises counts as its failure."""
    try:
        check.run(subject)
    except NotApplicable as reason:
        return Result(check.name, "skip", str(reason))
    except Fault as fault:
        return Result(check.name, "fail", f"{subject.label}: {fault}")
    except Exception as error:
        return Result(check.name, "fail", f"{subject.label}: {_raised(error, check)}")
    return Result(check.name, "pass")


def _raised(error: Exception, check: Check) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    ours = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent != Path(__file__).parent]
    frame = next((f for f in reversed(ours) if "/torch/" not in f.filename), frame)
    place = f"{Path(frame.filename).name}, line {frame.lineno}"
    named = any(word in str(error).lower() for word in ("cuda", "nvidia"))
    advice = ". Name no device: compute where the samples are (x.device)" if named else ""
    return f"raises {type(error).__name__} ({error}) at {place}, where it must not: {check.what}{advice}"


def check_component(component: str | type | Subject, /, *, samples: Sequence[SampleSpec] = (), **settings: Any) -> Card:
    """Check a component, named as in a matrix or given as its class, under these settings.

    `samples` are the shapes that it is tried on, if its modality needs others than the suite's. Raises BenchbenchError
    for an unknown name and for bad settings.
    """
    subject = component if isinstance(component, Subject) else Subject.of(component, settings, samples)
    validate(subject.label, subject.cls, subject.settings)
    return Card(subject.kind, subject.name, tuple(run_check(c, subject) for c in checks_of(subject.kind)))


def check_offer(offer: Offer, settings: Mapping[str, Any]) -> Card:
    """Check what a distribution offers. A plugin that cannot be imported fails; a component that needs settings and got
    none is skipped with that reason. Raises BenchbenchError for bad settings."""
    try:
        subject = Subject.installed(offer, settings)
        required = [name for name, field in subject.fields.items() if field.is_required()]
    except BrokenPlugin as error:
        return Card(offer.kind, offer.name, (Result("import", "fail", str(error)),))
    if required and not settings:
        reason = f"{offer.kind} {offer.name} must be given settings: --set {required[0]}=..."
        return Card(offer.kind, offer.name, (Result("settings given", "skip", reason),))
    return check_component(subject)


def conformance(
    component: str | type, /, *, samples: Sequence[SampleSpec] = (), **settings: Any
) -> Callable[[Check], None]:
    """A pytest test, parametrised over the checks of a component: ``test_conformance = conformance("my-pretext")``.

    Arguments are those of `check_component`.
    """
    import pytest

    subject = Subject.of(component, settings, samples)
    validate(subject.label, subject.cls, subject.settings)
    checks = checks_of(subject.kind)

    @pytest.mark.parametrize("check", checks, ids=[c.name.replace(" ", "-") for c in checks])
    def test(check: Check) -> None:
        result = run_check(check, subject)
        if result.outcome == "skip":
            pytest.skip(result.message)
        if result.outcome == "fail":
            pytest.fail(result.message, pytrace=False)

    return test


def as_json(cards: Sequence[Card]) -> str:
    """Several cards as JSON text."""
    return json.dumps([card.plain() for card in cards], indent=1)
