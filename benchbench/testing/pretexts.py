"""What is required of a pretext: its losses, its draws, what it reads, what it costs, and its state."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from benchbench.data.modality import takes
from benchbench.data.pool import Pool
from benchbench.encoding.backbone import Backbone
from benchbench.encoding.sample import SampleSpec
from benchbench.errors import BenchbenchError
from benchbench.rng import Rng, seeded_globals
from benchbench.testing.checks import check
from benchbench.testing.contract import defines
from benchbench.testing.guards import descend, own_draws_only, through_safetensors, unchanged
from benchbench.testing.standins import embedding, encoder_for, pool_of
from benchbench.testing.subjects import Fault, NotApplicable, Subject
from benchbench.training.on_encoder import Progress
from benchbench.training.pretext import Batch, Pretext

RNG = Rng("conformance", "pretext")
SAMPLES = 6


@dataclass(frozen=True)
class Set:
    """A pretext ready to train, with its encoder and pool."""

    pretext: Pretext
    encoder: Backbone
    pool: Pool

    def batch(self, size: int = SAMPLES) -> Batch:
        """The first samples of the pool."""
        index = torch.arange(size)
        return Batch(self.pool.samples(index), index, self.pool.labels[index] if self.pretext.uses_labels else None)

    def loss(self, batch: Batch | None = None, seed: int = 0) -> Tensor:
        """The plain objective, as a training step computes it."""
        with seeded_globals(RNG.child("globals", seed)):
            return self.pretext.loss(batch or self.batch(), RNG.child("loss", seed))


def prepared(subject: Subject, sample: SampleSpec, *, normless: bool = False) -> Set | str:
    """The pretext on a stand-in encoder, prepared on a pool; the reason if it refuses such samples. `normless`: without
    batch norm, for a batch of one sample."""
    for cls in (subject.cls, *subject.named("pretext")):
        if reason := cls.misfit(sample):
            return reason
        if not takes(cls.modalities, sample.modality):
            return f"{cls.__name__} is not for modality {sample.modality}"
    # The stand-in for ids has no norm anyway.
    needs_map = normless and not sample.vocabulary
    requires: frozenset[str] = subject.cls.requires or frozenset({"linear"} if needs_map else ())
    encoder = encoder_for(sample, requires)
    if encoder is None:
        raise NotApplicable(f"no stand-in encoder provides {', '.join(sorted(subject.cls.requires))}")
    try:
        pretext: Pretext = subject.build(encoder, sample)
        pool = pool_of(sample, labelled=pretext.uses_labels)
        with seeded_globals(RNG.child("prepare")):
            pretext.prepare(pool, embedding(encoder), RNG.child("prepare"))
    except BenchbenchError as refusal:
        if "unlabelled pool" in str(refusal):
            raise Fault("it reads the pool's labels without saying so: set `uses_labels = True`") from None
        return str(refusal)
    return Set(pretext.train(), encoder.train(), pool)


def sets(subject: Subject) -> list[Set]:
    """The pretext on every shape that it accepts. Raises Fault if it refuses all."""
    tried = {sample: prepared(subject, sample) for sample in subject.shapes()}
    found = [made for made in tried.values() if isinstance(made, Set)]
    if not found:
        reasons = "; ".join(f"{sample.shape}: {reason}" for sample, reason in tried.items())
        raise Fault(f"it refuses samples of every shape tried ({reasons}): take one of them, or hand in `samples`")
    return found


def one(subject: Subject, objective: str, *, normless: bool = False) -> Set:
    """The pretext on the first samples that it takes and has the objective on. Raises NotApplicable if it lacks it."""
    if objective not in subject.found:
        every = sets(subject)
        able = [one for one in every if objective in one.pretext.objectives]
        subject.found[objective] = (able or every)[0].pretext.sample
    made = prepared(subject, subject.found[objective], normless=normless)
    assert isinstance(made, Set)
    if objective not in made.pretext.objectives:
        raise NotApplicable(f"it has no objective {objective!r}")
    # One defect, one failure: declarations have a check of their own.
    if not defines(subject, objective):
        raise NotApplicable(f"it declares the objective {objective!r} without it")
    return made


@check("pretext")
def plain_loss(subject: Subject) -> None:
    """The plain loss is a finite scalar on one channel, on three, and on images that are not square."""
    one(subject, "plain")
    for made in [able for able in sets(subject) if "plain" in able.pretext.objectives]:
        shape = made.pretext.sample.shape
        try:
            loss = made.loss()
        except (AttributeError, TypeError, AssertionError) as error:
            _reads_labels(made, error)
            raise
        if loss.dim() or not loss.is_floating_point():
            raise Fault(f"its loss is {loss.dtype} of shape {tuple(loss.shape)}: return the mean, a scalar")
        if not loss.isfinite():
            raise Fault(f"its loss of samples {shape} is {float(loss)}: guard divisions, logarithms and square roots")


def _reads_labels(made: Set, error: Exception) -> None:
    if made.pretext.uses_labels:
        return
    batch = made.batch()
    try:
        made.loss(replace(batch, y=torch.zeros(len(batch.x), dtype=torch.int64)))
    except Exception:
        return
    raise Fault("it reads batch.y, which is None unless it says so: set `uses_labels = True`") from error


@check("pretext")
def batch_of_one(subject: Subject) -> None:
    """A batch of one sample gives a finite loss, or a BenchbenchError that says why not."""
    made = one(subject, "plain", normless=True)
    try:
        loss = made.loss(made.batch(1))
    except BenchbenchError:
        return
    if not loss.isfinite():
        raise Fault(
            f"its loss of a batch of one sample is {float(loss)}: a variance over one sample is not defined; guard it, "
            "or raise BenchbenchError with how many it needs"
        )


@check("pretext")
def draws_follow_the_stream(subject: Subject) -> None:
    """The same `rng` gives the same loss, and no global generator is touched."""
    made = one(subject, "plain")
    with own_draws_only("its loss", made.pretext, made.encoder):
        first = made.pretext.loss(made.batch(), RNG.child("loss", 0))
    if not torch.equal(first, made.pretext.loss(made.batch(), RNG.child("loss", 0))):
        raise Fault(
            "the same batch and the same rng give another loss at the second call: draw from `rng` alone, and change "
            "state in after_step"
        )


@check("pretext")
def prepare_follows_the_stream(subject: Subject) -> None:
    """Preparing draws from `rng` alone, and reads the pool without changing it."""
    made = sets(subject)[0]
    encoder, sample = made.encoder, made.pretext.sample
    pretext = subject.build(encoder, sample)
    pool = pool_of(sample, labelled=pretext.uses_labels)
    everything = torch.arange(len(pool))
    before = pool.samples(everything)
    with seeded_globals(RNG), own_python_and_numpy("its prepare"):
        pretext.prepare(pool, embedding(encoder), RNG.child("prepare"))
    if not torch.equal(pool.samples(everything), before):
        raise Fault("its prepare changes the pool's samples: work on copies")


def own_python_and_numpy(what: str) -> Any:
    """`own_draws_only` without torch's generator, which the core has seeded because `prepare` makes modules."""
    return own_draws_only(what, torch.nn.Dropout())


