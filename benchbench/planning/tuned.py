"""Searches that settings come from, as matrices and records declare them."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator, with_config
from typing_extensions import TypedDict

from benchbench.components.reference import ComponentRef
from benchbench.components.registry import find
from benchbench.errors import suggest
from benchbench.planning.recipe import REPLACED, Count, Section, once
from benchbench.planning.rules import METHOD_AXES, as_list
from benchbench.training.chain import REGIMES


class Range(Section):
    """The values from `low` to `high`, inclusive: integers if both bounds are integers. With `log`, they are spread
    evenly on a logarithmic scale."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("low must be below high, and above 0 with log")
        return self

    def __contains__(self, value: object) -> bool:
        """Whether `value` lies in the range."""
        return isinstance(value, int | float) and self.low <= value <= self.high


#: What a search tries for a setting.
Tried = Range | Annotated[list[str | bool | int | float], Field(min_length=1)]
_Settings = dict[str, Tried]


@with_config(ConfigDict(extra="forbid", strict=True))
class Space(TypedDict, total=False):
    """What a search tried: of components, by kind and name, and of the training and its episodes, setting -> a range or
    a list of values."""

    pretext: dict[str, _Settings]
    meta: dict[str, _Settings]
    backbone: dict[str, _Settings]
    training: _Settings
    episodes: _Settings


class Tuned(Section):
    """The search that some settings come from, as written by ``benchbench tune``. It enters the key and the records of
    every training that uses one of these settings.

    Each of the `trials` trained `method` under `budget`, once for each of `seeds`, none of which may be reported; older
    declarations do not say which they were. `best` is the highest value of the criterion: the mean score on the
    source's validation classes (``labelled-valid``), or the negative of the pretext's own loss on them
    (``pretext-valid``). It belongs to the points of the axes that `where` matches, without it to all.
    """

    criterion: Literal["labelled-valid", "pretext-valid"]
    trials: Count
    sampler: str
    seed: int
    seeds: Annotated[list[int], Field(min_length=1), AfterValidator(once)] | None = None
    best: float
    method: str
    where: dict[str, str | list[str]] | None = None
    budget: dict[str, int]
    space: Space

    @field_validator("where")
    @classmethod
    def _axes(cls, where: dict[str, str | list[str]] | None) -> dict[str, str | list[str]] | None:
        for axis in where or {}:
            if axis not in METHOD_AXES:
                raise ValueError(f"a search has no axis {axis!r}{suggest(axis, METHOD_AXES)}")
        for regime in as_list((where or {}).get("regime", [])):
            if regime not in REGIMES:
                raise ValueError(f"unknown regime {regime!r}{suggest(regime, REGIMES)}")
        return where

    @field_validator("space")
    @classmethod
    def _known(cls, space: Space) -> Space:
        for section, model in REPLACED.items():
            for setting in space.get(section, {}):  # type: ignore[attr-defined]
                if setting not in model.model_fields:
                    raise ValueError(f"{section} has no {setting!r}{suggest(setting, model.model_fields)}")
        return space

    def content(self) -> dict[str, Any]:
        """What keys hash and records hold: not `where`, since a record says itself what it belongs to, and nothing
        that an older declaration does not say."""
        return self.model_dump(mode="json", exclude={"where"}, exclude_none=True)

    def tried(self, refs: Iterable[ComponentRef], recipe: Mapping[str, Any]) -> list[tuple[str, str, Any, Tried]]:
        """What it searched of the given components and of the sections of a recipe: whose setting, its name, its value
        there and the values tried."""
        found = [
            (f"{ref.kind} {ref.bare}", setting, ref.settings.get(setting), tried)
            for ref in refs
            for name, settings in self.space.get(ref.kind, {}).items()  # type: ignore[attr-defined]
            if find(ref.kind, name).qualified == ref.name
            for setting, tried in settings.items()
        ]
        for section, model in REPLACED.items() if recipe else ():
            # A recipe leaves out what is neutral.
            values = model.model_validate(recipe[section])
            searched: _Settings = self.space.get(section, {})  # type: ignore[assignment]
            found += [(section, setting, getattr(values, setting), tried) for setting, tried in searched.items()]
        return found
