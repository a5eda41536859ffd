"""Revisions of the core's own results; each component has its own (`Component.revision`)."""

#: Increased when a change to training changes results; it enters every stage's key.
ENGINE_REVISION = 1
#: Increased when fixed test episodes change; it enters every cell's key. For episodes of variable shape, a protocol
#: increases its own revision instead.
EPISODES_REVISION = 1