@check("pretext")
def inputs_untouched(subject: Subject) -> None:
    """Computing the loss leaves the batch unchanged."""
    made = one(subject, "plain")
    batch = made.batch()
    with unchanged("its loss", "work on a copy (x = x.clone(), or operations without a trailing _)", the_batch=batch.x):
        made.loss(batch)


@check("pretext")
def gradients_reach_the_encoder(subject: Subject) -> None:
    """The plain loss has a gradient at the encoder and at every trainable weight of the pretext's own."""
    made = one(subject, "plain")
    made.loss().backward()
    weights = {f"encoder.{k}": w for k, w in made.encoder.named_parameters()} | dict(made.pretext.named_parameters())
    # A batch norm cancels a bias in front of it: a missing gradient is a fault, a zero one is not.
    reached = [k for k, w in weights.items() if w.grad is not None and w.grad.abs().max() > 0]
    if not any(k.startswith("encoder.") for k in reached):
        raise Fault("no gradient of its loss reaches the encoder: encode under autograd, without detach or no_grad")
    for name, weight in weights.items():
        if weight.requires_grad and weight.grad is None:
            raise Fault(
                f"{name} gets no gradient from its loss: use it in the loss, or say requires_grad_(False) where it is "
                "moved by after_step"
            )
        if weight.grad is not None and not weight.grad.isfinite().all():
            raise Fault(f"the gradient at {name} is not finite: guard square roots and norms at zero")


