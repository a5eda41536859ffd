"""Exported encoders on Hugging Face's Hub: the header of their model card, and sending them there."""

from importlib.util import find_spec
from pathlib import Path

from benchbench.errors import BenchbenchError
from benchbench.store.records import Record

#: Identifiers of licences that the Hub knows; any other is called ``other``, and named.
LICENCES = frozenset({
    "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-3.0", "mit", "odbl", "unlicense",
})  # fmt: skip


def headed(card: str, records: list[Record], licence: str, modality: str) -> str:
    """A card below the header that the Hub reads: source, scores, licence and tags. Without huggingface_hub, which
    writes it, the card alone."""
    if find_spec("huggingface_hub") is None:
        return card
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    first = records[0]
    results = [
        EvalResult(
            task_type="feature-extraction",
            dataset_type=r.target,
            dataset_name=r.target,
            dataset_config=r.protocol,
            metric_type=name,
            metric_value=s.mean,
            metric_args=None if r.scores[name].unit == "target" else {"ci95": s.ci95, "n": s.n},
        )
        for r in sorted(records, key=lambda r: (r.target, r.protocol))
        for name, s in r.summary.items()
        if r.scores[name].unit != "pair"
    ]
    known = licence.split(",")[0].strip().lower().replace(" ", "-")
    method = first.method
    data = ModelCardData(
        license=known if known in LICENCES else "other",
        license_name=None if known in LICENCES else licence,
        library_name="benchbench",
        datasets=None if first.flags.floor else [first.source],
        metrics=sorted({result.metric_type for result in results}),
        tags=sorted({"benchbench", modality, method.pretext, method.meta, method.backbone}),
        model_name=method.label,
        eval_results=results,
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{card}"))


def need_hub() -> None:
    """Raise BenchbenchError where huggingface_hub is not installed."""
    if find_spec("huggingface_hub") is None:
        raise BenchbenchError("--push-to-hub needs huggingface_hub: pip install 'benchbench-suite[hub]'")


def push(files: list[Path], repository: str, *, private: bool = False) -> str:
    """Send an export's files, which lie in one folder, to a repository of the Hub, which is made if it is not there;
    returns its address.

    Raises BenchbenchError if huggingface_hub is not installed, or the Hub refuses.
    """
    need_hub()
    from huggingface_hub import HfApi

    (folder,) = {file.parent for file in files}
    try:
        api = HfApi(library_name="benchbench")
        address = api.create_repo(repository, private=private, exist_ok=True)
        names = [file.name for file in files]
        api.upload_folder(
            repo_id=repository, folder_path=folder, allow_patterns=names, commit_message="Encoder by benchbench"
        )
    except Exception as error:
        # What is refused, unreachable or misnamed is said in a dozen types.
        raise BenchbenchError(f"--push-to-hub {repository}: {error}") from error
    return str(address)
