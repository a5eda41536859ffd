"""What the process server imports before it forks, so that a training need not import it when it starts. Nothing else
imports this module."""

import os
from contextlib import suppress
from importlib import import_module

import torch._dynamo  # noqa: F401  the first optimiser imports it, which takes seconds

import benchbench.execution.worker  # noqa: F401
from benchbench.components.registry import GROUPS, offers

for kind in GROUPS:
    offers(kind)
#: The modules of the components that trainings will use, as named by `Local`.
for name in filter(None, os.environ.get("BENCHBENCH_WARM_MODULES", "").split(",")):
    # Anything that fails here fails again in the training that needs it, and is recorded there.
    with suppress(Exception, SystemExit):
        import_module(name)
