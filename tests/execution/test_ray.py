"""A cluster of several nodes, all on this machine: the same records as without one, whatever happens to a node."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import benchbench
from benchbench.errors import BenchbenchError, StorageError
from benchbench.execution.job import Event, Job
from benchbench.execution.ray import Ray, _check, _train, _versions
from benchbench.keys import canonical
from benchbench.planning.matrix import Matrix, parse_matrix
from benchbench.planning.plan import plan
from benchbench.store.files import read_records

pytest.importorskip("ray", reason="Ray is not installed: pip install 'benchbench-suite[ray]'")


def matrix(pretexts: list[str], metas: list[str], samples: int, **more: object) -> Matrix:
    axes = {"pretext": pretexts, "meta": metas, "backbone": ["mlp"], "source": ["glyphs"], "target": ["digits"]}
    content = {
        "axes": {**axes, "protocol": ["5way-1shot"]},
        "budget": {"samples": samples},
        "episodes": {"meta_batch": 2},
        "floors": False,
        "settings": {"protocol": {"episodic": {"episodes": 10}}},
    }
    return parse_matrix({**content, **more}, "test")


def lasting(store: Path) -> list[str]:
    """The records of a store, as text, without what is volatile."""
    records, problems = read_records(store)
    assert not problems
    return [canonical(r.model_dump(mode="json", exclude={"timing", "environment"})) for r in records]


class Nodes:
    """A head without processors, and worker nodes of one each, which can be lost."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        small = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
        self.workers: list[object] = []

    @property
    def address(self) -> str:
        return self.cluster.address

    def add(self) -> None:
        self.workers.append(self.cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20))

    def lose(self) -> None:
        """End a node's processes as a power cut would."""
        self.cluster.remove_node(self.workers.pop(), allow_graceful=False)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Workers would wait for everything else that runs on this machine.
        patch.setenv("RAY_worker_niceness", "0")
        held = Nodes()
        yield held
        held.cluster.shutdown()


def test_two_nodes_make_the_records_that_one_process_makes(nodes, tmp_path):
    while len(nodes.workers) < 2:
        nodes.add()
    diverges = {"meta": "protonet", "pretext": "labels", "training": {"optimiser": "sgd", "lr": 1e30}}
    asked = matrix(["labels", "rotation"], ["nearest-centroid", "nearest-neighbour", "protonet"], 600, when=[diverges])
    benchbench.run(asked, tmp_path / "alone", executor="inline")
    heard: list[Event] = []
    settings = {"address": nodes.address}
    outcome = benchbench.run(
        asked, tmp_path / "cluster", executor="ray", executor_settings=settings, report=heard.append
    )
    assert outcome.trained == 5
    assert [reason[:27] for _, reason in outcome.failed] == ["non-finite loss at step 2 o"]
    assert lasting(tmp_path / "cluster") == lasting(tmp_path / "alone")
    assert len(lasting(tmp_path / "cluster")) == 6
    kinds = {kind: sum(e.kind == kind for e in heard) for kind in ("started", "record", "finished", "failed")}
    assert kinds == {"started": 6, "record": 5, "finished": 5, "failed": 1}
    # Two learners follow the same plain training of each pretext: the second finds its checkpoint.
    trained = {e.training.label for e in heard if e.kind == "progress" and "step" in e.data}
    assert len(trained) == 4
    finals = sorted(path.parent.name for path in (tmp_path / "cluster" / "checkpoints").glob("*/final.safetensors"))
    assert len(finals) == 3
    again = benchbench.run(asked, tmp_path / "cluster", executor="inline")
    assert (again.trained, again.reused) == (0, 6)


def test_a_node_with_other_code_or_data_is_refused(tmp_path):
    training = plan(matrix(["labels"], ["nearest-centroid"], 600)).trainings[0]
    job = Job(training, training.cells, tmp_path)
    versions = _versions(training)
    assert set(versions) == {"benchbench-suite", "torch"}
    _check(job, versions)
    with pytest.raises(BenchbenchError, match=r"node \S+ has torch \S+, the driver 0\.1: install the same versions"):
        _check(job, {**versions, "torch": "0.1"})
    with pytest.raises(BenchbenchError, match=r"node \S+ has benchbench-odd not installed, the driver 2\.0"):
        _check(job, {**versions, "benchbench-odd": "2.0"})
    content = {**training.content, "source": {**training.content["source"], "fingerprint": "another"}}
    with pytest.raises(BenchbenchError, match="has other data for dataset glyphs than the driver"):
        _check(replace(job, training=replace(training, content=content)), versions)


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "127.0.0.1:head"])
def test_where_no_cluster_is_it_says_so_at_once(tmp_path, monkeypatch, address):
    import ray

    with socket.socket() as listens_to_nobody:
        listens_to_nobody.bind(("127.0.0.1", 0))
        where = address.format(port=listens_to_nobody.getsockname()[1])
        # It would try for minutes.
        monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("asked Ray"))
        with pytest.raises(BenchbenchError, match=f"^executor ray: no cluster at {where}: "):
            Ray(address=where).run([], lambda event: None)
        monkeypatch.setenv("RAY_ADDRESS", where)
        with pytest.raises(BenchbenchError, match=f"^executor ray: no cluster at {where}: "):
            Ray().run([], lambda event: None)


