"""Bundles: a network's weights with everything needed to use them, as one folder.

    weights.safetensors     the tensors
    model.json              what the network is, its settings, and what it was taught with
    card.md                 the model card: for whom, from what data, how good, where it breaks

Ours lie in ``photopeak/bundles/NAME``, a user's in ``$PHOTOPEAK_HOME/bundles/NAME`` (``~/.photopeak`` where that is not
set); a path is taken as it is. Provenance records the sha256 of the weights.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from photopeak.core import PhotopeakError
from photopeak.core.writing import whole_folder

FILES = ("weights.safetensors", "model.json", "card.md")
LARGEST_JSON = 1 << 20


@dataclass(frozen=True, eq=False)
class Bundle:
    """Weights, the description of their network, and the card."""

    weights: Mapping[str, torch.Tensor]
    model: Mapping[str, Any]
    card: str
    sha256: str
    """Of the weights' file."""


def home() -> Path:
    """Where a user's bundles and caches lie: ``$PHOTOPEAK_HOME``, or ``~/.photopeak``."""
    return Path(os.environ.get("PHOTOPEAK_HOME") or Path.home() / ".photopeak")


def save_bundle(folder: Path, weights: Mapping[str, torch.Tensor], model: Mapping[str, Any], card: str) -> str:
    """Write a bundle, which appears whole or not at all; gives the sha256 of the weights."""
    if folder.exists():
        raise PhotopeakError(f"{folder} is there already. Remedy: name another folder, or remove that one.")
    with whole_folder(folder) as work:
        return put_bundle(work, weights, model, card)


def put_bundle(folder: Path, weights: Mapping[str, torch.Tensor], model: Mapping[str, Any], card: str) -> str:
    """Write a bundle's files into a folder that is being made; gives the sha256 of the weights."""
    from safetensors.torch import save_file

    save_file({k: v.detach().cpu().contiguous() for k, v in weights.items()}, folder / FILES[0])
    text = json.dumps(model, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / FILES[1]).write_text(text + "\n", encoding="utf-8")
    (folder / FILES[2]).write_text(card, encoding="utf-8")
    (folder / FILES[0]).chmod(0o644)  # safetensors makes its files private
    return _sha256(folder / FILES[0])


def load_bundle(name: str | Path) -> Bundle:
    """The bundle of a name or a path; what is missing or damaged is said."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = find_bundle(name)
    missing = [f for f in FILES if not (folder / f).is_file()]
    if missing:
        raise PhotopeakError(
            f"{folder} lacks {', '.join(missing)}. Remedy: a bundle is a folder with {', '.join(FILES)}."
        )
    try:
        weights = load_file(folder / FILES[0])
        if (folder / FILES[1]).stat().st_size > LARGEST_JSON:
            raise ValueError("model.json is too large")
        model = json.loads((folder / FILES[1]).read_text(encoding="utf-8"))
    except (SafetensorError, ValueError, OSError) as error:
        raise PhotopeakError(f"{folder} is damaged: {error}. Remedy: get or make the bundle again.") from error
    return Bundle(weights, model, (folder / FILES[2]).read_text(encoding="utf-8"), _sha256(folder / FILES[0]))


def find_bundle(name: str | Path) -> Path:
    """The folder of a bundle: one of the user's or of ours where it is a name, itself where it is a path."""
    given = Path(name)
    bare = len(given.parts) == 1 and given.name not in ("", "..")
    # A name comes first: a folder that happens to be called like one of ours must not hide it.
    places = [*([home() / "bundles" / given, _shipped() / given] if bare else []), given]
    for place in places:
        if place.is_dir():
            return place
    raise PhotopeakError(
        f"no bundle is called {str(name)!r}. Remedy: name one of {', '.join(bundle_names()) or '(none installed)'}, "
        "or the path of a folder that holds one."
    )


def bundle_names() -> list[str]:
    """The bundles that can be named, ours and the user's."""
    places = (_shipped(), home() / "bundles")
    return sorted({p.name for place in places if place.is_dir() for p in place.iterdir() if (p / FILES[1]).is_file()})


def _shipped() -> Path:
    return Path(str(files("photopeak"))) / "bundles"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
