"""What is required of every kind: signatures, declarations, settings, documentation."""

import inspect
import re
from itertools import pairwise
from typing import Any

from torch import nn

from benchbench.components.settings import validate
from benchbench.data.dataset import Dataset
from benchbench.errors import BenchbenchError
from benchbench.keys import canonical
from benchbench.testing.checks import check
from benchbench.testing.subjects import CONTRACTS, Fault, NotApplicable, Subject
from benchbench.training.learner import MetaLearner
from benchbench.training.pretext import Pretext

ALL = tuple(CONTRACTS)
#: The positional arguments of a constructor.
GIVEN = {
    "pretext": ("encoder", "sample"),
    "meta": ("encoder",),
    "backbone": ("sample",),
    "dataset": (),
    "protocol": (),
    "modality": (),
}
#: What must be a frozenset of names, and the known names if they are few.
SETS: dict[str, frozenset[str] | None] = {
    "modalities": None,
    "provides": frozenset({"feature_maps", "tokens", "positions", "linear", "scores"}),
    "requires": frozenset({"feature_maps", "tokens", "positions", "linear", "scores"}),
    "objectives": frozenset({"plain", "task", "episodes"}),
    "test_settings": None,
}
#: The methods of which an objective of a pretext needs one.
OBJECTIVES = {"plain": ("loss", "task_loss"), "task": ("task_loss",), "episodes": ("episodes",)}
SOURCE = re.compile(r"arxiv|doi\b|https?://|\b(1[89]|20)\d\d\b|\bsource:", re.IGNORECASE)


def own(subject: Subject, method: str) -> bool:
    """Whether the component overrides a method of its contract."""
    return getattr(subject.cls, method) is not getattr(CONTRACTS[subject.kind], method)


@check(*ALL)
def constructor(subject: Subject) -> None:
    """The constructor takes what the core hands it, and settings as keyword-only arguments."""
    if missing := sorted(getattr(subject.cls, "__abstractmethods__", ())):
        raise Fault(f"it does not define {', '.join(missing)}: define what its contract leaves abstract")
    given = GIVEN[subject.kind]
    parameters = list(inspect.signature(subject.cls).parameters.values())
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    signature = f"def __init__({', '.join(['self', *given, '*', '...'])})"
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise Fault(f"its constructor takes *arguments, which hide its settings: write {signature}")
    if len(plain) < len(given):
        raise Fault(f"its constructor takes {len(plain)} positional arguments: write {signature}")
    for extra in plain[len(given) :]:
        raise Fault(
            f"{extra.name!r} is a positional argument of its constructor, so it is no setting and no key holds it: "
            f"put it behind a '*': {signature}"
        )
    if any(p.kind is p.VAR_KEYWORD for p in parameters) and not _passed_on(subject.cls):
        raise Fault("its constructor takes **settings that no parent has: name each setting, so that it is validated")


def _passed_on(cls: type) -> bool:
    """Whether ``**settings`` reach a parent's constructor that has settings of its own."""
    owners = [c for c in cls.__mro__ if "__init__" in c.__dict__]
    for owner, parent in pairwise(owners):
        kinds = [p.kind for p in inspect.signature(owner.__init__).parameters.values()]  # type: ignore[misc]
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return True
        theirs = inspect.signature(parent.__init__).parameters.values()  # type: ignore[misc]
        if not any(p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in theirs) or parent is nn.Module:
            return False
    return True


