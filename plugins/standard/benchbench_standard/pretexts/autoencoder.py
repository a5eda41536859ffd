from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, Encode, Pretext, Rng, SampleSpec
from benchbench_standard.pretexts.decoder import Decoder


class Autoencoder(Pretext):
    """Reconstruct an image from its features (Hinton & Salakhutdinov 2006, doi 10.1126/science.1127647): the classical
    unsupervised baseline. All layers are trained at once, on the squared error, and none beforehand."""

    objectives = frozenset({"plain", "task"})

    def __init__(self, encoder: Backbone, sample: SampleSpec):
        super().__init__(encoder, sample)
        channels, height, width = sample.shape
        self.decoder = Decoder(encoder.dim, channels, (height, width))

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """Mean squared error of the pixels: x (N, C, H, W) -> a scalar."""
        return F.mse_loss(self.decoder(encode(x)), x)
