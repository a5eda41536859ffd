from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from benchbench import Backbone, Encode, Episodes, MetaLearner, NormMode, Rng
from benchbench_standard.metas.heads import linear, rows, task_losses

#: Weights by name, (B, *shape): a set a task.
Weights = dict[str, Tensor]


class MAML(MetaLearner):
    """Model-agnostic meta-learning (Finn, Abbeel & Levine 2017, arXiv 1703.03400, algorithm 2).

    The inner loss is the *mean* cross-entropy over the support set. The official code sums over classes, so its rate
    0.4 at 5 ways is 2.0 here: with one step, the strided Conv-4 and thousands of meta-steps. After hundreds of them a
    smaller one is needed, and is the default (the matrix ``tuned`` has a search). The head learns `head_ways` rows, as
    the paper's has one a class; ways may differ at test, and classes beyond the rows begin as the mean of them. With
    one row all classes begin alike, which makes the encoder's first inner gradient zero, and one inner step ANIL's. It
    is no mistake to want that: labels come in random order, and Ye and Chao (2022, arXiv 2106.16245) found one row to
    help. In the quick matrix it has 72.7 on glyphs with labels, where five rows have 59.1.

    `adapts` says what the inner loop moves: "all" weights; the "head" alone, as ANIL does, whose form for features that
    are encoded once is faster; or "decision", all but the vectors of tokens, as in MeLU (Lee, Im, Jang, Cho & Chung
    2019, arXiv 1908.00413, algorithm 1), which the outer step alone moves: a copy of a large vocabulary a task costs
    more than everything else.

    Batch statistics are those of each call by default, as in the official code: that is transductive, and ``support``
    is the inductive form. It takes `train_steps` of `inner_lr` in training and `test_steps` at test; `first_order`
    leaves second derivatives out (section 5.2).
    """

    #: 2: Conv-4 under adapted weights is channels_last, and batch norm's second derivative in closed form.
    #: 3: a head of five rows, so that the encoder's first inner step counts.
    revision = 3
    adapts_to_any_loss = True
    neutral: ClassVar = {"adapts": "all"}
    test_settings = frozenset({"test_norm", "test_steps"})

    def __init__(
        self,
        encoder: Backbone,
        *,
        inner_lr: PositiveFloat = 0.1,
        train_steps: PositiveInt = 3,
        test_steps: PositiveInt = 5,
        first_order: bool = False,
        head_ways: PositiveInt = 5,
        adapts: Literal["all", "head", "decision"] = "all",
        train_norm: NormMode = "call",
        test_norm: NormMode = "call",
    ):
        super().__init__(encoder, train_norm=train_norm, test_norm=test_norm)
        self.inner_lr, self.first_order, self.head_ways = inner_lr, first_order, head_ways
        self.train_steps, self.adaptation_steps = train_steps, test_steps
        self.adapts = adapts
        if adapts == "head":
            self.adapts_to_any_loss = False
        self.head = nn.Linear(encoder.dim, head_ways)

    @property
    def steps(self) -> int:
        """Inner steps in the mode in force."""
        return self.train_steps if self.training else self.adaptation_steps

    def initial(self, ways: int) -> Weights:
        """What adapts: every weight of the encoder, its norms' too, and of the head, a row a way."""
        return self.body() | {
            "head.weight": rows(self.head.weight, ways),
            "head.bias": rows(self.head.bias, ways),
        }

    def body(self) -> Weights:
        """What adapts of the encoder: of what it does not hold frozen, what `adapts` names."""
        if self.adapts == "head":
            return {}
        kept = _of_tokens(self.encoder) if self.adapts == "decision" else set()
        held = self.encoder.named_parameters()
        return {f"encoder.{name}": w for name, w in held if w.requires_grad and name not in kept}

    def begin(self, episodes: Episodes) -> Weights:
        """The weights that each task starts from: name -> (B, *shape)."""
        return {name: w.expand(len(episodes), *w.shape) for name, w in self.initial(episodes.ways).items()}

    def rates(self, weights: Weights) -> Weights:
        """The step size of each of `weights`, broadcast over tasks."""
        return {}

    def score(self, weights: Weights, x: Tensor, support: int) -> Tensor:
        """x (B, n, *shape) under each task's weights -> (B, n, ways)."""
        body = {name.removeprefix("encoder."): w for name, w in weights.items() if name.startswith("encoder.")}
        features = self.encode(x, params=body, support=support)
        return linear(features, weights["head.weight"], weights["head.bias"])

    def slopes(self, weights: Weights, episodes: Episodes, *, create_graph: bool = False) -> Weights:
        """The gradient of each task's support loss at its weights, shaped as they are."""
        # Under `episode` statistics the queries' images, never their labels, shape every step.
        x = episodes.all_x if self.norm == "episode" else episodes.support_x
        scores = self.score(weights, x, episodes.shots)[:, : episodes.shots]
        loss = task_losses(scores, episodes.support_y)
        gradients = torch.autograd.grad(loss, [*weights.values()], create_graph=create_graph, materialize_grads=True)
        return dict(zip(weights, gradients, strict=True))

    def descend(self, weights: Weights, slopes: Callable[[Weights], Weights]) -> Weights:
        """The inner loop: gradient descent of every task's `weights`, `slopes` giving the gradient at some."""
        rates = self.rates(weights)
        for _ in range(self.steps):
            if not self.training:
                weights = {name: w.detach().requires_grad_() for name, w in weights.items()}
            found = slopes(weights)
            weights = {name: w - rates.get(name, self.inner_lr) * found[name] for name, w in weights.items()}
        return weights

    @property
    def _second_order(self) -> bool:
        return self.training and not self.first_order

    def adapt(self, episodes: Episodes) -> Weights:
        """Gradient descent on each support set: the adapted weights of every task."""
        return self.descend(
            self.begin(episodes), lambda weights: self.slopes(weights, episodes, create_graph=self._second_order)
        )

    def adapt_to(self, loss: Callable[[Encode], Tensor]) -> Encode:
        """Gradient descent of the encoder alone on any loss of it; the head has no part in that."""

        def under(weights: Weights) -> Encode:
            return _Under(self, {name.removeprefix("encoder."): w for name, w in weights.items()})

        def slopes(weights: Weights) -> Weights:
            found = torch.autograd.grad(
                loss(under(weights)), [*weights.values()], create_graph=self._second_order, materialize_grads=True
            )
            return dict(zip(weights, found, strict=True))

        with torch.enable_grad():
            initial = {name: w.unsqueeze(0) for name, w in self.body().items()}
            return under(self.descend(initial, slopes))

    def query_scores(self, weights: Weights, episodes: Episodes) -> Tensor:
        """Scores of the queries under adapted weights: (B, Q, ways)."""
        # Statistics that the support has a part in need its samples in the same pass.
        x = episodes.all_x if self.norm in ("episode", "support") else episodes.query_x
        return self.score(weights, x, episodes.shots)[:, -episodes.query_x.shape[1] :]

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Scores of the adapted weights: (B, Q, ways)."""
        with torch.enable_grad():
            weights = self.adapt(episodes)
        return self.query_scores(weights, episodes)


def _of_tokens(encoder: nn.Module) -> set[str]:
    """The names of the weights that are vectors of tokens."""
    owners = [(name, m) for name, m in encoder.named_modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)]
    return {f"{name}.weight".removeprefix(".") for name, _ in owners}


class _Under:
    """The encoder of one task under weights of its own (1, *w)."""

    def __init__(self, learner: MetaLearner, body: Weights):
        self.learner, self.body = learner, body

    def __call__(self, x: Tensor) -> Tensor:
        """x (n, *shape) -> (n, dim)."""
        return self.learner.encode(x.unsqueeze(0), params=self.body, support=len(x)).squeeze(0)

    def positions(self, x: Tensor) -> Tensor:
        """x (n, T) -> (n, T, dim)."""
        return self.learner.encode(x.unsqueeze(0), params=self.body, support=len(x), positions=True).squeeze(0)
