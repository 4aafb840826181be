"""Where a mark of a read lies, and what a report calls that view: a study may hold several planar images.

A mark names its image by an instance UID (``Picture.name``). A report says ``anterior`` of the first image with that
view, ``2nd anterior`` of the second one, so that no two views of a report have one name.
"""

from __future__ import annotations

from collections.abc import Sequence

from photopeak.core import PhotopeakError
from photopeak.room.api.forms import Mark
from photopeak.room.display import Picture, planar

Place = tuple[str, str]
"""The name of an image, and one of its views."""


def labels_of(picture: Picture) -> tuple[str, ...]:
    """The views of a planar picture."""
    grid = picture.image.grid
    return tuple(grid.labels("view")) if "view" in grid.names else ()


def words_of(pictures: Sequence[Picture]) -> dict[Place, str]:
    """What a report calls every view of every planar image."""
    seen: dict[str, int] = {}
    words: dict[Place, str] = {}
    for picture in planar(pictures):
        for view in labels_of(picture):
            seen[view] = seen.get(view, 0) + 1
            words[picture.name, view] = view if seen[view] == 1 else f"{ordinal(seen[view])} {view}"
    return words


def ordinal(n: int) -> str:
    """A number as a place in a row.

    >>> [ordinal(n) for n in (2, 3, 4, 11, 12, 21)]
    ['2nd', '3rd', '4th', '11th', '12th', '21st']
    """
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def image_of_mark(image: str, pictures: Sequence[Picture]) -> Picture | None:
    """The picture that a mark lies on; none where the study has no planar one.

    Marks from before an image was named lie on the first one, on which reports measured them.
    """
    found = planar(pictures)
    if not image:
        return found[0] if found else None
    for picture in found:
        if picture.name == image:
            return picture
    raise PhotopeakError(
        f"a mark lies on the image {image}, which the study does not hold any more. "
        "Remedy: read the study again, and draw the mark on an image that is there."
    )


def word_of(image: str, view: str, pictures: Sequence[Picture]) -> str:
    """What a report calls the view that something lies in."""
    picture = image_of_mark(image, pictures)
    return view if picture is None else words_of(pictures).get((picture.name, view), view)


def renamed(marks: Sequence[Mark], pictures: Sequence[Picture]) -> list[Mark]:
    """The marks with their views as a report calls them, for its sentences alone."""
    return [m.model_copy(update={"view": word_of(m.image, m.view, pictures)}) for m in marks]
