"""What is required of a backbone that provides more: feature maps, tokens, a linear map, a faster path over tasks."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchbench.encoding.backbone import Backbone
from benchbench.encoding.sample import HIDDEN
from benchbench.encoding.task_norm import NormMode, Statistics, use_statistics
from benchbench.encoding.tasks import encode
from benchbench.testing.backbones import batch, one
from benchbench.testing.checks import check
from benchbench.testing.guards import float64
from benchbench.testing.subjects import Fault, NotApplicable, Subject

MODES: tuple[NormMode, ...] = ("running", "call", "support")
SUPPORT = 2


def providing(subject: Subject, what: str) -> Backbone:
    """The encoder, if it provides `what`; else raises NotApplicable."""
    encoder, _ = one(subject)
    if what not in encoder.provides:
        raise NotApplicable(f"it does not provide {what}")
    if what != "linear" and not callable(getattr(encoder, what, None)):
        raise Fault(f"it says that it provides {what!r} without a method {what}: define it, or leave it out")
    return encoder.eval()


@check("backbone")
def feature_maps(subject: Subject) -> None:
    """Feature maps are {stride: (N, C, h, w)} with h = ceil(H / stride), also for sizes other than the sample's."""
    encoder = providing(subject, "feature_maps")
    _, sample = one(subject)
    for height, width in (sample.shape[1:], (48, 32)):
        x = torch.rand(2, sample.shape[0], height, width, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            maps = encoder.feature_maps(x)  # type: ignore[operator]
        for stride, features in maps.items():
            wanted = (2, -(-height // stride), -(-width // stride))
            found = (features.shape[0], *features.shape[2:])
            # A pool without ceil_mode drops a ragged edge.
            floored = (2, height // stride, width // stride)
            if features.dim() != 4 or found not in (wanted, floored):
                raise Fault(
                    f"its map of stride {stride} for images of {height} x {width} is {tuple(features.shape)}: it must "
                    f"be (2, C, {wanted[1]}, {wanted[2]}); name each map by its own stride"
                )


@check("backbone")
def tokens(subject: Subject) -> None:
    """Tokens are (N, T, dim), one for each square of `patch` pixels; `keep` selects some of them."""
    encoder = providing(subject, "tokens")
    _, sample = one(subject)
    patch = getattr(encoder, "patch", None)
    if not isinstance(patch, int):
        raise Fault("it provides tokens without `patch`: set it to the side of a token's square in pixels")
    count = -(-sample.shape[1] // patch) * -(-sample.shape[2] // patch)
    x = batch(sample, 2)
    keep = torch.arange(max(1, count // 2)).expand(2, -1)
    with torch.no_grad():
        everything = encoder.tokens(x)  # type: ignore[operator]
        same = encoder.tokens(x, keep=torch.arange(count).expand(2, -1))  # type: ignore[operator]
        some = encoder.tokens(x, keep=keep)  # type: ignore[operator]
    if tuple(everything.shape) != (2, count, encoder.dim):
        raise Fault(f"its tokens are {tuple(everything.shape)}: they must be (2, {count}, {encoder.dim})")
    if not torch.allclose(everything, same, rtol=1e-3, atol=1e-4):
        raise Fault("its tokens with all of them kept are others than without `keep`: choose tokens in reading order")
    if tuple(some.shape) != (2, keep.shape[1], encoder.dim):
        raise Fault(
            f"of {keep.shape[1]} kept tokens it gives {tuple(some.shape)}: leave out the others before the blocks"
        )


@check("backbone")
def positions(subject: Subject) -> None:
    """Positions are (N, T, dim): the features of each token."""
    encoder = providing(subject, "positions")
    _, sample = one(subject)
    x = batch(sample, 2)
    with torch.no_grad():
        found = encoder.positions(x)  # type: ignore[operator]
    if tuple(found.shape) != (2, *x.shape[1:], encoder.dim) or not found.isfinite().all():
        raise Fault(f"its positions are {tuple(found.shape)}: they must be finite (2, {x.shape[1]}, {encoder.dim})")


@check("backbone")
def linear_map(subject: Subject) -> None:
    """A backbone that provides `linear` is one nn.Linear called ``map``, applied to the flat sample."""
    encoder = providing(subject, "linear")
    _, sample = one(subject)
    x = batch(sample, 2)
    if not isinstance(getattr(encoder, "map", None), nn.Linear):
        raise Fault("it provides 'linear' without an nn.Linear called `map`: name it so")
    with torch.no_grad():
        if not torch.allclose(encoder(x), encoder.map(x.flatten(1))):  # type: ignore[operator]
            raise Fault("its features are others than map(x.flatten(1)): put nothing before or behind the map")


@check("backbone")
def scores(subject: Subject) -> None:
    """A backbone that provides `scores` is one nn.Embedding so called, summed over the known tokens of a sample."""
    encoder, sample = one(subject)
    if "scores" not in encoder.provides:
        raise NotApplicable("it does not provide scores")
    table = getattr(encoder, "scores", None)
    if not isinstance(table, nn.Embedding) or table.embedding_dim != 1 or encoder.dim != 1:
        raise Fault("it provides 'scores' without an nn.Embedding (tokens, 1) called `scores`, or has more features")
    x = batch(sample, 4)
    x[1] = HIDDEN
    with torch.no_grad():
        if not torch.allclose(encoder.eval()(x), (table(x) * (x > HIDDEN).unsqueeze(-1)).sum(1), atol=1e-5):
            raise Fault("its feature is not the sum of the scores of a sample's tokens, hidden ones and padding apart")


@check("backbone")
def encode_tasks(subject: Subject) -> None:
    """`encode_tasks` equals the plain loop over tasks, to second order, in every mode of batch norm."""
    with float64():
        encoder, sample = one(subject)
        if not hasattr(encoder, "encode_tasks"):
            raise NotApplicable("it has no encode_tasks")
        g = torch.Generator().manual_seed(1)
        for name, buffer in encoder.named_buffers():
            if buffer.is_floating_point():
                low = 0.5 if name.endswith("var") else -0.1
                buffer.uniform_(low, low + 0.5, generator=g)
        x = batch(sample, 4, 2)
        params = {
            k: (w + 0.1 * torch.randn(2, *w.shape, generator=g)).detach().requires_grad_()
            for k, w in encoder.named_parameters()
        }
        directions = [torch.randn(w.shape, generator=g) for w in params.values()]
        for mode in MODES:
            fast = encode(encoder, x, params=params, support=SUPPORT, norm=mode)
            _compare(fast, _loop(encoder, x, params, mode), params, directions, mode)
        some = dict(list(params.items())[:1])
        with torch.no_grad():
            left_out = encode(encoder, x, params=some, norm="call"), _loop(encoder, x, some, "call")
    if not torch.allclose(*left_out, rtol=1e-6, atol=1e-8):
        raise Fault("encode_tasks does not use its own weights where `params` leaves some out: fall back on them")


def _loop(encoder: Backbone, x: Tensor, params: dict[str, Tensor], mode: NormMode) -> Tensor:
    with use_statistics(Statistics(running=mode == "running", support=SUPPORT if mode == "support" else None)):
        return torch.stack(
            [functional_call(encoder, {k: w[i] for k, w in params.items()}, (x[i],)) for i in range(len(x))]
        )


def _compare(fast: Tensor, plain: Tensor, params: dict[str, Tensor], directions: list[Tensor], mode: str) -> None:
    """Raise Fault if values, first or second derivatives differ."""
    orders = []
    for features in (fast, plain):
        weights = [*params.values()]
        first = torch.autograd.grad(features.tanh().square().sum(), weights, create_graph=True, materialize_grads=True)
        along = sum((g * d).sum() for g, d in zip(first, directions, strict=True))
        assert isinstance(along, Tensor)
        second = torch.autograd.grad(along, weights, materialize_grads=True)
        orders.append({"features": [features], "first derivatives": first, "second derivatives": second})
    for what, found in orders[0].items():
        for ours, theirs in zip(found, orders[1][what], strict=True):
            if (ours - theirs).abs().max() > 1e-7 * theirs.abs().max().clamp(min=1):
                raise Fault(
                    f"the {what} of encode_tasks differ from the plain loop over tasks under {mode!r} statistics: keep "
                    "tasks apart, honour `running` and `support`, and use operations with second derivatives"
                )
