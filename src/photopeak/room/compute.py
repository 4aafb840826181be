"""Reading a study, in a process of its own: numerics never hold up the pages, and a crash there ends nothing here."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from photopeak.core import DicomError, Image, PhotopeakError, Study

if TYPE_CHECKING:
    from photopeak.classify.reader import Scan
    from photopeak.classify.views import Views
    from photopeak.dicom.reading import Examination

P = ParamSpec("P")
R = TypeVar("R")
Stored = tuple[str, bytes]
"""An object's instance UID and its bytes."""


@dataclass(frozen=True)
class Made:
    """What a bundle says of a study: documents, and the maps that they name by view and kind, as PNG."""

    bundle_sha256: str
    documents: tuple[dict[str, Any], ...]
    maps: tuple[Mapping[str, bytes], ...]


class Compute:
    """One process that reads and explains; a new one is started where it died."""

    at_once = 2
    """Studies under way: one that is read, and one whose files are fetched meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def read(self, objects: Sequence[Stored], bundle: str, assumed: Mapping[str, str]) -> Made:
        """What ``bundle`` says of these objects."""
        return self.run(read_objects, list(objects), bundle, dict(assumed))

    def run(self, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """A function of a module, in the process."""
        with self._lock:  # one study at a time: the networks use every core already
            for last in (False, True):
                try:
                    return self._running().submit(function, *args, **options).result()
                except BrokenProcessPool as error:
                    self._stop()
                    if last:
                        raise PhotopeakError(
                            "the process that reads ended twice at this study. Remedy: look whether the machine has "
                            "memory left; the study itself is kept."
                        ) from error
        raise AssertionError

    def _running(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Spawned, never forked: a fork after a parallel kernel dies.
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_end_with_parent)
        return self._pool

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def close(self) -> None:
        self._stop()


class OnCluster(Compute):
    """A Ray cluster that reads many studies at a time, as after a new bundle was switched on."""

    at_once = 16

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address, self._ours = address, False

    def run(self, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """A function of a module, on a machine of the cluster; one whose machine is lost runs again on another."""
        with self._lock:
            ray = self._joined()
        result: R = ray.get(ray.remote(max_retries=-1, num_cpus=1)(function).remote(*args, **options))
        return result

    def _joined(self) -> Any:
        from photopeak.patients.cluster import joined

        try:
            ray, began = joined(self._address)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise PhotopeakError(
                f"the cluster {self._address!r} cannot be reached: {error}. Remedy: start it (`ray start --head`), or "
                "leave PHOTOPEAK_ROOM_CLUSTER empty, and this machine reads."
            ) from error
        self._ours = self._ours or began
        return ray

    def close(self) -> None:
        if self._ours:
            import ray

            ray.shutdown()


def _end_with_parent() -> None:
    """End this process as soon as the one that started it is gone: killed, it cannot end it, and each would stay."""

    def wait() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def read_objects(objects: Sequence[Stored], bundle: str, assumed: Mapping[str, str]) -> Made:
    """Read every planar examination among these objects; what cannot be read says why."""
    from photopeak.classify.reader import load_model
    from photopeak.classify.reports import readings

    model = load_model(bundle)
    found = examinations_in(objects, assumed)
    good = [e for e in found if e.study is not None]
    said = readings(model, [e.study for e in good if e.study is not None], [e.name for e in good])
    documents: list[dict[str, Any]] = []
    maps: list[dict[str, bytes]] = []
    for examination, (reading, scan, views) in zip(good, said, strict=True):
        assert examination.study is not None
        documents.append({"reading": reading.to_json(), "views": places_of(examination)})
        maps.append({} if scan is None or views is None else _maps(examination.study, scan, views))
    for examination in (e for e in found if e.study is None):
        documents.append({"reading": {"refused": examination.refused, "sources": [examination.name]}, "views": {}})
        maps.append({})
    return Made(model.sha256, tuple(documents), tuple(maps))


def examinations_in(objects: Sequence[Stored], assumed: Mapping[str, str]) -> list[Examination]:
    """Every planar examination among stored objects, those that cannot be read among them."""
    from photopeak.dicom.parse import parse
    from photopeak.dicom.reading import examinations_of

    def parsed(name: str, data: bytes) -> Any:
        try:
            return parse(data, name)
        except DicomError as error:
            return error

    return list(examinations_of(((uid, parsed(uid, data)) for uid, data in objects), assumed))


def places_of(examination: Examination) -> dict[str, Any]:
    """Where each view lies: instance, frame (from 1 on), matrix and pixel size."""
    from photopeak.dicom.reading_frames import frames_of

    study = examination.study
    assert study is not None
    image = study.get("counts")
    if not isinstance(image, Image) or image.grid.names != ("view", "y", "x"):
        return {}
    try:
        frames = frames_of(study, examination.sources)
    except PhotopeakError:
        return {}  # rescaled counts: there is no frame that holds them as they are
    spacing = image.grid.spacing_mm
    return {
        view: {
            "sop": str(frame.source.SOPInstanceUID),
            "frame": frame.number or 1,
            "rows": image.values.shape[1],
            "columns": image.values.shape[2],
            "spacing_mm": [spacing["y"], spacing["x"]],
        }
        for view, frame in frames.items()
    }


def image_name(places: Mapping[str, Mapping[str, Any]], first: str) -> str:
    """What marks and readings call an image by: an instance UID of it, whichever file of a pair came first.

    >>> image_name({"anterior": {"sop": "1.9"}, "posterior": {"sop": "1.8"}}, "1.9")
    '1.8'
    """
    return min((str(p["sop"]) for p in places.values()), default=first)


def _maps(study: Study, scan: Scan, views: Views) -> dict[str, bytes]:
    """How likely each pixel is metastasis or arthritis, for each view, as eight-bit PNG on the image's matrix."""
    from PIL import Image as Picture

    from photopeak.classify.scans import LESIONS

    image = study["counts"]
    assert isinstance(image, Image)
    out: dict[str, bytes] = {}
    for k, kind in enumerate(LESIONS):
        planes = views.to_image(np.rint(255 * scan.maps[:, k]).astype(np.uint8))
        for view, plane in zip(image.grid.labels("view"), planes, strict=True):
            buffer = io.BytesIO()
            Picture.fromarray(plane).save(buffer, "png")
            out[f"{view}/{kind}"] = buffer.getvalue()
    return out