@check("pretext")
def views_declared(subject: Subject) -> None:
    """`views` is how many views of each sample pass through the encoder: the budget counts them."""
    made = one(subject, "plain")
    if made.encoder.provides and subject.cls.requires:
        raise NotApplicable("it reaches the encoder through what it requires, where views cannot be counted")
    passed = 0

    def count(_: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal passed
        passed += len(inputs[0])

    hook = made.encoder.register_forward_pre_hook(count)
    try:
        made.loss()
    finally:
        hook.remove()
    if passed != SAMPLES * made.pretext.views:
        raise Fault(
            f"its loss encodes {passed} views of {SAMPLES} samples, but `views` is {made.pretext.views}: declare "
            f"`views = {passed / SAMPLES:g}`, or the budget is not the one that is recorded"
        )


@check("pretext")
def task_loss(subject: Subject) -> None:
    """The task loss is a function of the encoder that it is handed, and the same for the same `rng`."""
    made = one(subject, "task")
    x = made.batch().x
    first, again = (made.pretext.task_loss(made.encoder, x, RNG.child("task")) for _ in range(2))
    if not torch.equal(first, again):
        raise Fault("the same samples and the same rng are another task at the second call: draw from `rng` alone")
    if first.dim() or not first.isfinite():
        raise Fault(f"its task loss is {first.tolist()}: return a finite scalar")
    handed = _Handed(made.encoder)
    loss = made.pretext.task_loss(handed, x, RNG.child("task"))
    found = torch.autograd.grad(loss, [handed.probe], allow_unused=True)[0] if loss.requires_grad else None
    if not handed.calls or found is None:
        raise Fault("its task loss does not use the `encode` that it is handed: call encode(x), never self.encoder(x)")
    inside = [w for w in made.encoder.parameters() if w.requires_grad]
    if any(g is not None for g in torch.autograd.grad(loss, inside, allow_unused=True)):
        raise Fault("its task loss reaches self.encoder beside `encode`: an adapted encoder is then not what it scores")


class _Handed:
    """An encoder whose features depend on a probe alone."""

    def __init__(self, encoder: Backbone):
        self.encoder, self.calls = encoder, 0
        self.probe = torch.zeros((), requires_grad=True)

    def __call__(self, x: Tensor) -> Tensor:
        """x (N, *shape) -> (N, dim)."""
        self.calls += 1
        return self.encoder(x).detach() + self.probe

    def positions(self, x: Tensor) -> Tensor:
        """x (N, T) -> (N, T, dim)."""
        self.calls += 1
        return self.encoder.positions(x).detach() + self.probe  # type: ignore[operator]


@check("pretext")
def state_round_trip(subject: Subject) -> None:
    """A pretext that resumes from a checkpoint has the loss that it would have had without the interruption."""
    whole, resumed = one(subject, "plain"), one(subject, "plain")
    if whole.pretext.closed_form:
        raise NotApplicable("it is found in closed form, in no steps")
    for step in range(2):
        whole.loss(seed=step).backward()
        descend(whole.pretext.parameter_groups())
        whole.pretext.after_step(Progress(step + 1, 10, (step + 1) * SAMPLES))
    for left, right in ((whole.encoder, resumed.encoder), (whole.pretext, resumed.pretext)):
        try:
            right.load_state_dict(through_safetensors(left))
        except RuntimeError as error:
            raise Fault(
                f"its state does not load into one that was prepared anew ({' '.join(str(error).split())[:200]}): make "
                "all modules and buffers in the constructor or in prepare"
            ) from None
    if not torch.equal(whole.loss(seed=9), resumed.loss(seed=9)):
        raise Fault(
            "after loading its state the loss is another: keep what training changes in parameters and buffers "
            "(register_buffer), which checkpoints hold"
        )
