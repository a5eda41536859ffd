"""What a user would run instead, written plainly: Conv-4 as the papers have it (a bias in each convolution, ReLU before
the pool), one task after the other.

learn2learn 0.2.0 does not build on Python 3.11; where it ran, the loop over tasks was within 5 % of it and stands for
it here. torchmeta 1.8.0 does not
import beside torchvision 0.29.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from benchbench import Episodes

Rates = Mapping[str, Tensor]


class PlainConv4(nn.Sequential):
    """Four blocks of convolution, batch norm, ReLU and max-pool: (N, C, H, W) -> (N, dim). Batch norm takes the
    statistics of each call, or with `running` has averages."""

    def __init__(self, channels: int, width: int = 64, running: bool = False):
        blocks = [
            nn.Sequential(
                nn.Conv2d(width if i else channels, width, 3, padding=1),
                nn.BatchNorm2d(width, track_running_stats=running),
                nn.ReLU(),
                nn.MaxPool2d(2),
            )
            for i in range(4)
        ]
        super().__init__(*blocks, nn.Flatten())


def plain_net(encoder: Any, head: nn.Linear | None = None, running: bool = False) -> nn.Sequential:
    """The plain form of our Conv-4 and, if one is given, a head behind it, with the same weights and averages."""
    width = encoder.convs[0].out_channels
    body = PlainConv4(encoder.convs[0].in_channels, width, running)
    net = nn.Sequential(body, *([nn.Linear(head.in_features, head.out_features)] if head else []))
    net.to(encoder.convs[0].weight.dtype)
    for theirs, ours in zip(shared(body, net[1] if head else None), shared(encoder, head), strict=True):
        theirs.data.copy_(ours.data)
    for block, norm in zip(list(body)[:4], encoder.norms, strict=True):
        nn.init.zeros_(block[0].bias)
        if running:
            block[1].running_mean.copy_(norm.running_mean)
            block[1].running_var.copy_(norm.running_var)
    return net


def shared(encoder: Any, head: nn.Linear | None = None) -> list[nn.Parameter]:
    """The parameters that ours and the plain form both have, in one order. A bias before a norm does nothing."""
    if isinstance(encoder, PlainConv4):
        convs, norms = [block[0] for block in list(encoder)[:4]], [block[1] for block in list(encoder)[:4]]
    else:
        convs, norms = encoder.convs, encoder.norms
    found = [p for conv, norm in zip(convs, norms, strict=True) for p in (conv.weight, norm.weight, norm.bias)]
    return found + (list(head.parameters()) if head is not None else [])


def tasks(episodes: Episodes) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Support, its labels, queries and theirs of each task."""
    return list(zip(episodes.support_x, episodes.support_y, episodes.query_x, episodes.labels(), strict=True))


def adapted(net: nn.Module, x: Tensor, y: Tensor, rates: Rates, steps: int, first_order: bool) -> dict[str, Tensor]:
    """MAML's inner loop on one task: the weights after `steps` of gradient descent."""
    weights: dict[str, Tensor] = dict(net.named_parameters())
    for _ in range(steps):
        loss = F.cross_entropy(functional_call(net, weights, x), y)
        slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=not first_order)
        weights = {name: w - rates[name] * g for (name, w), g in zip(weights.items(), slopes, strict=True)}
    return weights


def maml_step(net: nn.Module, episodes: Episodes, rates: Rates, steps: int = 1, first_order: bool = False) -> Tensor:
    """The mean query loss of a meta-batch, its gradient left in the weights and, where they learn, in the rates."""
    total = torch.zeros(())
    for x, y, query, labels in tasks(episodes):
        weights = adapted(net, x, y, rates, steps, first_order)
        loss = F.cross_entropy(functional_call(net, weights, query), labels) / len(episodes)
        loss.backward()
        total = total + loss.detach()
    return total


def higher_step(net: nn.Module, episodes: Episodes, rate: float, steps: int = 1, first_order: bool = False) -> Tensor:
    """`maml_step` with higher (Grefenstette et al. 2019)."""
    import higher

    total = torch.zeros(())
    descent = torch.optim.SGD(net.parameters(), rate)
    for x, y, query, labels in tasks(episodes):
        # Untracked, higher would leave the gradient in its own copy of the weights.
        cut = (lambda slopes: [g.detach() for g in slopes]) if first_order else None
        with higher.innerloop_ctx(net, descent, copy_initial_weights=False) as (inner, steep):
            for _ in range(steps):
                steep.step(F.cross_entropy(inner(x), y), grad_callback=cut)
            loss = F.cross_entropy(inner(query), labels) / len(episodes)
            loss.backward()
            total = total + loss.detach()
    return total


def anil_step(net: nn.Sequential, episodes: Episodes, rates: Rates, steps: int = 1) -> Tensor:
    """learn2learn's ANIL: the features of support and query in one call, the inner loop on the head alone."""
    total = torch.zeros(())
    for x, y, query, labels in tasks(episodes):
        support, queries = net[0](torch.cat([x, query])).split([len(x), len(query)])
        weights = adapted(net[1], support, y, rates, steps, False)
        loss = F.cross_entropy(functional_call(net[1], weights, queries), labels) / len(episodes)
        loss.backward()
        total = total + loss.detach()
    return total


def protonet_scores(net: nn.Module, x: Tensor, y: Tensor, query: Tensor, ways: int) -> Tensor:
    """Minus the squared distances of one task's queries to its class means: (Q, ways)."""
    features, queries = net(torch.cat([x, query])).split([len(x), len(query)])
    means = torch.stack([features[y == c].mean(0) for c in range(ways)])
    return -(queries.unsqueeze(1) - means).square().sum(-1)


def protonet_step(net: nn.Module, episodes: Episodes) -> Tensor:
    """The mean query loss of a meta-batch of prototypical networks, its gradient left in the weights."""
    total = torch.zeros(())
    for x, y, query, labels in tasks(episodes):
        loss = F.cross_entropy(protonet_scores(net, x, y, query, episodes.ways), labels) / len(episodes)
        loss.backward()
        total = total + loss.detach()
    return total


def r2d2_step(net: nn.Module, episodes: Episodes, strength: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """The mean query loss of a meta-batch of ridge regressions (Bertinetto et al. 2019), its gradient left in the
    weights."""
    total = torch.zeros(())
    for x, y, query, labels in tasks(episodes):
        features = F.pad(net(torch.cat([x, query])), (0, 1), value=1.0)
        support, queries = features.split([len(x), len(query)])
        gram = support @ support.T + len(x) * strength * torch.eye(len(x), dtype=x.dtype)
        weights = support.T @ torch.linalg.solve(gram, F.one_hot(y, episodes.ways).to(x.dtype))
        loss = F.cross_entropy(scale * queries @ weights + bias, labels) / len(episodes)
        loss.backward()
        total = total + loss.detach()
    return total
