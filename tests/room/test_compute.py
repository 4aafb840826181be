"""Readings made elsewhere are those made here."""

import pytest

from photopeak.core import PhotopeakError
from photopeak.dicom import write
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.protocol import Clinic
from photopeak.room.compute import Compute, OnCluster, Stored, read_objects


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> list[Stored]:
    """The objects of one bone scan, and one that is torn."""
    folder = tmp_path_factory.mktemp("scan")
    write(Clinic(BoneScan(), patients=1, seed=5)[0], folder / "scan.dcm")
    return [("1.2.3", (folder / "scan.dcm").read_bytes()), ("1.2.4", b"torn")]


@pytest.mark.untraced
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("ray")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_cluster_reads_what_this_process_reads(scan: list[Stored]) -> None:
    pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
    here, there = read_objects(scan, "bone-scan", {}), OnCluster("local")
    try:
        assert there.read(scan, "bone-scan", {}) == here
        with pytest.raises(PhotopeakError, match="nowhere"):
            there.read(scan, "nowhere", {})
    finally:
        there.close()
    assert len(here.documents) == 2
    assert here.maps[0]


def test_a_cluster_that_is_not_there_is_told(scan: list[Stored], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: str) -> None:
        raise ConnectionError(f"nobody at {address}")

    monkeypatch.setattr("photopeak.patients.cluster.joined", refuse)
    with pytest.raises(PhotopeakError, match=r"'ray://x:1' cannot be reached: nobody at .*Remedy"):
        OnCluster("ray://x:1").read(scan, "bone-scan", {})


def test_more_is_under_way_on_a_cluster() -> None:
    assert OnCluster("local").at_once > Compute().at_once
