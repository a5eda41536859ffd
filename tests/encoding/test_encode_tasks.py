"""Conv-4's grouped path against the plain loop over tasks, and TaskNorm against torch, in float64."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from benchbench import BenchbenchError, SampleSpec, encode, task_batch_norm
from benchbench.encoding.task_norm import Statistics, TaskNorm, convert_norm, use_statistics
from benchbench_standard.backbones.conv4 import Conv4

MODES = ["call", "episode", "support", "running"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def conv(downsample="max-pool", channels=1):
    encoder = convert_norm(Conv4(SampleSpec("image", (channels, 20, 18)), width=4, downsample=downsample)).double()
    for norm in encoder.norms:
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
    return encoder


def own_weights(encoder, tasks=3):
    return {
        k: (w + 0.1 * torch.randn(tasks, *w.shape, dtype=w.dtype)).detach().requires_grad_()
        for k, w in encoder.named_parameters()
    }


def loop(encoder, x, params, mode, support):
    statistics = Statistics(running=mode == "running", support=support if mode == "support" else None)
    with use_statistics(statistics):
        tasks = [functional_call(encoder, {k: w[i] for k, w in params.items()}, (x[i],)) for i in range(len(x))]
    return torch.stack(tasks)


def close(a, b):
    assert (a - b).abs().max() <= 1e-10 * b.abs().max().clamp(min=1), (a - b).abs().max()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("downsample", ["max-pool", "stride"])
@pytest.mark.parametrize("mode", MODES)
def test_grouped_equals_loop_to_second_order(mode, downsample, channels):
    encoder = conv(downsample, channels)
    x = torch.rand(3, 5, channels, 20, 18, dtype=torch.float64)
    params = own_weights(encoder)
    target = torch.randn(3, 5, encoder.dim, dtype=torch.float64)
    direction = {k: torch.randn_like(w) for k, w in params.items()}
    results = []
    for features in (encode(encoder, x, params=params, support=2, norm=mode), loop(encoder, x, params, mode, 2)):
        first = torch.autograd.grad((features.tanh() * target).sum(), list(params.values()), create_graph=True)
        along = sum((g * d).sum() for g, d in zip(first, direction.values(), strict=True))
        results.append([features, *first, *torch.autograd.grad(along, list(params.values()))])
    for grouped, plain in zip(*results, strict=True):
        close(grouped, plain)


def test_weights_left_out_are_the_encoders_own():
    encoder = conv()
    x = torch.rand(2, 5, 1, 20, 18, dtype=torch.float64)
    some = {"convs.1.weight": own_weights(encoder, 2)["convs.1.weight"]}
    close(encode(encoder, x, params=some, norm="call"), loop(encoder, x, some, "call", None))
    none = encode(encoder, x, params={}, norm="call")
    close(none, encode(encoder, x, norm="call"))


@pytest.mark.parametrize("with_params", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_a_task_alone_is_the_task_in_a_batch(mode, with_params):
    encoder = conv().eval()
    x = torch.rand(3, 5, 1, 20, 18, dtype=torch.float64)
    params = own_weights(encoder) if with_params else None
    whole = encode(encoder, x, params=params, support=2, norm=mode)
    for i in range(3):
        mine = None if params is None else {k: w[i : i + 1] for k, w in params.items()}
        close(encode(encoder, x[i : i + 1], params=mine, support=2, norm=mode), whole[i : i + 1])


@pytest.mark.parametrize("mode", MODES)
def test_adapted_forwards_move_no_running_average(mode):
    encoder = conv().train()
    before = {k: v.clone() for k, v in encoder.named_buffers()}
    encode(encoder, torch.rand(3, 5, 1, 20, 18).double(), params=own_weights(encoder), support=2, norm=mode)
    assert all(torch.equal(v, before[k]) for k, v in encoder.named_buffers())


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5), (6, 4, 5, 3)])
def test_task_norm_is_torchs_for_one_task(shape):
    plain = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)](4).double()
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.bias)
    wrapped = nn.Sequential(plain)
    convert_norm(wrapped)
    norm, x = wrapped[0], torch.randn(shape, dtype=torch.float64)
    assert isinstance(norm, TaskNorm)
    expected = plain(x)
    with use_statistics(Statistics(track=True)):
        close(norm(x), expected)
    close(norm.running_mean, plain.running_mean)
    close(norm.running_var, plain.running_var)
    with use_statistics(Statistics()):
        close(norm(x), expected)
    with use_statistics(Statistics(running=True)):
        close(norm(x), plain.eval()(x))
    close(norm.eval()(x), plain(x))


@pytest.mark.parametrize("support", [None, 2])
def test_task_norm_keeps_tasks_apart(support):
    plain, x = nn.BatchNorm2d(4).double(), torch.randn(3, 5, 4, 6, 6, dtype=torch.float64)
    norm = convert_norm(nn.Sequential(plain))[0]
    seen = x[:, :support]
    mean, var = seen.mean((1, 3, 4), keepdim=True), seen.var((1, 3, 4), keepdim=True, unbiased=False)
    expected = (x - mean) / (var + norm.eps).sqrt()
    with use_statistics(Statistics(tasks=3, support=support)):
        close(norm(x.flatten(0, 1)).view_as(x), expected)
    weight, bias = torch.ones(3, 4).double(), torch.zeros(3, 4).double()
    riding = task_batch_norm(x.transpose(0, 1).flatten(1, 2), norm, weight, bias, running=False, support=support)
    close(riding.unflatten(1, (3, 4)).transpose(0, 1), expected)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_the_layout_of_weights_changes_nothing(memory):
    encoder, x = conv(), torch.rand(2, 5, 1, 20, 18, dtype=torch.float64)
    expected = encode(encoder, x, norm="call")
    close(encode(encoder.to(memory_format=memory), x, norm="call"), expected)


class Activating(nn.BatchNorm2d):
    """A batch norm with an activation behind it, as timm has some."""

    def forward(self, x):
        return super().forward(x).relu()


def test_a_batch_norm_that_does_more_is_refused():
    """Replacing it would lose the rest without a word."""
    with pytest.raises(BenchbenchError, match=r"Activating does more than normalise"):
        convert_norm(nn.Sequential(nn.Conv2d(1, 2, 1), Activating(2)))
    converted = convert_norm(nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm3d(2), nn.SyncBatchNorm(2)))
    assert all(isinstance(norm, TaskNorm) for norm in converted)
