"""Revisions of the core's own results; each component has its own (`Component.revision`)."""

from collections.abc import Mapping
from typing import Any

#: Increased when a change to training changes results; it enters every stage's key.
ENGINE_REVISION = 2
#: Increased when fixed test episodes change; it enters every cell's key. For episodes of variable shape, a protocol
#: increases its own revision instead.
EPISODES_REVISION = 1
#: Increased when the same encoder gets other scores on the same test episodes; it enters every cell's key.
EVALUATION_REVISION = 2


def harness() -> dict[str, int]:
    """The revisions of this harness that a record's content holds."""
    return {"engine": ENGINE_REVISION, "evaluation": EVALUATION_REVISION}


def revision_of(content: Mapping[str, Any], part: str) -> int:
    """The ``engine`` or ``evaluation`` revision that a content was made with; the first ones were not written down."""
    return content.get("harness", {}).get(part, 1)


def is_earlier(held: Mapping[str, int]) -> bool:
    """Whether a content's ``harness`` is that of an earlier harness, whose results are not to be mixed with today's."""
    return any(held.get(part, 1) < revision for part, revision in harness().items())