def test_checkpoints_at_a_url_are_deprecated():
    with pytest.warns(DeprecationWarning, match="name a folder that every node mounts"):
        assert Ray(checkpoints="memory://checkpoints").checkpoints == "memory://checkpoints"


@pytest.mark.parametrize(
    ("says", "why"), [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers there is no Ray"), (b"", "timed out")]
)
def test_what_answers_and_is_no_cluster_is_named_in_time(monkeypatch, says, why):
    import ray

    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("asked Ray"))
    monkeypatch.setattr("benchbench.execution.ray.PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listens:

        def answer() -> None:
            connection, _ = listens.accept()
            with connection:
                connection.sendall(says)
                while connection.recv(1024):
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        where = f"127.0.0.1:{listens.getsockname()[1]}"
        with pytest.raises(BenchbenchError, match=f"^executor ray: no cluster at {where}: {why}$"):
            Ray(address=where).run([], lambda event: None)
        thread.join()


@pytest.fixture
def work(tmp_path) -> Job:
    """A training of a stage that takes steps."""
    (training,) = plan(matrix(["labels"], ["nearest-centroid"], 600)).trainings
    return Job(training, training.cells, tmp_path / "scratch")


@pytest.mark.parametrize("shared", ["{folder}", "file://{folder}"])
def test_shared_checkpoints_pass_nobody_and_are_found_by_the_next_node(work, tmp_path, shared):
    def messages(store: str) -> list[tuple[str, Any]]:
        said: list[Any] = []
        where = Ray(checkpoints=shared.format(folder=tmp_path / "shared")).checkpoints
        _train(replace(work, store=tmp_path / store), {}, where, said.append)
        assert said.pop() is None
        return said

    first, second = messages("one"), messages("other")
    (record,) = (data for kind, data in first if kind == "record")
    assert record.status == "ok"
    assert {kind for kind, _ in first} == {"started", "progress", "record", "finished"}
    assert [path.name for path in (tmp_path / "shared").rglob("*.*")] == ["final.safetensors"]
    assert any("step" in data for kind, data in first if kind == "progress")
    assert not any("step" in data for kind, data in second if kind == "progress"), "it was trained already"
    (again,) = (data for kind, data in second if kind == "record")
    assert again.scores == record.scores


def test_shared_checkpoints_that_cannot_be_written_fail_no_training(work, tmp_path):
    (tmp_path / "shared").write_text("a file")
    said: list[Any] = []
    _train(work, {}, str(tmp_path / "shared"), said.append)
    assert [type(m) for m in said[-2:]] == [StorageError, type(None)]
    assert not {"failed", "failures", "record"} & {m[0] for m in said[:-2]}


@pytest.mark.parametrize(
    "shared",
    [pytest.param(False, id="through-the-driver"), pytest.param(True, id="shared", marks=pytest.mark.full)],
)
def test_a_node_that_is_lost_loses_nothing(nodes, tmp_path, shared):
    while len(nodes.workers) > 1:
        nodes.lose()
    if not nodes.workers:
        nodes.add()
    asked = matrix(["labels"], ["protonet"], 24_000)
    kept = tmp_path / "shared" if shared else tmp_path / "cluster" / "checkpoints"
    steps: list[list[int]] = [[]]

    def watch(event: Event) -> None:
        if event.kind == "progress" and "step" in event.data:
            steps[-1].append(event.data["step"])
            if len(steps) == 1 and list(kept.glob("*/resume.safetensors")):
                nodes.lose()
                nodes.add()
                steps.append([])

    settings = {"address": nodes.address, **({"checkpoints": f"file://{kept}"} if shared else {})}
    outcome = benchbench.run(asked, tmp_path / "cluster", executor="ray", executor_settings=settings, report=watch)
    assert (outcome.trained, outcome.failed) == (1, [])
    before, after = steps
    assert before[0] < before[-1] < 400
    assert 20 < after[0] <= after[-1] == 400, "it went on from a checkpoint, the first of which is step 20"
    assert list(kept.glob("*/final.safetensors"))
    benchbench.run(asked, tmp_path / "alone", executor="inline")
    assert lasting(tmp_path / "cluster") == lasting(tmp_path / "alone")
