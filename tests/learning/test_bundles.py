from pathlib import Path

import pytest
import torch

from photopeak.core import PhotopeakError
from photopeak.learning.bundles import bundle_names, find_bundle, load_bundle, save_bundle

WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3).half(), "n": torch.tensor(4)}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PHOTOPEAK_HOME", str(tmp_path))
    return tmp_path


def test_what_is_saved_is_loaded(home: Path) -> None:
    digest = save_bundle(home / "bundles" / "mine", WEIGHTS, {"network": "x", "name": "骨"}, "# Card\n")
    bundle = load_bundle("mine")
    assert torch.equal(bundle.weights["a"], WEIGHTS["a"])
    assert bundle.weights["a"].dtype == torch.float16
    assert (bundle.model["name"], bundle.card, bundle.sha256) == ("骨", "# Card\n", digest)
    assert "mine" in bundle_names()
    assert find_bundle(home / "bundles" / "mine") == find_bundle("mine")


def test_the_same_weights_have_the_same_hash(home: Path) -> None:
    digests = {save_bundle(home / name, WEIGHTS, {}, "") for name in ("one", "two")}
    assert len(digests) == 1


def test_nothing_is_half_written(home: Path) -> None:
    with pytest.raises(TypeError):
        save_bundle(home / "broken", WEIGHTS, {"not json": object()}, "")
    assert not (home / "broken").exists()
    assert not list(home.glob(".broken*"))


def test_a_bundle_is_not_overwritten(home: Path) -> None:
    save_bundle(home / "one", WEIGHTS, {}, "")
    with pytest.raises(PhotopeakError, match="is there already"):
        save_bundle(home / "one", WEIGHTS, {}, "")


def test_what_is_missing_or_damaged_is_said(home: Path) -> None:
    with pytest.raises(PhotopeakError, match="no bundle is called 'nobody'"):
        load_bundle("nobody")
    save_bundle(home / "one", WEIGHTS, {}, "")
    (home / "one" / "card.md").unlink()
    with pytest.raises(PhotopeakError, match=r"lacks card\.md"):
        load_bundle(home / "one")
    save_bundle(home / "two", WEIGHTS, {}, "")
    weights = home / "two" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(PhotopeakError, match="damaged"):
        load_bundle(home / "two")


def test_a_name_is_not_hidden_by_a_folder_of_that_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_bundle(home / "bundles" / "mine", WEIGHTS, {}, "")
    (home / "elsewhere" / "mine").mkdir(parents=True)
    monkeypatch.chdir(home / "elsewhere")
    assert find_bundle("mine") == home / "bundles" / "mine"
    assert find_bundle(home / "elsewhere" / "mine") == home / "elsewhere" / "mine"
