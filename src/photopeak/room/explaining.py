"""Why a network answers as it does, when somebody asks: computed then, in a process of its own, and not kept."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np

from photopeak.core import PhotopeakError
from photopeak.room.compute import Compute, Stored, examinations_in, image_name, places_of

Question = Literal["metastasis", "arthritis"]
WAITING: Final = 4
"""Who may wait for an explanation at a time; more would hold up the pages."""


class Explaining:
    """The process that explains, started when the first person asks."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(WAITING)
        self._compute = Compute()

    def explain(
        self, objects: Sequence[Stored], bundle: str, assumed: Mapping[str, str], image: str, question: Question
    ) -> dict[str, Any] | None:
        """Places in words and maps as PNG; None where too many wait already."""
        if not self._free.acquire(blocking=False):
            return None
        try:
            return self._compute.run(explain_image, list(objects), bundle, dict(assumed), image, question)
        finally:
            self._free.release()

    def close(self) -> None:
        self._compute.close()


def explain_image(
    objects: Sequence[Stored], bundle: str, assumed: Mapping[str, str], image: str, question: Question
) -> dict[str, Any]:
    """By how much the log-odds of an answer fall when each spot of an image is covered."""
    from photopeak.classify.explain import FULL, explain

    for examination in examinations_in(objects, assumed):
        if examination.study is not None and image_name(places_of(examination), examination.name) == image:
            found = explain(examination.study, question, "occlusion", bundle)
            maps: dict[str, str] = {}
            for view, plane in zip(found.image.grid.labels("view"), found.image.values, strict=True):
                share = np.clip(np.asarray(plane, np.float64) / FULL["occlusion"], -1.0, 1.0)
                maps |= {f"{view}/for": _png(np.maximum(share, 0.0)), f"{view}/against": _png(np.maximum(-share, 0.0))}
            places = [
                {"region": p.region, "views": list(p.views), "log_odds": p.value, "without": p.without}
                for p in found.places
            ]
            return {"question": question, "probability": found.probability, "places": places, "maps": maps}
    raise PhotopeakError(f"the study has no image {image}. Remedy: load the study again.")


def _png(share: np.ndarray) -> str:
    """Shares of 0 … 1 as an eight-bit PNG in base64."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.rint(255.0 * share).astype(np.uint8)).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()
