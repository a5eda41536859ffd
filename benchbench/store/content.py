"""The fields of a record's `content`, listed once for all code that writes, verifies or groups records."""

from typing import Literal, NamedTuple

#: What a field belongs to: the ``method`` (which a leaderboard row stands for), one ``seed`` or one ``cell``; or it is
#: ``found``, known only once a cell has been scored.
Scope = Literal["method", "seed", "cell", "found"]


class Field(NamedTuple):
    """A field of a record's content, and the kind of component it holds, if any."""

    scope: Scope
    kind: str | None = None


#: A floor has `sample`, the shape of a sample, in place of the `source` that others were trained on.
FIELDS: dict[str, Field] = {
    "pretext": Field("method", "pretext"),
    "learner": Field("method", "meta"),
    "backbone": Field("method", "backbone"),
    "source": Field("method", "dataset"),
    "sample": Field("method"),
    "recipe": Field("method"),
    "tuned": Field("method"),
    "seed": Field("seed"),
    "stages": Field("seed"),
    "target": Field("cell", "dataset"),
    "protocol": Field("cell", "protocol"),
    "source_pixels": Field("found"),
    "training_ways": Field("found"),
    "norm": Field("found"),
    "adaptation_steps": Field("found"),
    "pretrained_on": Field("found"),
    "overlap": Field("found"),
}
#: Field -> kind of the component in it.
COMPONENTS: dict[str, str] = {name: field.kind for name, field in FIELDS.items() if field.kind}
#: Fields that follow from the rest, or are known only after scoring.
DERIVED = frozenset({"stages", *(name for name, field in FIELDS.items() if field.scope == "found")})
#: Fields that do not distinguish methods.
NOT_OF_METHOD = frozenset(name for name, field in FIELDS.items() if field.scope != "method")
