"""What a record's `content` holds, listed once: who writes, verifies or groups records asks here."""

from typing import Literal, NamedTuple

#: Whose a field is: the ``method``'s (which a leaderboard's row stands for), one ``seed``'s, one ``cell``'s; or it is
#: ``found``, known only once a cell was scored.
Scope = Literal["method", "seed", "cell", "found"]


class Field(NamedTuple):
    """A field of a content, and the kind of component that it holds, where it holds one."""

    scope: Scope
    kind: str | None = None


#: A floor has `sample`, the shape of one, where others have the `source` that they were trained on.
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
#: What follows from the rest, or is known only once it was scored.
DERIVED = frozenset({"stages", *(name for name, field in FIELDS.items() if field.scope == "found")})
#: What tells no two methods apart.
NOT_OF_METHOD = frozenset(name for name, field in FIELDS.items() if field.scope != "method")
