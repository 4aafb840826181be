"""Contact sheets: scans side by side as a physician sees them, inverted grey."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Num, UInt8

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

GAP = 6


def grey(counts: Num[np.ndarray, "row column"], percentile: float = 99.5) -> UInt8[np.ndarray, "row column"]:
    """Inverted grey, black at the given percentile of the pixels (a bone scan's usual window)."""
    top = max(float(np.percentile(counts, percentile)), 1.0)
    return (255 - 255 * np.clip(counts / top, 0, 1)).astype(np.uint8)


def contact_sheet(
    scans: Sequence[Sequence[Num[np.ndarray, "row column"]]], captions: Sequence[str], columns: int = 6
) -> Picture:
    """Scans in a grid, the views of each beside one another, a caption above."""
    from PIL import Image, ImageDraw

    tiles = [np.concatenate([grey(v) for v in views], axis=1) for views in scans]
    height, width = (max(t.shape[i] for t in tiles) for i in (0, 1))
    rows = -(-len(tiles) // columns)
    columns = min(columns, len(tiles))
    cell = (width + GAP, height + GAP + 14)
    sheet = Image.new("L", (columns * cell[0] + GAP, rows * cell[1] + GAP), 255)
    pen = ImageDraw.Draw(sheet)
    for i, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        x, y = GAP + (i % columns) * cell[0], GAP + (i // columns) * cell[1]
        pen.text((x + 2, y), caption, fill=0)
        sheet.paste(Image.fromarray(tile), (x, y + 14))
    return sheet


def save_sheet(sheet: Picture, path: Path) -> Path:
    """Write the sheet as PNG so that it appears whole or not at all."""
    work = path.with_name(f".{path.name}")
    sheet.save(work, format="PNG")
    work.replace(path)
    return path
