"""What the server of processes imports before it forks any, so that the start of a training need not. Nobody else
imports it."""

import os
from contextlib import suppress
from importlib import import_module

import torch._dynamo  # noqa: F401  the first optimiser imports it, which takes seconds

import benchbench.execution.worker  # noqa: F401
from benchbench.components.registry import GROUPS, offers

for kind in GROUPS:
    offers(kind)
#: The modules of the components that will be trained with, which `Local` names.
for name in filter(None, os.environ.get("BENCHBENCH_WARM_MODULES", "").split(",")):
    # What fails here fails again in the training that needs it, and is recorded there.
    with suppress(Exception, SystemExit):
        import_module(name)
