"""A Ray cluster: the same bits as one process, and the loss of a node costs nothing but time."""

import threading
import time

import pytest

from photopeak.patients.cluster import over_cluster
from photopeak.patients.commands import simulate_cohort
from photopeak.patients.protocol import Clinic
from photopeak.patients.thyroid import Thyroid

ray = pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
pytestmark = [
    pytest.mark.untraced,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("ray"),
    # Ray leaves sockets and processes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


@pytest.fixture
def two_nodes():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    worker = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
    yield cluster, worker
    ray.shutdown()
    cluster.shutdown()


def test_a_lost_node_is_survived_with_the_same_hashes(tmp_path, two_nodes):
    cluster, worker = two_nodes
    clinic = Clinic(Thyroid(), 6, 7)
    alone = simulate_cohort(clinic, tmp_path / "alone", quiet=True)

    def lose_a_node():
        while not (tmp_path / "together" / "thyroid-7-00000").exists():
            time.sleep(0.05)
        cluster.remove_node(worker, allow_graceful=False)

    thief = threading.Thread(target=lose_a_node, daemon=True)
    thief.start()
    together = simulate_cohort(clinic, tmp_path / "together", cluster=cluster.address, quiet=True)
    thief.join(timeout=60)
    assert together["fingerprint"] == alone["fingerprint"]
    for name in ("planar.dcm", "truth.json", "truth.safetensors"):
        one, other = (tmp_path / w / "thyroid-7-00005" / name for w in ("alone", "together"))
        assert one.read_bytes() == other.read_bytes()


def test_results_come_back_with_their_items(two_nodes):
    assert dict(over_cluster(abs, [-3, -2, -1], two_nodes[0].address)) == {-3: 3, -2: 2, -1: 1}
