"""Write a Study as DICOM: NM in one file, PT and CT one file a slice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from photopeak.core import Image, PhotopeakError, Study
from photopeak.dicom.checked import quiet_conversion
from photopeak.dicom.ct_writing import write_ct
from photopeak.dicom.encoding import check_values, save_dataset, syntax_uid
from photopeak.dicom.nm_writing import nm_dataset
from photopeak.dicom.pt_writing import write_series

ENTRIES: Final = ("counts", "activity", "suv/bw", "suv/lbm", "suv/bsa", "uptake", "ct")


def write(study: Study, path: str | os.PathLike[str], transfer_syntax: str = "explicit") -> Path:
    """Write a Study's image (its ``counts``, else ``activity``, SUV or ``ct``) and everything that is known of it.

    An NM image becomes the file ``path``, a PT or CT volume a folder of one file a slice. Pixels are lossless in
    every transfer syntax ("explicit", "implicit", "rle", "jpeg-ls", "jpeg2000"); values that are not whole
    numbers below 65536 are rounded to 16 bits, with an error of at most half a step.
    """
    syntax, place = syntax_uid(transfer_syntax), Path(path)
    name = image_of(study)
    if study.acquisition.modality == "PT":
        with quiet_conversion():
            return write_series(study, name, place, syntax)
    if study.acquisition.modality == "CT":
        with quiet_conversion():
            return write_ct(study, place, syntax)
    if study.acquisition.modality not in ("NM", ""):
        raise PhotopeakError(
            f"Photopeak writes NM, PT and CT, not {study.acquisition.modality}. Remedy: save(study, folder)."
        )
    with quiet_conversion():  # check_values refuses what pydicom would warn of
        ds = nm_dataset(study, name)
        check_values(ds, place)
        save_dataset(ds, place, syntax)
    return place


def image_of(study: Study) -> str:
    """The entry that is written: the first there is of ``ENTRIES``."""
    for name in ENTRIES:
        if isinstance(study.get(name), Image):
            return name
    raise PhotopeakError(
        f"the study holds {', '.join(study) or 'nothing'}, and none of {', '.join(ENTRIES)}, which DICOM images hold. "
        "Remedy: save(study, folder) writes other entries."
    )
