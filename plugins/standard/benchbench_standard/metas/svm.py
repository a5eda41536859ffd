"""The multi-class support vector machine as a differentiable layer."""

import torch
from torch import Tensor
from torch.nn import functional as F

#: The most steps of the interior-point method, and the mean complementarity, relative to the cost, where a task is
#: solved: each step divides it by up to ten.
STEPS, SOLVED = 50, 1e-10
#: The share of the way to the nearest bound that a step may go, and how fast complementarity is driven to 0.
SHARE, SHRINK = 0.99, 0.1
#: What is added to the kernel's diagonal, relative to its mean: the dual has one solution then.
RIDGE = 1e-8


def crammer_singer(kernel: Tensor, labels: Tensor, ways: int, cost: float) -> Tensor:
    """The dual solution of Crammer & Singer's SVM (2001): kernel (B, S, S) float64, labels (B, S) -> A (B, S, ways).

    A minimises 1/2 tr(A' K A) - tr(Y' A) under A <= cost Y and rows that sum to 0, Y being the one-hot labels; class k
    has the weights sum_i A_ik x_i, those of min 1/2 |W|^2 + cost sum_i max_k (1 - Y_ik + w_k x_i - w_y x_i).

    Solved by a primal-dual interior-point method, all tasks together. Classes meet in the row sums alone, so a Newton
    step is one S x S system a class and one that joins them. The gradient with respect to the kernel is that of one
    Newton step at the solution, whose matrices are constants: the implicit function theorem.
    """
    eye = torch.eye(kernel.shape[1], dtype=kernel.dtype, device=kernel.device)
    kernel = kernel + RIDGE * kernel.detach().diagonal(dim1=1, dim2=2).mean(1).view(-1, 1, 1) * eye
    y = F.one_hot(labels, ways).to(kernel.dtype)
    with torch.no_grad():
        inside = cost / (2 * ways)
        a = inside * (ways * y - 1)  # rows sum to 0, strictly within the bounds
        z = torch.ones_like(a)
        nu = torch.zeros_like(a[..., 0])
        for _ in range(STEPS):
            slack = cost * y - a
            gap = (slack * z).mean((1, 2), keepdim=True)
            unsolved = gap > SOLVED * cost
            if not unsolved.any():
                break
            mu = SHRINK * gap
            da, dnu = newton_step(kernel, y, a, nu, slack, z, mu)
            dz = (mu + z * da) / slack - z
            # Solved tasks stay: further steps would only come too near the bounds.
            step = torch.minimum(reach(slack, -da), reach(z, dz)) * unsolved
            a, z, nu = a + step * da, z + step * dz, nu + step.squeeze(-1) * dnu
    slack = cost * y - a
    return a + newton_step(kernel, y, a, nu, slack, z, slack * z)[0]


def newton_step(
    kernel: Tensor, y: Tensor, a: Tensor, nu: Tensor, slack: Tensor, z: Tensor, mu: Tensor
) -> tuple[Tensor, Tensor]:
    """The Newton step of `a` and of the row sums' multipliers `nu`; differentiable in the kernel of the residual."""
    fixed = kernel.detach().unsqueeze(1) + torch.diag_embed((z / slack).mT)  # (B, ways, S, S)
    inverse = torch.linalg.inv(fixed)
    residual = -(kernel @ a - y + nu.unsqueeze(-1) + mu / slack).mT.unsqueeze(-1)  # (B, ways, S, 1)
    free = (inverse @ residual).squeeze(-1)  # (B, ways, S): the step if the classes did not meet
    dnu = torch.linalg.solve(inverse.sum(1), free.sum(1) + a.sum(-1))
    return (free - (inverse @ dnu[:, None, :, None]).squeeze(-1)).mT, dnu


def reach(value: Tensor, change: Tensor) -> Tensor:
    """How far each task may step, at most 1, so that its positive values stay positive: (B, 1, 1)."""
    limits = torch.where(change < 0, -value / change, torch.inf)
    return (SHARE * limits.amin((1, 2), keepdim=True)).clamp(max=1)
