"""Revisions of the core's own results: a component has one of its own (`Component.revision`)."""

#: Raised when training changes results: it enters every stage's key.
ENGINE_REVISION = 1
#: Raised when fixed test episodes change: it enters every cell's key. For episodes of variable shape a protocol raises
#: its own revision instead.
EPISODES_REVISION = 1
