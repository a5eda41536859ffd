"""What is required of a backbone: shapes, independence of samples, gradients, state."""

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench.data.modality import modality_named
from benchbench.encoding.backbone import Backbone
from benchbench.encoding.precision import encoding_in
from benchbench.encoding.sample import PADDING, SampleSpec
from benchbench.encoding.task_norm import convert_norm
from benchbench.encoding.tasks import encode
from benchbench.errors import BenchbenchError
from benchbench.evaluation.independence import check_alone
from benchbench.rng import Rng, seeded_globals
from benchbench.testing.checks import check
from benchbench.testing.guards import own_draws_only, through_safetensors, unchanged
from benchbench.testing.subjects import Fault, NotApplicable, Subject

RNG = Rng("conformance", "backbone")
#: How far features in bfloat16 may be from those in float32, over their size: unit roundoff is 0.4 %, and layers add it
#: up.
HALF = 0.1


def built(subject: Subject, sample: SampleSpec, seed: int = 0) -> Backbone | None:
    """The encoder, its norms converted as the core does; None if it refuses such samples with a reason."""
    try:
        made = convert_norm(subject.build(sample, seed=seed))
    except BenchbenchError:
        return None
    assert isinstance(made, Backbone)
    return made


def encoders(subject: Subject) -> Iterator[tuple[Backbone, SampleSpec]]:
    """An encoder for every shape that it accepts, one after the other. Raises Fault if it refuses all."""
    given = 0
    for sample in subject.shapes():
        encoder = built(subject, sample)
        if encoder is not None:
            given += 1
            yield encoder, sample
    if not given:
        tried = ", ".join(str(s.shape) for s in subject.shapes())
        raise Fault(f"it refuses samples of every shape tried ({tried}): take one of them, or hand in `samples`")


def one(subject: Subject, seed: int = 0) -> tuple[Backbone, SampleSpec]:
    """The encoder for the first shape that it takes."""
    if "sample" not in subject.found:
        subject.found["sample"] = next(encoders(subject))[1]
    sample: SampleSpec = subject.found["sample"]
    encoder = built(subject, sample, seed)
    assert encoder is not None
    return encoder, sample


def batch(sample: SampleSpec, count: int, *leading: int) -> Tensor:
    """Samples (*leading, count, *shape): in [0, 1], or ids, the last of the vocabulary among them."""
    g = torch.Generator().manual_seed(3)
    if sample.vocabulary:
        x = modality_named(sample.modality).examples(sample, count * prod(leading), g)
        x[0, 0] = len(sample.vocabulary) - 1
        return x.unflatten(0, (*leading, count))
    return torch.rand(*leading, count, *sample.shape, generator=g, dtype=torch.float64).to(torch.get_default_dtype())


@check("backbone")
def feature_shapes(subject: Subject) -> None:
    """Features are finite (N, dim), on one channel, on three, and on images that are not square."""
    for encoder, sample in encoders(subject):
        if not isinstance(getattr(encoder, "dim", None), int):
            raise Fault("it has no `dim`: set it in the constructor to the features of a sample")
        with torch.no_grad():
            features = encoder.eval()(batch(sample, 2))
        if tuple(features.shape) != (2, encoder.dim):
            raise Fault(
                f"for 2 samples {sample.shape} it gives {tuple(features.shape)}, where its `dim` says "
                f"(2, {encoder.dim}): return one flat vector a sample, and set `dim` to its length"
            )
        if features.dtype != torch.get_default_dtype() or not features.isfinite().all():
            raise Fault(f"its features of samples {sample.shape} are no finite {torch.get_default_dtype()}")


@check("backbone")
def batch_of_one(subject: Subject) -> None:
    """In evaluation, a sample's features are the same alone as among others, at every place of a small batch or a
    large one."""
    for encoder, sample in encoders(subject):
        x = batch(sample, 3)
        with torch.no_grad():
            alone = encoder.eval()(x[:1])
            # Place by place: the three in their order, then again in another one, among themselves or many others.
            orders = [torch.tensor(order) for order in ([0, 1, 2], [2, 0, 1], [1, 2] * 16 + [0])]
            whole = [encoder(x[order]) for order in orders]
        if tuple(alone.shape) != (1, encoder.dim) or not alone.isfinite().all():
            raise Fault(f"for one sample it gives {tuple(alone.shape)}, not finite (1, {encoder.dim}): drop squeeze()")
        try:
            for order, features in zip(orders, whole, strict=True):
                check_alone(encoder, x[order[-3:]], features[-3:])
        except BenchbenchError:
            raise Fault(
                "in evaluation a sample's features depend on the other samples of its batch: use running statistics "
                "(torch's own batch norm), and no sum over the batch"
            ) from None


@check("backbone")
def draws_follow_the_stream(subject: Subject) -> None:
    """In evaluation, the same samples give the same features, and no global generator is touched."""
    encoder, sample = one(subject)
    x = batch(sample, 2)
    with torch.no_grad(), own_draws_only("its forward method"):
        first = encoder.eval()(x)
    with torch.no_grad():
        if not torch.equal(first, encoder(x)):
            raise Fault("the same samples give other features at the second call: draw nothing in evaluation")
    encoder.train()
    with torch.no_grad(), own_draws_only("its forward method in training", encoder):
        encoder(x)


@check("backbone")
def initialisation_follows_the_seed(subject: Subject) -> None:
    """The same seed gives the same initial weights."""
    (first, sample), (again, _) = one(subject), one(subject)
    with own_draws_only("its constructor", torch.nn.Dropout()), seeded_globals(RNG):
        subject.build(sample)
    for (name, a), b in zip(first.state_dict().items(), again.state_dict().values(), strict=True):
        if not torch.equal(a, b):
            raise Fault(f"the same seed gives other initial weights at {name}: initialise with torch's own generator")


