"""Every entry of a Study has a file, chosen by its Kind; another writer can take the place of ours."""

import json
from pathlib import Path

import numpy as np
import pytest
from dicom.dicom_cases import pet, whole_body
from safetensors import safe_open

from photopeak.core import Image, Kind, Mask, Measurement, Study, Text
from photopeak.dicom import read, save, saving


def full_study() -> Study:
    study = whole_body()
    grid = study["counts"].grid
    mask = Mask(np.ones(grid.shape, np.uint8), grid, {1: "skull"})
    return study.add(
        {
            "normalised": Image(study["counts"].values / np.float32(50), grid, "1"),
            "truth/regions": mask,
            "reader/p_metastasis": Measurement(0.8, "1", sd=0.1, code="SCT:94222008"),
            "truth/visibility": (Measurement(3.0, "1", region="rib"), Measurement(4.0, "1")),
            "truth/report": Text("Normal scan."),
        }
    )


def test_every_entry_is_written_by_its_kind(tmp_path: Path) -> None:
    paths = {p.name: p for p in save(full_study(), tmp_path / "out")}
    assert sorted(paths) == [
        "counts.dcm",
        "normalised.safetensors",
        "reader_p_metastasis.json",
        "truth_regions.safetensors",
        "truth_report.json",
        "truth_visibility.json",
    ]
    np.testing.assert_array_equal(read(paths["counts.dcm"])[0]["counts"].values, full_study()["counts"].values)
    measured = json.loads(paths["reader_p_metastasis.json"].read_text())["reader/p_metastasis"]
    assert (measured["value"], measured["sd"], measured["code"]) == (0.8, 0.1, "SCT:94222008")
    assert len(json.loads(paths["truth_visibility.json"].read_text())["truth/visibility"]) == 2
    with safe_open(paths["truth_regions.safetensors"], "numpy") as file:
        assert json.loads(file.metadata()["names"]) == {"1": "skull"}
        assert json.loads(file.metadata()["grid"])["axes"][0]["labels"] == ["anterior", "posterior"]
        assert file.get_tensor("truth/regions").all()


def test_a_pet_volume_is_a_folder(tmp_path: Path) -> None:
    study = pet("suv/bw", "g/ml{SUVbw}", np.ones((2, 4, 4), np.float32))
    [path] = save(study, tmp_path)
    assert path.is_dir()
    assert "suv/bw" in read(path)[0]


def test_another_writer_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "_WRITERS", dict(saving._WRITERS))

    def shout(study: Study, name: str, stem: Path) -> list[Path]:
        entry = study[name]
        assert isinstance(entry, Text)
        path = stem.with_suffix(".txt")
        path.write_text(entry.value.upper())
        return [path]

    saving.register(Kind("text", "{text}"), shout)
    [path] = save(full_study().only("truth/report"), tmp_path)
    assert path.read_text() == "NORMAL SCAN."
