"""Few-shot methods of easyfsl (https://github.com/sicara/easy-few-shot-learning) as meta-algorithms of benchbench.

PT-MAP and LaplacianShot are left out: the one takes roots of features, which not every encoder keeps positive, the
other needs more queries than neighbours.
"""

from typing import Annotated, Any

import torch
from easyfsl import methods
from easyfsl.modules import MultiHeadAttention
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from benchbench import Backbone, Episodes, MetaLearner, Rng


class EasyFSL(MetaLearner):
    """Any of easyfsl's classifiers, on features: `classifier` gives a fresh one, for one task."""

    frozen_features = True

    def classifier(self) -> methods.FewShotClassifier:
        """A classifier without a backbone."""
        raise NotImplementedError

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Its scores, a task at a time: (B, Q, ways)."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        scores = []
        for x, y in zip(features, episodes.support_y, strict=True):
            classifier = self.classifier().to(x.device)
            classifier.process_support_set(x[: episodes.shots], y)
            scores.append(classifier(x[episodes.shots :]))
        return torch.stack(scores)


class SimpleShot(EasyFSL):
    """The nearest class mean by cosine (Wang, Chao, Weinberger & van der Maaten 2019, arXiv 1911.04623), after plain
    training. Features are divided by their L2 norm first, the paper's L2N; its centring by the training set's mean is
    not done."""

    adapter_only = True

    def classifier(self) -> methods.SimpleShot:
        """easyfsl's, on features of length one."""
        return methods.SimpleShot(feature_normalization=2.0)


class Finetune(EasyFSL):
    """Class means, then `steps` of Adam on the support set's cross-entropy of scaled cosines; the encoder stays (Chen,
    Liu, Kira, Wang & Huang 2019, arXiv 1904.04232, which starts from random weights instead of class means)."""

    adapter_only = True

    def __init__(
        self,
        encoder: Backbone,
        *,
        steps: PositiveInt = 200,
        lr: PositiveFloat = 1e-4,
        temperature: PositiveFloat = 1.0,
        **norm: Any,
    ):
        """`lr` is Adam's learning rate and `temperature` multiplies the cosines; the defaults are easyfsl's."""
        super().__init__(encoder, **norm)
        self.adaptation_steps, self.lr, self.temperature = steps, lr, temperature

    def classifier(self) -> methods.Finetune:
        """easyfsl's, with these settings."""
        return methods.Finetune(
            fine_tuning_steps=self.adaptation_steps, fine_tuning_lr=self.lr, temperature=self.temperature
        )


class BDCSPN(EasyFSL):
    """Class means rectified by the queries: these are shifted towards the support set, and the surest of them join it
    (Liu, Song & Qin 2020, arXiv 1911.10713), then the nearest by cosine."""

    adapter_only = True
    transductive = True

    def classifier(self) -> methods.BDCSPN:
        """easyfsl's, which has no settings."""
        return methods.BDCSPN()


class TIM(Finetune):
    """Class means, then `steps` of Adam on the support set's cross-entropy less the mutual information between queries
    and their predicted classes (Boudiaf et al. 2020, arXiv 2008.11297, the variant TIM-GD)."""

    transductive = True

    def __init__(
        self,
        encoder: Backbone,
        *,
        steps: PositiveInt = 50,
        lr: PositiveFloat = 1e-4,
        temperature: PositiveFloat = 10.0,
        **norm: Any,
    ):
        """As for `Finetune`; the defaults are easyfsl's."""
        super().__init__(encoder, steps=steps, lr=lr, temperature=temperature, **norm)

    def classifier(self) -> methods.TIM:
        """easyfsl's, with these settings."""
        return methods.TIM(
            fine_tuning_steps=self.adaptation_steps, fine_tuning_lr=self.lr, temperature=self.temperature
        )


class TransductiveFinetune(Finetune):
    """Class means, then `steps` of Adam on the support set's cross-entropy and the entropy of the queries' predictions,
    by Euclidean distance (Dhillon, Chaudhari, Ravichandran & Soatto 2020, arXiv 1909.02729, which tunes the encoder
    too)."""

    transductive = True

    def __init__(
        self,
        encoder: Backbone,
        *,
        steps: PositiveInt = 25,
        lr: PositiveFloat = 5e-5,
        temperature: PositiveFloat = 1.0,
        **norm: Any,
    ):
        """As for `Finetune`; the defaults are easyfsl's."""
        super().__init__(encoder, steps=steps, lr=lr, temperature=temperature, **norm)

    def classifier(self) -> methods.TransductiveFinetuning:
        """easyfsl's, with these settings."""
        return methods.TransductiveFinetuning(
            fine_tuning_steps=self.adaptation_steps, fine_tuning_lr=self.lr, temperature=self.temperature
        )


class FEAT(EasyFSL):
    """Class means that see each other through a learned attention (Ye, Hu, Zhan & Sha 2020, arXiv 1812.03664, eq. 4 and
    7), then the nearest by Euclidean distance. The paper's contrastive regulariser is not in easyfsl, so not here."""

    def __init__(
        self,
        encoder: Backbone,
        *,
        heads: PositiveInt = 1,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        temperature: PositiveFloat = 64.0,
        **norm: Any,
    ):
        """`heads` and `dropout` of the attention: none by default, so that results do not depend on how a meta-batch is
        cut into chunks (easyfsl's is 0.1). Scores are divided by `temperature`, the paper's 64 for one shot."""
        super().__init__(encoder, **norm)
        self.attention = MultiHeadAttention(heads, encoder.dim, encoder.dim, encoder.dim, dropout)
        # Its inner dropout takes no argument.
        self.attention.attention.dropout.p = dropout
        self.temperature = temperature

    def classifier(self) -> methods.FEAT:
        """easyfsl's, with the attention that is trained here."""
        return methods.FEAT(attention_module=self.attention)

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Minus the distances to the adapted class means, scaled: (B, Q, ways)."""
        return super().logits(episodes, rng) / self.temperature