@check("backbone")
def inputs_untouched(subject: Subject) -> None:
    """Encoding leaves the samples unchanged."""
    encoder, sample = one(subject)
    x = batch(sample, 2)
    advice = "normalise into a new tensor (x = x - mean), without operations that end in _ or inplace=True on the input"
    with torch.no_grad(), unchanged("its forward method", advice, the_samples=x):
        encoder(x)


@check("backbone")
def gradients_reach_every_weight(subject: Subject) -> None:
    """Every trainable weight gets a gradient; if there are none, `trainable` says so."""
    encoder, sample = one(subject)
    weights = {k: w for k, w in encoder.named_parameters() if w.requires_grad}
    if not weights:
        if subject.cls.trainable:
            raise Fault("it has no trainable weight but does not say so: set `trainable = False`")
        raise NotApplicable("it has nothing to train")
    if not subject.cls.trainable:
        raise Fault(f"it says `trainable = False` but {next(iter(weights))} is: requires_grad_(False), or drop it")
    features = encode(encoder.train(), batch(sample, 6, 1), norm="episode")
    g = torch.Generator().manual_seed(0)
    (features * torch.randn(features.shape, generator=g)).sum().backward()
    for name, weight in weights.items():
        if weight.grad is None or not weight.grad.isfinite().all():
            raise Fault(f"{name} gets no finite gradient: use it in forward, or remove it")


@check("backbone")
def half_precision(subject: Subject) -> None:
    """With ``training.precision = "bfloat16"`` it gives float32 features near those of float32."""
    encoder, sample = one(subject)
    x = batch(sample, 8)
    encoder.float()
    x = x.float() if x.is_floating_point() else x
    # In training, statistics of a few samples magnify whatever rounding is there.
    with torch.no_grad():
        wanted = encoder.eval()(x)
        with encoding_in("bfloat16"):
            found = encoder(x)
    if found.dtype != torch.float32:
        raise Fault(f"under bfloat16 its features are {found.dtype}: let `forward` be the method of the class")
    away = (found - wanted).norm() / wanted.norm().clamp(min=1e-6)
    if not away < HALF:
        raise Fault(
            f"under bfloat16 its features are {away:.0%} from those of float32: compute sums, norms and differences "
            "of close numbers in float32 (`x.float()`)"
        )


@check("backbone")
def state_round_trip(subject: Subject) -> None:
    """Another encoder gives the same features after loading its state."""
    (encoder, sample), (other, _) = one(subject), one(subject, seed=1)
    with torch.no_grad():
        encoder.train()(batch(sample, 4))  # moves running averages
    try:
        other.load_state_dict(through_safetensors(encoder))
    except RuntimeError as error:
        raise Fault(f"its state does not load into a new one ({' '.join(str(error).split())[:200]})") from None
    x = batch(sample, 2)
    with torch.no_grad():
        if not torch.equal(encoder.eval()(x), other.eval()(x)):
            raise Fault(
                "another encoder gives other features after loading its state: keep everything that forward uses in "
                "parameters and buffers (register_buffer), which checkpoints hold"
            )


@check("backbone")
def weights_of_each_task(subject: Subject) -> None:
    """Weights handed in for each task act as if they were its own, and running averages stay unchanged."""
    encoder, sample = one(subject)
    params = {k: w.detach().expand(2, *w.shape) for k, w in encoder.named_parameters()}
    if not params:
        raise NotApplicable("it has no weights")
    x = batch(sample, 3, 2)
    before = {k: v.clone() for k, v in encoder.eval().named_buffers()}
    with torch.no_grad():
        own, given = encode(encoder, x, norm="call"), encode(encoder, x, params=params, norm="call")
        moved = {k: 1.5 * w for k, w in params.items()}
        scaled = encode(encoder, x, params=moved, norm="call")
    if not torch.allclose(own, given, rtol=1e-3, atol=1e-3):
        raise Fault(
            "its own weights, handed in as a task's, give other features: use self.<parameter> in forward alone"
        )
    if torch.equal(given, scaled):
        raise Fault(
            "other weights handed in for a task change nothing: use its parameters in forward, not copies or `.data`"
        )
    for name, value in encoder.named_buffers():
        if not torch.equal(value, before[name]):
            raise Fault(f"encoding under a task's weights moves {name}: move running averages in training alone")


@check("backbone")
def padding_changes_nothing(subject: Subject) -> None:
    """Features of tokens are the same however much padding follows, and finite where there is nothing else."""
    encoder, sample = one(subject)
    if not sample.vocabulary:
        raise NotApplicable("its samples have no padding")
    (length,) = sample.shape
    wider = built(subject, replace(sample, shape=(2 * length,)))
    x = batch(sample, 4)
    with torch.no_grad():
        nothing = encoder.eval()(torch.full_like(x, PADDING))
        if not nothing.isfinite().all():
            raise Fault("features of a sample without tokens are not finite: guard means and softmax over no tokens")
        if wider is None or wider.dim != encoder.dim:
            raise NotApplicable("its features depend on the length by design")
        _grown(wider, encoder)
        padded = wider.eval()(F.pad(x, (0, length), value=PADDING))
        if not torch.allclose(encoder(x), padded, rtol=1e-3, atol=1e-4):
            raise Fault("more padding behind a sample changes its features: mask it in sums, pooling and attention")


def _grown(wider: Backbone, encoder: Backbone) -> None:
    """Give an encoder of longer samples the weights of a shorter one's; what it has more of, such as positions,
    stays."""
    held = encoder.state_dict()
    for name, tensor in wider.state_dict().items():
        own = held[name]
        tensor[tuple(slice(0, min(a, b)) for a, b in zip(own.shape, tensor.shape, strict=True))] = own
