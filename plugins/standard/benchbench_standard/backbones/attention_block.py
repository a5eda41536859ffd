from torch import Tensor, nn
from torch.nn import functional as F


class AttentionBlock(nn.Module):
    """A pre-norm transformer block (Vaswani et al. 2017, arXiv 1706.03762, section 3; norms before each part as in
    Xiong et al. 2020, arXiv 2002.04745)."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.project = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """x (N, T, dim) -> (N, T, dim); `seen` says which positions may be attended to, broadcast to (N, heads, T, T),
        all without it."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        x = x + self.project(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))
