"""The closed form of batch norm's second derivative against torch's own and against finite differences."""

import pytest
import torch
from torch.nn import functional as F

from benchbench.encoding.batch_norm import batch_norm

EPS = 1e-5


def inputs(memory_format=torch.contiguous_format):
    torch.manual_seed(0)
    x = torch.randn(3, 4, 3, 2, dtype=torch.float64).contiguous(memory_format=memory_format)
    return [t.requires_grad_() for t in (x, torch.randn(4).double(), torch.randn(4).double())]


def torchs(x, weight, bias):
    return F.batch_norm(x, None, None, weight, bias, True, 0.0, EPS)


def ours(x, weight, bias):
    return batch_norm(x, weight, bias, EPS)


def to_second_order(norm, inputs):
    """Value, gradients and the gradients of a mixture of these, of a loss that is curved in the norm's output."""
    y = norm(*inputs)
    first = torch.autograd.grad(y.pow(3).sum(), inputs, create_graph=True)
    mixture = sum((g * torch.arange(1.0, g.numel() + 1).double().view_as(g).sin()).sum() for g in first)
    return [y, *first, *torch.autograd.grad(mixture, inputs)]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_it_is_torchs_to_second_order(memory_format):
    for found, expected in zip(
        to_second_order(ours, inputs(memory_format)), to_second_order(torchs, inputs()), strict=True
    ):
        assert (found - expected).abs().max() <= 1e-10 * expected.abs().max().clamp(min=1)


def test_finite_differences_agree():
    assert torch.autograd.gradgradcheck(ours, inputs())


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_value_and_gradient_are_torchs_to_the_bit(memory_format):
    x, weight, bias = (t.detach().float().requires_grad_() for t in inputs(memory_format))
    results = []
    for norm in (ours, torchs):
        y = norm(x, weight, bias)
        results.append([y, *torch.autograd.grad(y.square().sum(), (x, weight, bias))])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_a_third_derivative_is_refused():
    x, weight, bias = inputs()
    first = torch.autograd.grad(ours(x, weight, bias).pow(3).sum(), x, create_graph=True)[0]
    second = torch.autograd.grad(first.square().sum(), x, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        second.sum().backward()
