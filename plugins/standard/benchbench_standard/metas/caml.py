from math import sqrt
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, Episodes, MetaLearner, NormMode, Rng

#: Most tokens of one pass through the transformer: queries of a task are split so that memory stays bounded.
TOKENS = 2**15


def label_codes(ways: int, dim: int) -> Tensor:
    """One code a class, (ways, dim), of length 1 and with inner products of -1 / (ways - 1) between any two: an equal
    length and maximally equiangular set (ELMES; section 4 of the paper), which is a simplex, turned at random by
    torch's global generator. `dim` is `ways` or more."""
    simplex = (torch.eye(ways) - 1 / ways) * sqrt(ways / (ways - 1))
    return simplex @ nn.init.orthogonal_(torch.empty(dim, ways)).mT


class CAML(MetaLearner):
    """Context-aware meta-learning (Fifty et al. 2024, arXiv 2310.10971): a transformer reads the support set and one
    query at once, and says the query's class. Its tokens are features of a frozen encoder beside the code of their
    label (`label_codes`), for the query a learned one that stands for *unknown*. There are no positions, and every
    query is read by itself.

    The transformer is what is trained. The encoder stays as it was, in training too, and its batch norms use running
    averages. So it should have learned something before: pretrained weights, regime ``pipeline`` (the plain pretext,
    then episodes of labels), or a pretext with an `embedding`, such as `camelu`. On an untrained encoder it learns to
    read random features.

    Ways may differ from those of training, up to `max_ways`; more are refused. For that the classes of training tasks
    get codes at random among all `max_ways`, and a class's score is the inner product of its code and a linear map of
    the query's last token. The official code (cfifty/CAML) has as many codes as training has ways, fixed ones, and one
    linear output a code. At test class i has code i: the order of the support set changes nothing, exchanging labels
    exchanges scores only as far as training taught that.

    Also other than there: the support set's mean is taken off features, which are then standardised (layer norm) and
    mapped to `width` - `max_ways` dimensions, as encoders have any width; codes begin with length sqrt(max_ways), so
    that their entries are as large as those of features; the transformer is a small one (there 24 layers, width 1024,
    16 heads), and begins as an attention over samples with similar features, much as matching networks are. From a
    start at random it scored at chance for the first 400 of 600 steps on vectors that are half loud noise. A query does
    not attend to itself: nothing is as similar to it, and little attention would be left for the support set
    (ImageNet features of CIFAR-FS' validation classes, 5-way 1-shot: 48 % to begin with, for 32 %; 55 % after 16,000
    samples at 1e-4, for 25 %).
    """

    #: 2: a query does not attend to itself.
    revision = 2
    synonyms = ("context-aware-meta-learning", "in-context-learning")
    frozen_features = True
    #: An auxiliary loss would train the encoder, which is not in its optimiser.
    joins_losses = False

    def __init__(
        self,
        encoder: Backbone,
        *,
        width: PositiveInt = 256,
        depth: PositiveInt = 4,
        heads: PositiveInt = 8,
        max_ways: Annotated[int, Field(ge=2)] = 64,
        test_norm: NormMode = "running",
    ):
        """The transformer has `depth` layers of `heads` heads, and tokens of `width`: `max_ways` dimensions for the
        label's code, the rest for features."""
        super().__init__(encoder, train_norm="running", test_norm=test_norm)
        if width <= max_ways or width % heads:
            raise BenchbenchError(
                f"meta caml: width {width}: expected a multiple of heads, {heads}, above max_ways, {max_ways}"
            )
        self.max_ways = max_ways
        self.features = nn.Linear(encoder.dim, width - max_ways)
        self.register_buffer("codes", label_codes(max_ways, max_ways))
        self.scale = nn.Parameter(torch.tensor(sqrt(max_ways)))
        self.unknown = nn.Parameter(torch.zeros(max_ways))
        layers = (
            nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.transformer = nn.Sequential(*layers, nn.LayerNorm(width))
        self.answer = nn.Linear(width, max_ways, bias=False)
        self._begin(width - max_ways)

    @torch.no_grad()
    def _begin(self, dim: int) -> None:
        """Start as attention over similar features: in the first layer each head compares a random projection of the
        `dim` features and copies a part of the codes, which the answer reads; other branches begin with 0."""
        first, *others = (layer for layer in self.transformer if isinstance(layer, nn.TransformerEncoderLayer))
        attention, width = first.self_attn, self.answer.in_features
        compare, copy, paste = (torch.zeros(width, width) for _ in range(3))
        for rows in compare[:, :dim].chunk(attention.num_heads):
            nn.init.orthogonal_(rows)
        place = torch.arange(width)
        copied = dim + place % self.max_ways
        copy[place, copied], paste[copied, place] = 1.0, self.max_ways / width
        attention.in_proj_weight.copy_(torch.cat([compare, compare, copy]))
        attention.out_proj.weight.copy_(paste)
        for layer in others:
            nn.init.zeros_(layer.self_attn.out_proj.weight)
        for layer in (first, *others):
            nn.init.zeros_(layer.linear2.weight)
            nn.init.zeros_(layer.linear2.bias)
        nn.init.orthogonal_(self.features.weight)
        nn.init.zeros_(self.features.bias)
        self.answer.weight.copy_(torch.eye(width)[dim:] / sqrt(self.max_ways))

    def parameter_groups(self) -> list[dict[str, object]]:
        """Its own parameters, without the encoder's."""
        return [{"params": list(self.parameters())}]

    @torch.no_grad()
    def _frozen(self, episodes: Episodes) -> Tensor:
        """Features of the encoder in evaluation mode, (B, S + Q, dim)."""
        training = self.encoder.training
        self.encoder.eval()
        try:
            return self.encode(episodes.all_x, support=episodes.shots)
        finally:
            self.encoder.train(training)

    def _read(self, known: Tensor, unknown: Tensor) -> Tensor:
        """Support tokens (B, S, width), query tokens (B, Q, width) -> what each query's became: (B, Q, width)."""
        tasks, shots = known.shape[:2]
        # The query stands first, and reads all but itself.
        unread = torch.zeros(shots + 1, shots + 1, dtype=torch.bool, device=known.device)
        unread[0, 0] = True
        *layers, norm = self.transformer
        found = []
        for part in unknown.split(max(1, TOKENS // (tasks * (shots + 1))), 1):
            context = known.unsqueeze(1).expand(-1, part.shape[1], -1, -1)
            sequences = torch.cat([part.unsqueeze(2), context], 2).flatten(0, 1)
            for layer in layers:
                sequences = layer(sequences, src_mask=unread)
            found.append(norm(sequences[:, 0]).unflatten(0, (tasks, -1)))
        return torch.cat(found, 1)

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Scores of each query's own reading of the support set: (B, Q, ways). Raises BenchbenchError for more ways
        than `max_ways`."""
        ways = episodes.ways
        if ways > self.max_ways:
            raise BenchbenchError(f"meta caml: a task of {ways} ways, but max_ways is {self.max_ways}: train with more")
        z = self._frozen(episodes)
        z = z - z[:, : episodes.shots].mean(1, keepdim=True)
        support, query = self.features(F.layer_norm(z, z.shape[-1:])).tensor_split((episodes.shots,), 1)
        # Dealt once for all tasks of a call; each chunk of a meta-batch has a stream of its own.
        dealt = torch.randperm(self.max_ways, generator=rng.cpu) if self.training else torch.arange(self.max_ways)
        codes = self.scale * self.codes[dealt[:ways].to(z.device)]
        known = torch.cat([support, codes[episodes.support_y]], -1)
        unknown = torch.cat([query, self.unknown.expand(*query.shape[:2], -1)], -1)
        return self.answer(self._read(known, unknown)) @ codes.mT
