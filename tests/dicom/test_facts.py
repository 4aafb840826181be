"""Facts without a field of their own, the private ones of GE and Philips among them, survive writing."""

from pathlib import Path

import numpy as np
from dicom.dicom_cases import pet, whole_body

from photopeak.dicom import read, write

PRIVATE = {
    "GEMS_PETD_01 (0009,0D)": "20240506102800.00",
    "Philips PET Private Group (7053,00)": 0.00125,
    "Philips PET Private Group (7053,09)": 2.5,
}


def test_facts_and_private_facts_read_back(tmp_path: Path) -> None:
    facts = {"SeriesDescription": "AC", "SliceThickness": 3.27, "CountsAccumulated": 12345.0, **PRIVATE}
    study = pet("activity", "Bq/ml", np.ones((2, 4, 4), np.float32), facts=facts)
    for syntax in ("explicit", "implicit"):
        back = read(write(study, tmp_path / syntax, syntax))[0].acquisition.facts
        assert facts.items() <= back.items()


def test_a_fact_the_writer_knows_better_is_not_written_over(tmp_path: Path) -> None:
    study = whole_body(facts={"Units": "BQML", "StudyDate": "20240101", "NoSuchKeyword": "x"})
    back = read(write(study, tmp_path / "a.dcm"))[0]
    assert "counts" in back
    assert back.acquisition.facts["StudyDate"] == "20240101"
    assert "Units" not in back.acquisition.facts
