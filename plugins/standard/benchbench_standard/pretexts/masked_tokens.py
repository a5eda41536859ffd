from collections import defaultdict
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import (
    HIDDEN,
    Backbone,
    BenchbenchError,
    Encode,
    Episodes,
    EpisodeShape,
    Pool,
    Pretext,
    Rng,
    SampleSpec,
)


class MaskedTokens(Pretext):
    """Find hidden tokens from those around them (Devlin, Chang, Lee & Toutanova 2019, arXiv 1810.04805).

    The plain objective is BERT's (section 3.1): of `mask` of a
    sample's tokens, at least one, 80 % are hidden, 10 % replaced by others, 10 % left; each is predicted from the
    feature of its position by a linear layer. What is hidden looks like a token that the encoder does not know.

    An episode's classes are words: each sample of a class is a text that holds the word, hidden wherever it occurs, and
    the task is to tell which one is missing (SMLMT: Bansal, Jha, Munkhdalai & McCallum 2020, arXiv 2009.08445, section
    3). Words are from the middle of the frequencies, as in the paper: in at least `rarest` texts, or as many as a class
    of an episode needs, and in at most `commonest` of all, since frequent ones are told from grammar alone. No text
    stands twice in a task, and none that holds two of its words. Letters make no episodes.
    """

    modalities = frozenset({"text", "sequence"})
    synonyms = ("mlm", "bert", "smlmt")
    requires = frozenset({"positions"})
    objectives = frozenset({"plain", "task", "episodes"})

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        mask: Annotated[float, Field(gt=0, lt=1)] = 0.15,
        rarest: PositiveInt = 30,
        commonest: Annotated[float, Field(gt=0, le=1)] = 0.05,
    ):
        super().__init__(encoder, sample)
        assert sample.vocabulary is not None
        self.tokens = len(sample.vocabulary)
        if sample.vocabulary.single:
            # A letter stands in nearly every sample: it tells none apart.
            self.objectives = frozenset({"plain", "task"})
        self.mask, self.rarest, self.commonest = mask, rarest, commonest
        self.predict = nn.Linear(encoder.dim, self.tokens)
        self._words: dict[tuple[str, int], dict[int, np.ndarray]] = {}

    @classmethod
    def misfit(cls, sample: SampleSpec) -> str | None:
        """Samples of one token have none around it."""
        return "needs samples of two tokens or more" if sample.shape[0] < 2 else None

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """Mean cross-entropy of the chosen tokens: ids x (N, T) -> a scalar."""
        draws = torch.rand(3, *x.shape, generator=rng.on(x.device), device=x.device)
        known = x > HIDDEN
        first = torch.where(known, draws[0], 2).argmin(1, keepdim=True)
        chosen = known & (draws[0] < self.mask).scatter(1, first, True)
        other = (HIDDEN + 1 + draws[2] * (self.tokens - HIDDEN - 1)).long().clamp(max=self.tokens - 1)
        replaced = torch.where(draws[1] < 0.8, HIDDEN, torch.where(draws[1] < 0.9, other, x))
        features = encode.positions(torch.where(chosen, replaced, x))  # type: ignore[attr-defined]
        # Every sample counts, so that shapes do not depend on what was drawn.
        losses = F.cross_entropy(self.predict(features).flatten(0, 1), x.flatten(), reduction="none")
        weights = chosen.flatten().to(losses.dtype)
        return (losses * weights).sum() / weights.sum().clamp(min=1)

    def words(self, pool: Pool, per_class: int) -> dict[int, np.ndarray]:
        """The words that may be classes, each with the places of its texts in a pool, ascending."""
        place = pool.name, per_class
        if place not in self._words:
            rows: dict[int, list[np.ndarray]] = defaultdict(list)
            for part in torch.arange(len(pool)).split(4096):
                held = pool.samples(part).cpu().numpy()
                order = held.argsort(1, kind="stable")
                ordered = np.take_along_axis(held, order, 1)
                once = np.concatenate([np.ones((len(held), 1), bool), ordered[:, 1:] != ordered[:, :-1]], 1)
                texts, ids = np.repeat(part.numpy(), once.sum(1)), ordered[once]
                by_id = np.argsort(ids, kind="stable")
                bounds = np.flatnonzero(np.diff(ids[by_id])) + 1
                for group in np.split(by_id, bounds):
                    rows[int(ids[group[0]])].append(texts[group])
            joined = {word: np.concatenate(parts) for word, parts in sorted(rows.items()) if word > HIDDEN}
            least, most = max(self.rarest, 2 * per_class), self.commonest * len(pool)
            self._words[place] = {word: of for word, of in joined.items() if least <= len(of) <= most}
        return self._words[place]

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """Tasks of `ways` words in random order: (count, ways * per_class, T). Raises BenchbenchError where too few
        words are neither rare nor common."""
        words = self.words(pool, shape.per_class)
        names = list(words)
        if len(names) < shape.ways:
            raise BenchbenchError(
                f"pretext masked-tokens: {len(names)} words of {pool.name} stand in {self.rarest} texts or more and in "
                f"at most {self.commonest:.0%} of them, too few for {shape.ways} ways: ask for other `rarest` and "
                "`commonest`, fewer ways or fewer shots and queries"
            )
        state = rng.numpy
        rows = np.empty((count, shape.ways, shape.per_class), np.int64)
        chosen = np.empty((count, shape.ways), np.int64)
        for b in range(count):
            rows[b], chosen[b] = _task(words, names, shape, state)
        x = pool.samples(torch.from_numpy(rows))
        hidden = torch.from_numpy(chosen).to(x.device)[:, :, None, None]
        return Episodes.from_classes(torch.where(x == hidden, HIDDEN, x), shape)


def _task(words: dict[int, np.ndarray], names: list[int], shape: EpisodeShape, state: Any) -> tuple[Any, Any]:
    """Texts (ways, per_class) and words (ways,) of one task. Words of which too few texts are left by the others make
    way for the next ones in random order, then for any at all."""
    order = [names[i] for i in state.permutation(len(names))]
    taken, found = order[: shape.ways], order[shape.ways :]
    while True:
        rows = []
        for i, word in enumerate(taken):
            others = np.concatenate([words[w] for w in taken if w != word])
            own = words[word][~np.isin(words[word], others)]
            if len(own) < shape.per_class:
                if not found:
                    raise BenchbenchError("pretext masked-tokens: words share too many texts: ask for fewer ways")
                taken[i] = found.pop(0)
                break
            rows.append(own[state.permutation(len(own))[: shape.per_class]])
        else:
            return np.stack(rows), np.array(taken)
