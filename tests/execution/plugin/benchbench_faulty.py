"""Plugins that misbehave, each in one way."""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from benchbench import Backbone, Batch, Episodes, MetaLearner, Pretext, Rng, SampleSpec


class Faulty(Pretext):
    """A plain pretext that does `harm` in every step."""

    def loss(self, batch: Batch, rng: Rng) -> Tensor:
        """The mean square of the features."""
        self.harm()
        return self.encoder(batch.x).square().mean()

    def harm(self) -> None:
        raise NotImplementedError


class Constructs(Faulty):
    """Cannot be constructed."""

    def __init__(self, encoder: Backbone, sample: SampleSpec):
        raise OSError("no such licence server")


class Raises(Faulty):
    """Raises what does not pickle."""

    def harm(self) -> None:
        class LocalError(Exception):
            pass

        raise LocalError(lambda: None)


class Segfaults(Faulty):
    """Reads address 0."""

    def harm(self) -> None:
        ctypes.string_at(0)


class Hangs(Faulty):
    """Never comes back."""

    def harm(self) -> None:
        time.sleep(10_000)


class Leaks(Faulty):
    """Takes 256 MiB again and again, 8 GiB in all."""

    def harm(self) -> None:
        kept = []
        for _ in range(32):
            kept.append(torch.ones(2**26))
            time.sleep(0.1)


class Diverges(Faulty):
    """Its loss is NaN."""

    def loss(self, batch: Batch, rng: Rng) -> Tensor:
        """NaN."""
        return super().loss(batch, rng) * torch.nan

    def harm(self) -> None:
        pass


class Prints(Faulty):
    """Prints 100 MB and raises."""

    def harm(self) -> None:
        print("the first line", flush=True)
        for _ in range(100):
            os.write(1, b"x" * 999_999 + b"\n")
        print("the last line", file=sys.stderr)
        raise RuntimeError("after many words")


class Forks(Faulty):
    """Leaves a child behind that sleeps, and notes its number in its folder."""

    def harm(self) -> None:
        if (child := os.fork()) == 0:
            time.sleep(10_000)
        with Path(os.environ["FAULTY_CHILDREN"]).open("a") as file:
            file.write(f"{child}\n")


class Exits(Faulty):
    """Calls sys.exit."""

    def harm(self) -> None:
        sys.exit(0)


class Ends(Faulty):
    """Ends its process as if all were well."""

    def harm(self) -> None:
        os._exit(0)


class Kills(Faulty):
    """Is killed as the kernel kills for want of memory."""

    def harm(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Evaluates(MetaLearner):
    """Fails when it is scored."""

    adapter_only = True
    frozen_features = True

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Never."""
        raise ZeroDivisionError("nothing to divide")
