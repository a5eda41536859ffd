"""What the meta-pretext regimes learn from: tasks adapted to by the pretext's own loss."""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from benchbench.data.pool import Pool
from benchbench.encoding.backbone import Encode
from benchbench.encoding.tasks import class_means, similarity
from benchbench.rng import Rng
from benchbench.training.draws import TrainingEpisodes
from benchbench.training.learner import MetaLearner
from benchbench.training.pretext import Pretext


class PretextTasks:
    """Tasks of a stage. Inner loss: the pretext's on a task's support. Outer loss: the pretext's on the task's other
    samples or, with `labelled` episodes, the loss on their queries. The pretext's own tasks have no classes: the ways
    and shots in `asked`, the recipe's episode settings, only say how many samples a task has."""

    def __init__(
        self,
        pretext: Pretext,
        learner: MetaLearner,
        pool: Pool,
        labelled: TrainingEpisodes | None,
        asked: dict[str, Any],
    ):
        self.pretext, self.learner, self.pool, self.labelled = pretext, learner, pool, labelled
        self.meta_batch: int = asked["meta_batch"]
        ways = labelled.shape.ways if labelled else asked["ways"]
        self.support, self.others = ways * asked["shots"], ways * asked["queries"]

    @property
    def views(self) -> int:
        """Views that enter the losses of a step: the pretext's for each sample, but one for each labelled query."""
        views = self.pretext.task_views
        return self.meta_batch * (self.support * views + self.others * (1 if self.labelled else views))

    def backward(self, rng: Rng) -> dict[str, float]:
        """Add the gradient of a meta-batch's mean outer loss, one task at a time; returns the loss."""
        total = 0.0
        for b in range(self.meta_batch):
            loss = self.labelled_loss(rng.child(b)) if self.labelled else self.own_loss(self.pool, rng.child(b))
            (loss / self.meta_batch).backward()
            total += float(loss.detach()) / self.meta_batch
        return {"loss": total}

    def own_loss(self, pool: Pool, rng: Rng) -> Tensor:
        """Adapt to the support of a task from `pool`; returns the pretext's loss on its other samples, a scalar."""
        support, others = pool.draw(1, self.support + self.others, rng)[0].split([self.support, self.others])
        return self.pretext.task_loss(self._adapted(support, rng), others, rng.child("task"))

    def labelled_loss(self, rng: Rng) -> Tensor:
        """Adapt to the support of a labelled episode without its labels; returns the cross-entropy of its queries'
        squared distances to the means of the support's classes (Snell et al. 2017, eq. 2), a scalar."""
        assert self.labelled is not None
        episode = self.labelled.pretext.episodes(self.labelled.pool, self.labelled.shape, 1, rng)
        # The pretext sees the support set, where in class order a place would be a label.
        episode = episode.shuffled(rng.child("order"))
        features = self._adapted(episode.support_x[0], rng)(episode.all_x[0]).unsqueeze(0)
        means = class_means(features[:, : episode.shots], episode.support_y, episode.ways)
        logits = similarity(features[:, episode.shots :], means)
        return F.cross_entropy(logits.flatten(0, 1), episode.labels().flatten())

    def _adapted(self, support: Tensor, rng: Rng) -> Encode:
        # A stream continues where it left off: for the task to be the same at every step, each needs a new one.
        return self.learner.adapt_to(lambda encode: self.pretext.task_loss(encode, support, rng.child("task")))
