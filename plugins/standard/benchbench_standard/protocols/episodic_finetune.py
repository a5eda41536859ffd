import torch
from torch import Tensor

from benchbench import Rng, Target, TestBatch, Trained
from benchbench_standard.protocols.episodic import Episodic
from benchbench_standard.protocols.meta_dataset import MetaDataset
from benchbench_standard.protocols.tuning import Tuning


class TunedEpisodes(Tuning):
    """The queries of an episode are scored by an encoder that learned on from its support set."""

    def logits(self, trained: Trained, target: Target, batch: TestBatch, rng: Rng) -> Tensor:
        """Scores of the queries (B, Q, ways)."""
        found = []
        for i in range(len(batch)):
            support, y = target.samples(batch.support[i].numpy()), batch.support_y[i].to(trained.device)
            own = rng.child(batch.number + i)
            classify = self.tuned(trained.encoder_for(target), support.__getitem__, y, batch.ways, own)
            found.append(classify(target.samples(batch.query[i].numpy())))
        return torch.stack(found)


class EpisodicFinetune(TunedEpisodes, Episodic):
    """Fine-tuning on the support set of each fixed N-way K-shot episode, as in the Cross-Domain Few-Shot benchmark (Guo
    et al. 2020, arXiv 1912.07200: 600 episodes of 5 ways, 15 queries)."""


class MetaDatasetFinetune(TunedEpisodes, MetaDataset):
    """Meta-Dataset's Finetune baseline (Triantafillou et al. 2020, arXiv 1903.03096, section 3): fine-tuning on the
    support set of each of its episodes."""
