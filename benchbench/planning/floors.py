"""What an untrained encoder is made for: its samples stand in keys and records in place of a source."""

from typing import Any

from benchbench.components.reference import ComponentRef, key_content
from benchbench.data.prepare import Prepared, prepare
from benchbench.encoding.sample import SampleSpec
from benchbench.errors import BenchbenchError


def floor_sample(source: Prepared, ref: ComponentRef, backbone: ComponentRef) -> Any:
    """The samples that a floor's encoder is made for, as its content holds them: the shape of a source's bytes, of
    other samples also their modality and, for ids, where the vocabulary is from."""
    if backbone.load().of_target:
        return {"of": "target"}
    sample = source.sample
    if source.table.x.dtype == "uint8":
        return list(sample.shape)
    content: dict[str, Any] = {"modality": sample.modality, "shape": list(sample.shape)}
    if sample.vocabulary:
        content["vocabulary"] = {
            "source": {**key_content(ref), "fingerprint": source.fingerprint},
            "tokens": len(sample.vocabulary),
            "digest": sample.vocabulary.digest,
        }
    return content


def sample_of_floor(content: dict[str, Any]) -> SampleSpec:
    """The samples that the encoder of a floor's record was made for. Raises BenchbenchError if its vocabulary is of
    another version of the data than is here."""
    held = content["sample"]
    if isinstance(held, list):
        # Shapes alone are those of bytes: the only modality of floors when these records were first made was images.
        return SampleSpec("image", tuple(held))
    about = content["target"] if held == {"of": "target"} else held.get("vocabulary", {}).get("source")
    if about is None:
        return SampleSpec(held["modality"], tuple(held["shape"]))
    data = prepare(ComponentRef(kind="dataset", **{k: about[k] for k in ("name", "revision", "settings")}))
    if data.fingerprint != about["fingerprint"]:
        raise BenchbenchError(f"its vocabulary is of another version of the data than {data.name} is here")
    return data.raw if held == {"of": "target"} else data.sample
