import torch
from pydantic import PositiveInt
from sklearn.decomposition import PCA as Components
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, Encode, Pool, Pretext, Rng, SampleSpec


class PCA(Pretext):
    """Principal components of the pixels: the best linear encoder with a linear decoder (Baldi & Hornik 1989, doi
    10.1016/0893-6080(89)90014-2), found in closed form. It needs a linear backbone, whose `width` is the number of
    components; with its `loss`, the squared error of the reconstruction, that is trained no further."""

    requires = frozenset({"linear"})
    objectives = frozenset({"plain"})
    closed_form = True
    mean: Tensor

    def __init__(self, encoder: Backbone, sample: SampleSpec, *, images: PositiveInt = 10_000):
        """`images` is how many of the pool are used at most."""
        super().__init__(encoder, sample)
        self.images = images
        self.register_buffer("mean", torch.zeros(sample.shape).flatten())

    @torch.no_grad()
    def prepare(self, pool: Pool, embed: Encode, rng: Rng) -> None:
        """Set the encoder's weights to the components and its bias to minus the mean's projection."""
        index = rng.choices(len(pool), min(len(pool), self.images))[0]
        x = pool.samples(index).flatten(1)
        if self.encoder.dim > min(x.shape):
            raise BenchbenchError(
                f"pretext pca: {len(x)} images of {x.shape[1]} values have fewer than {self.encoder.dim} components"
            )
        with threadpool_limits(1):
            found = Components(self.encoder.dim, random_state=rng.numpy).fit(x.double().cpu().numpy())
        linear = self.encoder.map
        assert isinstance(linear, nn.Linear)
        linear.weight.copy_(torch.from_numpy(found.components_))
        self.mean.copy_(torch.from_numpy(found.mean_))
        linear.bias.copy_(-linear.weight @ self.mean)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """Mean squared error of the pixels, by the transposed weights: x (N, C, H, W) -> a scalar."""
        linear = self.encoder.map
        assert isinstance(linear, nn.Linear)
        return F.mse_loss(encode(x) @ linear.weight + self.mean, x.flatten(1))
