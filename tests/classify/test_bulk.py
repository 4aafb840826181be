"""Many scans at once: the same readings from a cluster as from this process, and one set of weights."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from photopeak.classify.bulk import Done, read_group
from photopeak.classify.reader import load_model
from photopeak.cli import root
from photopeak.core import PhotopeakError
from photopeak.dicom import write
from photopeak.dicom.reading import examinations
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.protocol import Clinic


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scans, and a file that is none."""
    path = tmp_path_factory.mktemp("scans")
    for i, study in enumerate(Clinic(BoneScan(), patients=2, seed=5)):
        write(study, path / f"{i}.dcm")
    (path / "torn.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 64)
    return path


def test_a_group_comes_back_in_its_order_with_its_files(folder: Path, tmp_path: Path) -> None:
    group = list(examinations(folder))
    done = read_group(group, "bone-scan", load_model().sha256, files=True)
    assert [bool(d.refused) for d in done] == [e.study is None for e in group]
    assert sum(d.failed for d in done) == 1
    for d in (d for d in done if not d.refused):
        assert {"reading.json", "reading.png", "report.dcm"} <= set(d.files)
        written = d.write(tmp_path)
        assert json.loads((written / "reading.json").read_text()) == json.loads(d.json)


def test_a_machine_with_other_weights_is_refused() -> None:
    with pytest.raises(PhotopeakError, match="other weights on a machine of the cluster"):
        read_group([], "bone-scan", "0" * 64, files=False)


def test_nothing_is_written_of_what_was_not_read() -> None:
    assert Done(refused="torn", failed=True).files == {}


@pytest.mark.untraced
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("ray")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_cluster_reads_as_this_process_does(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
    said = {}
    for where, more in (("alone", []), ("together", ["--cluster"])):
        options = ["--json", "--out", str(tmp_path / where), *more]
        done = CliRunner().invoke(root, ["read", str(folder), *options])
        assert "1 scans were not read" in str(done.exception), done.output
        said[where] = sorted(done.stdout.splitlines())
        assert len(said[where]) == 2
    assert said["alone"] == said["together"]
    names = [{str(p.relative_to(tmp_path / w)) for p in (tmp_path / w).rglob("*")} for w in said]
    assert names[0] == names[1]
