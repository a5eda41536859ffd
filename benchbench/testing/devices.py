"""Whether a component computes where its samples are: on a GPU if there is one, else on a stand-in for one."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchbench.episodes.batch import Episodes, EpisodeShape
from benchbench.evaluation.trained import Trained
from benchbench.rng import Rng, seeded_globals
from benchbench.testing import backbones, episodes, metas, pretexts, protocols
from benchbench.testing.checks import check
from benchbench.testing.elsewhere import ELSEWHERE, elsewhere, move, stream, there
from benchbench.testing.subjects import Fault, NotApplicable, Subject
from benchbench.training.pretext import Batch

PATH = ("conformance", "device")
ADVICE = "make tensors on the device of the samples: device=x.device, rng.on(x.device), .to(x.device), or buffers"


def computed(what: str, modules: list[nn.Module], compute: Callable[[Callable[[Tensor], Tensor], Rng], Tensor]) -> None:
    """Move the modules to another device and compute there; `compute` gets a function that moves a tensor there, and a
    stream. Raises Fault if the result is not there, or if devices are mixed."""
    try:
        if torch.cuda.is_available():
            for module in modules:
                module.cuda()
            with seeded_globals(Rng(*PATH), "cuda"):
                found = compute(lambda x: x.cuda(), Rng(*PATH)).device.type == "cuda"
        else:
            move(modules)
            with elsewhere():
                found = compute(there, stream(*PATH)).device == ELSEWHERE
    except NotApplicable:
        raise
    except Exception as error:
        if any(said in str(error) for said in ("two devices", "same device", "to numpy")):
            raise Fault(f"{what} fails on another device than the CPU ({error}): {ADVICE}") from None
        if torch.cuda.is_available():
            raise
        # What the stand-in cannot do says nothing about the component.
        raise NotApplicable(f"it cannot be tried without a GPU: {type(error).__name__}: {error}") from None
    if not found:
        raise Fault(f"{what} of samples on another device lies on the CPU: {ADVICE}")


@check("backbone")
def any_device(subject: Subject) -> None:
    """It encodes samples on a device other than the CPU."""
    encoder, sample = backbones.one(subject)
    x = backbones.batch(sample, 2)
    computed("its forward method", [encoder.eval()], lambda to, rng: encoder(to(x)))


@check("meta")
def any_device_for_tasks(subject: Subject) -> None:
    """It scores episodes on a device other than the CPU."""
    learner, tasks = metas.tested(metas.learner_of(subject)), metas.tasks_of(subject).withheld()

    def score(to: Callable[[Tensor], Tensor], rng: Rng) -> Tensor:
        moved = Episodes(to(tasks.support_x), to(tasks.support_y), to(tasks.query_x), None, tasks.ways)
        with torch.no_grad():
            return learner.logits(moved, rng)

    computed("its logits method", [learner.encoder, learner], score)


@check("pretext")
def any_device_for_the_loss(subject: Subject) -> None:
    """Its loss is computed on a device other than the CPU."""
    made = pretexts.one(subject, "plain")
    batch = made.batch()

    def loss(to: Callable[[Tensor], Tensor], rng: Rng) -> Tensor:
        y = None if batch.y is None else to(batch.y)
        return made.pretext.loss(Batch(to(batch.x), batch.index, y), rng)

    computed("its loss", [made.encoder, made.pretext], loss)


@check("pretext")
def any_device_for_episodes(subject: Subject) -> None:
    """Its episodes are drawn from a pool on a device other than the CPU."""
    made = pretexts.one(subject, "episodes")
    shape = EpisodeShape(episodes.ways_of(made, 2), 1, 2)

    def draw(to: Callable[[Tensor], Tensor], rng: Rng) -> Tensor:
        made.pool.device = to(torch.zeros(1)).device
        with torch.no_grad():
            return made.pretext.episodes(made.pool, shape, 2, rng).support_x

    computed("its episodes method", [made.encoder, made.pretext], draw)


@check("protocol")
def any_device_for_scores(subject: Subject) -> None:
    """It scores an encoder and images on a device other than the CPU."""
    sample = subject.shapes()[0]
    model = protocols.trained(subject, sample)

    def score(to: Callable[[Tensor], Tensor], rng: Rng) -> Tensor:
        here = to(torch.zeros(1))
        moved = Trained(model.encoder, model.learner, sample, str(here.device))
        target = protocols.watched(subject, sample, device=str(here.device))
        protocols.scored(subject, subject.build(), moved, target, rng)
        # Scores are plain numbers: all that can go wrong is mixing devices on the way.
        return here

    computed("its evaluate method", [model.encoder, model.learner], score)
