"""PET sinograms in Interfile: what is written is read, lines lie where STIR's crystals are, the rest is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from photopeak.core import Image, PhotopeakError
from photopeak.physics.pet import PetScanner, TimeOfFlight
from photopeak.recon.interfile_pet import read_pet, scanner_of, write_pet

SCANNER = PetScanner(120.0, 48, 4, 8.0, 31, difference=3)
TIMED = replace(SCANNER, tof=TimeOfFlight(200.0, 5, 180.0))


def values(path: Path) -> np.ndarray:
    entry = read_pet(path)["counts"]
    assert isinstance(entry, Image)
    return np.asarray(entry.values)


@pytest.fixture
def header(tmp_path: Path) -> Path:
    counts = np.random.default_rng(1).poisson(5, SCANNER.sinogram().shape).astype(np.float32)
    return write_pet(counts, SCANNER, tmp_path / "a.hs", 60.0)


@pytest.mark.parametrize(
    "scanner",
    [
        SCANNER,
        PetScanner(120.0, 48, 6, 8.0, 31, difference=4, span=3),
        PetScanner(100.0, 36, 3, 6.0, 21, 1),
        PetScanner(100.0, 36, 3, 6.0, 21, tof=TimeOfFlight(300.0, 4, 250.0)),
        TIMED,
    ],
)
def test_what_is_written_is_read(scanner, tmp_path):
    counts = np.random.default_rng(1).poisson(5, scanner.sinogram().shape).astype(np.float32)
    study = read_pet(write_pet(counts, scanner, tmp_path / "a.hs", 60.0))
    assert scanner_of(study).sinogram() == scanner.sinogram()
    assert scanner_of(study).planes() == scanner.planes()
    assert scanner_of(study).tof == scanner.tof
    assert np.array_equal(study["counts"].values, counts)
    assert study.acquisition.duration_s == 60.0


def stir_lines(tangential: int, rings: int) -> list[tuple[int, int, int, np.ndarray, np.ndarray]]:
    """Every line of a file: segment, view, tangential index, and its ends (x, y, z), by STIR's own numbering."""
    n, radius = SCANNER.crystals, SCANNER.radius_mm
    found = []
    for d in range(1 - rings, rings):
        for v in range(n // 2):
            for k in range(tangential):
                t = k - tangential // 2
                psi = 2 * np.pi / n * np.array([v + (t >> 1), v - ((t + 1) >> 1) + n // 2])
                ends = np.stack([radius * np.sin(psi), -radius * np.cos(psi), np.array([0.0, d * SCANNER.ring_mm])], 1)
                found.append((d, v, k, ends[0], ends[1]))
    return found


@pytest.mark.parametrize(("view_first", "tangential"), [(True, 31), (False, 31), (True, 32)])
def test_a_point_lies_where_its_lines_cross(view_first, tangential, header):
    rings, point = SCANNER.rings, np.array([35.0, 20.0, 8.0])  # left, back, second ring
    sizes = [rings - abs(d) for d in range(1 - rings, rings)]
    blocks = {d: np.zeros((SCANNER.angles, s, tangential)) for d, s in zip(range(1 - rings, rings), sizes, strict=True)}
    for d, v, k, one, other in stir_lines(tangential, rings):
        for axial in range(rings - abs(d)):
            up = np.array([0.0, 0.0, SCANNER.ring_mm * (axial + max(0, -d))])
            along = (other - one) / np.linalg.norm(other - one)
            away = point - one - up
            blocks[d][v, axial, k] = 1.0 if np.linalg.norm(away - along * (away @ along)) < 5.0 else 0.0
    ordered = [b if view_first else b.transpose(1, 0, 2) for b in blocks.values()]
    raw = np.concatenate([b.ravel() for b in ordered])
    header.with_suffix(".s").write_bytes(raw.astype("<f4").tobytes())
    text = header.read_text()
    differences = "{ " + ", ".join(str(d) for d in blocks) + " }"
    lines = []
    for line in text.splitlines():
        key = line.split(":=")[0].strip(" !")
        changed = {
            "matrix size [1]": str(tangential),
            "matrix axis label [3]": "view" if view_first else "axial coordinate",
            "matrix axis label [2]": "axial coordinate" if view_first else "view",
            "matrix size [3]": str(SCANNER.angles) if view_first else str(set(sizes)),
            "minimum ring difference per segment": differences,
            "maximum ring difference per segment": differences,
        }
        listed = "{ " + ", ".join(map(str, sizes)) + " }"
        changed["matrix size [2]"] = listed if view_first else str(SCANNER.angles)
        if not view_first:
            changed["matrix size [3]"] = listed
        lines.append(f"{key} := {changed[key]}" if key in changed else line)
    header.write_text("\n".join(lines))
    study = read_pet(header)
    scanner = scanner_of(study)
    grid = scanner.grid(5.0, 41)
    back = scanner.operator(grid).adjoint(torch.from_numpy(np.array(study["counts"].values)))
    z, y, x = np.unravel_index(int(back.argmax()), back.shape)
    found = (grid.matrix_mm @ [x, y, z, 1.0])[:3]
    assert found == pytest.approx(point, abs=5.1)
    if tangential % 2:
        assert float(study["counts"].values.sum()) == raw.sum()


def test_timing_positions_follow_the_later_photon_of_the_second_crystal(tmp_path):
    """In the file, by STIR's own numbering of crystals: the mean of t₂ − t₁ says where on its line the point lies."""
    grid, place = TIMED.grid(5.0, 41), (2, 24, 27)  # the second ring, towards back and left
    image = torch.zeros(grid.shape)
    image[place] = 1.0
    point = (grid.matrix_mm @ [place[2], place[1], place[0], 1.0])[:3]
    write_pet(TIMED.operator(grid)(image).numpy(), TIMED, tmp_path / "a.hs", 1.0)
    raw = np.fromfile(tmp_path / "a.s", "<f4").reshape(5, -1)[:, : TIMED.rings * TIMED.angles * TIMED.radial]
    direct = raw.reshape(5, TIMED.angles, TIMED.rings, TIMED.radial)[:, :, 1]  # segment 0 is the first in the file
    mm = 180.0 * 0.149896229 * np.arange(-2, 3)  # of t₂ − t₁: towards the first crystal
    seen = 0
    for d, v, k, one, other in stir_lines(TIMED.radial, TIMED.rings):
        counts = direct[:, v, k]
        if d == 0 and counts.sum() > 0.5 * direct.sum(0).max():
            middle, along = 0.5 * (one + other), (one - other) / np.linalg.norm(one - other)
            away = (point - middle)[:2] @ along[:2]
            assert float(mm @ counts / counts.sum()) == pytest.approx(away, abs=4.0)
            seen += abs(away) > 25.0
    assert seen > 5


def test_an_order_of_timing_positions_is_followed(tmp_path):
    counts = np.random.default_rng(2).poisson(5, TIMED.sinogram().shape).astype(np.float32)
    header = write_pet(counts, TIMED, tmp_path / "a.hs", 1.0)
    raw, order = np.fromfile(tmp_path / "a.s", "<f4").reshape(5, -1), [0, 1, -1, 2, -2]
    raw[[k + 2 for k in order]].tofile(tmp_path / "a.s")
    text = header.read_text().replace("TOF mashing factor := 1", "%TOF mashing factor := 13")
    text = text.replace("TOF time bins := 5", "TOF time bins := 65").replace("(ps) := 180", f"(ps) := {180 / 13!r}")
    listed = "{0,1,-1,2,-2}"
    header.write_text(text.replace("!END", f"TOF bin order := {listed}\n!END"))
    study = read_pet(header)
    assert np.array_equal(study["counts"].values, counts)
    assert scanner_of(study).tof.bin_ps == pytest.approx(180.0)
    for old, new, says in (
        (listed, "{0,1,-1,2,2}", "TOF bin order"),
        ("TOF time bins := 65", "TOF time bins := 64", "timing positions"),
        ("TOF timing resolution (ps) := 200", "", "resolution"),
    ):
        header.write_text(text.replace("!END", f"TOF bin order := {listed}\n!END").replace(old, new))
        with pytest.raises(PhotopeakError, match=says):
            read_pet(header)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("Number of rings := 4", "Number of rings := 5", "sinograms on 5 rings"),
        ("Number of rings := 4\n", "", "number of rings"),
        ("Number of detectors per ring := 48", "Number of detectors per ring := 96", "mashed"),
        ("Number of detectors per ring := 48", "Number of detectors per ring := 50", "multiple of 4"),
        ("applied corrections := {None}", "applied corrections := {arc correction}", "arc correction"),
        ("number of dimensions := 4", "number of dimensions := 5", "timing positions"),
        ("View offset (degrees) := 0", "View offset (degrees) := 10", "turned"),
        ("matrix axis label [3] := view", "matrix axis label [3] := angle", "matrix axis label"),
        ("minimum ring difference per segment := { 0,", "minimum ring difference per segment := { -1,", "odd span"),
        ("minimum ring difference per segment := { 0,", "minimum ring difference per segment := { x,", "no list"),
        ("Distance between rings (cm) := 0.8", "Distance between rings (cm) := 0", "scanner parameters"),
        ("!matrix size [1] := 31", "!matrix size [1] := 35", "holds"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_by_its_key(header, old, new, says):
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))
    with pytest.raises(PhotopeakError, match=says) as refused:
        read_pet(header)
    assert str(header) in str(refused.value)
    assert "Remedy" in str(refused.value)


def test_bins_that_are_no_counts_are_refused(header):
    raw = np.fromfile(header.with_suffix(".s"), "<f4")
    raw[7] = np.nan
    header.with_suffix(".s").write_bytes(raw.tobytes())
    with pytest.raises(PhotopeakError, match="not finite"):
        read_pet(header)


def test_what_cannot_be_written_is_refused(tmp_path):
    for scanner in (PetScanner(120.0, 48, 2, 8.0, 30), PetScanner(120.0, 50, 2, 8.0, 31)):
        with pytest.raises(PhotopeakError, match="is not written"):
            write_pet(np.zeros((1, 1, 1)), scanner, tmp_path / "a.hs", 1.0)
    with pytest.raises(PhotopeakError, match="shape"):
        write_pet(np.zeros((1, 1, 1)), SCANNER, tmp_path / "a.hs", 1.0)