@check(*ALL)
def signatures(subject: Subject) -> None:
    """Its methods take the arguments of their contract, under the same names."""
    for name, method in vars(CONTRACTS[subject.kind]).items():
        if name.startswith("_") or not inspect.isfunction(method):
            continue
        theirs = inspect.getattr_static(subject.cls, name)
        if not inspect.isfunction(theirs):
            continue
        wanted = list(inspect.signature(method).parameters.values())[1:]
        found = list(inspect.signature(theirs).parameters.values())[1:]
        if any(p.kind is p.VAR_POSITIONAL for p in found):
            continue
        required = [p.name for p in found[len(wanted) :] if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
        names = [p.name.lstrip("_") for p in found][: len(wanted)]
        if required or names != [p.name for p in wanted]:
            arguments = ", ".join(["self", *(p.name for p in wanted)])
            raise Fault(
                f"{name}{inspect.signature(theirs)} cannot be called as its contract is: write {name}({arguments})"
            )


@check(*ALL)
def declarations(subject: Subject) -> None:
    """Its class attributes have the types and values that its contract asks for."""
    cls = subject.cls
    if not (isinstance(cls.revision, int) and cls.revision >= 1):
        raise Fault(f"revision is {cls.revision!r}: it is an int from 1 on, raised when results change")
    for name, known in SETS.items():
        value: Any = getattr(cls, name, frozenset())
        if isinstance(value, property):
            continue
        if not (isinstance(value, frozenset) and all(isinstance(v, str) for v in value)):
            raise Fault(f"{name} is {value!r}: write it as a frozenset of names")
        if known is not None and value - known:
            raise Fault(f"{name} holds {sorted(value - known)}: the names are {', '.join(sorted(known))}")
    settings = set(subject.fields)
    # Every learner has those of its contract, and need not have the settings.
    inherited = MetaLearner.test_settings if subject.kind == "meta" else frozenset()
    for name in ("neutral", "locators", "test_settings"):
        if unknown := sorted(set(getattr(cls, name, ())) - settings - inherited):
            raise Fault(f"{name} names {unknown}, which are no settings of it: name settings only")
    if subject.kind == "pretext":
        _objectives(subject)
    if subject.kind == "protocol" and not (cls.metrics and set(cls.metrics.values()) <= {"higher", "lower", "none"}):
        raise Fault(f"metrics is {dict(cls.metrics)!r}: say of each whether 'higher', 'lower' or 'none' is better")


def defines(subject: Subject, objective: str) -> bool:
    """Whether a pretext defines a method for an objective, which it may declare without one."""
    return any(own(subject, method) for method in OBJECTIVES[objective])


def _objectives(subject: Subject) -> None:
    for objective in sorted(subject.cls.objectives):
        if not defines(subject, objective):
            methods = " or ".join(OBJECTIVES[objective])
            raise Fault(f"it declares the objective {objective!r} without it: define {methods}, or leave it out")
    for method in ("loss", "task_loss", "episodes"):
        serves = [o for o, methods in OBJECTIVES.items() if method in methods and o in subject.cls.objectives]
        if own(subject, method) and not serves:
            raise Fault(f"it defines {method}, but its objectives have no use for it: add to `objectives`")
    ways = subject.cls.max_ways
    if not (ways is None or isinstance(ways, property) or (isinstance(ways, int) and ways >= 2)):
        raise Fault(f"max_ways is {ways!r}: it is None or at least 2")


@check(*ALL)
def settings_validated(subject: Subject) -> None:
    """Each setting has a type, a valid default or none, and values that a record can hold."""
    fields = subject.fields
    for name, info in fields.items():
        if info.annotation in (Any, inspect.Parameter.empty):
            raise Fault(f"setting {name!r} has no type and takes anything: annotate it")
    values = validate(subject.label, subject.cls, subject.settings)
    try:
        plain = values.model_dump(mode="json")
        canonical(plain)
        again = validate(subject.label, subject.cls, plain).model_dump(mode="json")
    except Exception as error:
        raise Fault(
            f"its settings are no JSON values that it takes back ({error}): use numbers, text, lists and dicts of these"
        ) from None
    if again != plain:
        raise Fault(f"its settings {plain} are {again} after a record: annotate them with types that JSON keeps")
    try:
        validate(subject.label, subject.cls, {**subject.settings, "no-such-setting": 1})
    except BenchbenchError:
        return
    raise Fault("it accepts a setting that it does not have: name each setting")


@check(*ALL)
def settings_documented(subject: Subject) -> None:
    """Each setting is named in the docstring of its class or constructor, or has a description."""
    written = " ".join(_docstrings(subject.cls)).lower()
    for name, info in subject.fields.items():
        words = [name, *(w for w in name.split("_") if len(w) > 2)]
        if not info.description and not any(word.lower() in written for word in words):
            raise Fault(
                f"setting {name!r} is nowhere explained: say in the docstring of the class or of __init__ what it does"
            )


def _docstrings(cls: type) -> list[str]:
    owners = [c for c in cls.__mro__ if c is not object and c.__module__.partition(".")[0] != "torch"]
    found = [inspect.cleandoc(c.__doc__) for c in owners if c.__doc__]
    inits = [c.__dict__["__init__"].__doc__ for c in owners if "__init__" in c.__dict__]
    return [*found, *(inspect.cleandoc(text) for text in inits if text)]


@check(*ALL)
def documented_with_source(subject: Subject) -> None:
    """Its class has a docstring of its own that says where the method or the data come from."""
    text = subject.cls.__dict__.get("__doc__") or ""
    if not text.strip():
        raise Fault("its class has no docstring: say in one sentence what it is, and the paper and equation it follows")
    if issubclass(subject.cls, Dataset):
        if subject.cls.citation or subject.cls.homepage:
            return
        hint = "set `citation` or `homepage`, or give the paper in the docstring ('Source: own' where it is yours)"
    else:
        hint = "name the paper (authors, year, arXiv or DOI) and equation, or write 'Source: own' where it is yours"
    if not SOURCE.search(text):
        raise Fault(f"its docstring has no source: {hint}")


@check("pretext", "meta")
def encoder_is_borrowed(subject: Subject) -> None:
    """The encoder is not a submodule: it is trained, saved and counted separately."""
    from benchbench.testing.standins import encoder_for

    sample = subject.shapes()[0]
    encoder = encoder_for(sample, getattr(subject.cls, "requires", frozenset()))
    if encoder is None:
        raise NotApplicable(f"no stand-in encoder provides {', '.join(sorted(subject.cls.requires))}")
    made = subject.build(encoder, sample) if issubclass(subject.cls, Pretext) else subject.build(encoder)
    shared = {id(w) for w in encoder.parameters()} & {id(w) for w in made.parameters()}
    if shared:
        raise Fault(
            "it registers the encoder as its own submodule, so it is saved twice: use self.encoder, which the base "
            "class holds"
        )
