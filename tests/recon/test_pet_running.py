"""PET from files: the image is the activity in Bq/ml, the right way up, and nothing is made up that is not stated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from photopeak.cli import root
from photopeak.core import Acquisition, Image, Patient, PhotopeakError, Study
from photopeak.dicom import read, write
from photopeak.dicom.validate import errors_of
from photopeak.physics.materials import ct_from_mu
from photopeak.physics.operator import Weighted
from photopeak.physics.pet import PetScanner, TimeOfFlight
from photopeak.physics.pet_operator import attenuation_factors
from photopeak.physics.pet_scatter import single_scatter
from photopeak.physics.physics import Physics
from photopeak.recon.em import osem
from photopeak.recon.interfile import read_interfile, write_interfile
from photopeak.recon.interfile_pet import write_pet
from photopeak.recon.pet_running import PetReconstruction, patient_grid

SCANNER = PetScanner(180.0, 64, 4, 14.0, 41)
GRID = SCANNER.grid(9.0, 26)
SECONDS, WARM, HOT = 300.0, 3000.0, 12_000.0
STATED = ("started_at=2025-05-05T10:00", "nuclide=F-18", "weight_kg=70", "activity_mbq=200",
          "administered_at=2025-05-05T09:00")  # fmt: skip
COMMON = ("--voxel-mm", "9", "--width", "26", "--iterations", "4", "--subsets", "4")
FIRST_RING = (12.0, -40.0, 500.0)


def phantom() -> tuple[torch.Tensor, torch.Tensor]:
    """A warm cylinder with a hot block at the left, at the back, near the first ring."""
    y, x = np.meshgrid(np.arange(26) - 12.5, np.arange(26) - 12.5, indexing="ij")
    inside = torch.from_numpy((np.hypot(x, y) * 9.0 < 85.0).astype(np.float32)).expand(GRID.shape)
    activity = WARM * inside.clone()
    activity[0:2, 14:17, 16:19] = HOT
    return activity, (0.096 * inside).contiguous()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Prompts with scatter and randoms, their normalisation, μ as Interfile and as CT; and the calibration."""
    folder, rng = tmp_path_factory.mktemp("pet"), np.random.default_rng(3)
    activity, mu = phantom()
    trues = Weighted(SCANNER.operator(GRID), attenuation_factors(SCANNER, GRID, mu))(activity)
    norm = torch.from_numpy(rng.uniform(0.7, 1.3, trues.shape).astype(np.float32))
    expected = norm * (trues + single_scatter(SCANNER, GRID, (activity, mu)))
    gain = 4e6 / float(expected.sum())
    randoms = torch.full(trues.shape, 0.3 * gain * float(expected.mean()))
    counts = rng.poisson((gain * expected + randoms).numpy()).astype(np.float32)
    header = write_pet(counts, SCANNER, folder / "prompts.hs", SECONDS)
    lies = "patient orientation := head_in\npatient rotation := supine\n"
    header.write_text(header.read_text().replace("!GENERAL DATA :=\n", f"!GENERAL DATA :=\n{lies}"))
    write_pet(randoms.numpy(), SCANNER, folder / "randoms.hs", SECONDS)
    write_pet(norm.numpy(), SCANNER, folder / "norm.hs", SECONDS)
    write_interfile(Image(mu.numpy(), GRID, "1/cm"), folder / "mu.hv")
    placed = patient_grid(GRID, FIRST_RING, "2.25.7")
    hu = ct_from_mu(mu.numpy()[::-1], 510.999).astype(np.float32)
    scan = Acquisition(modality="CT", position="HFS")
    write(Study({"ct": Image(hu, placed, "[hnsf'U]")}, Patient("P7", weight_kg=70.0), scan), folder / "ct")
    return folder, SECONDS / gain


def called(folder: Path, out: str, *options: str) -> Result:
    stated = [word for fact in STATED for word in ("--assume", fact)]
    beside = ["--randoms", str(folder / "randoms.hs"), "--normalisation", str(folder / "norm.hs")]
    words = ["recon-pet", str(folder / "prompts.hs"), *beside, *COMMON, *stated, *options, "--out", str(folder / out)]
    return CliRunner().invoke(root, words)


@pytest.fixture(scope="module")
def corrected(made: tuple[Path, float]) -> Path:
    folder, calibration = made
    done = called(
        folder, "image", "--attenuation", str(folder / "mu.hv"), "--scatter", "model", "--rounds", "2",
        "--bq-ml-per-unit", str(calibration),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder / "image"


def series(folder: Path) -> Study:
    (one,) = read(folder / "pet")
    return one


def test_the_image_is_the_activity_in_bq_ml_at_the_start(corrected):
    study = series(corrected)
    image = study["activity"]
    assert isinstance(image, Image)
    assert image.unit == "Bq/ml"
    activity, _ = phantom()
    inner = np.hypot(*np.meshgrid(np.arange(26) - 12.5, np.arange(26) - 12.5)) * 9.0 < 60.0
    turned = np.asarray(activity.numpy()[::-1])
    warm = (turned == WARM) & inner
    warm[-4:] = False  # beside the hot block
    # Counted over five minutes of F-18, given as of the start: 1.6 % more.
    decay = 1.0 + 0.5 * np.log(2.0) * SECONDS / 6586.2
    assert float(image.values[warm].mean()) == pytest.approx(WARM * decay, rel=0.04)
    assert study.acquisition.decay_correction == "START"
    assert set(study.acquisition.corrections) == {"NORM", "ATTN", "SCAT", "RAN", "DECY"}
    told = json.loads((corrected / "reconstruction.json").read_text())
    assert 0.03 < told["scatter_share"] < 0.3


def test_scatter_scaled_to_the_tails_is_the_simulated_one(made, corrected):
    """What was counted beside the patient is the single scatter that the model has: its factor is 1."""
    folder, calibration = made
    done = called(
        folder, "tails", "--attenuation", str(folder / "mu.hv"), "--scatter", "tails",
        "--bq-ml-per-unit", str(calibration),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    told = json.loads((folder / "tails" / "reconstruction.json").read_text())
    assert told["scatter_factors"][-1] == pytest.approx(1.0, abs=0.1)
    plain = json.loads((corrected / "reconstruction.json").read_text())
    assert told["scatter_share"] / plain["scatter_share"] == pytest.approx(told["scatter_factors"][-1], rel=0.05)


def test_the_patients_head_is_up_and_left_is_left(corrected):
    image = series(corrected)["activity"]
    assert isinstance(image, Image)
    z, y, x = np.unravel_index(int(np.asarray(image.values).argmax()), image.grid.shape)
    place = (image.grid.matrix_mm @ [x, y, z, 1.0])[:3]
    assert place[0] > 20.0  # left
    assert place[1] > 5.0  # back
    assert place[2] > -16.0  # the first ring is the head's, at z = 0
    assert z >= image.grid.shape[0] - 3


def test_the_series_passes_the_validator(corrected, dciodvfy):
    assert errors_of(dciodvfy, str(sorted((corrected / "pet").iterdir())[2])) == []
    assert (corrected / "reconstruction.png").stat().st_size > 5000


def test_a_ct_gives_the_same_map_and_its_patient(made):
    folder, calibration = made
    ct = ("--attenuation", str(folder / "ct"), "--bq-ml-per-unit", str(calibration))
    refused = called(folder, "ct-image", *ct)
    assert "--first-ring-mm" in str(refused.exception)
    done = called(folder, "ct-image", *ct, "--first-ring-mm", *(str(v) for v in FIRST_RING))
    assert done.exit_code == 0, done.output
    flat = called(folder, "mu-image", "--attenuation", str(folder / "mu.hv"), "--bq-ml-per-unit", str(calibration))
    assert flat.exit_code == 0, flat.output
    one, other = series(folder / "ct-image"), series(folder / "mu-image")
    a, b = one["activity"], other["activity"]
    assert isinstance(a, Image)
    assert isinstance(b, Image)
    assert np.abs(a.values - b.values).mean() < 0.02 * float(b.values.mean())
    assert one.patient.patient_id == "P7"
    assert a.grid.frame == "2.25.7"
    assert float(a.grid.matrix_mm[2, 3]) == pytest.approx(FIRST_RING[2] - (SCANNER.slices - 1) * 7.0, abs=0.01)


def test_without_a_calibration_there_are_counts_and_no_becquerels(made):
    folder, _ = made
    done = called(folder, "plain")
    assert done.exit_code == 0, done.output
    study = series(folder / "plain")
    assert "activity" not in study
    assert study.acquisition.decay_correction == "NONE"
    assert set(study.acquisition.corrections) == {"NORM", "RAN"}
    refused = called(folder, "wrong", "--bq-ml-per-unit", "5")
    assert "without attenuation correction" in str(refused.exception)


def test_without_orientation_no_dicom_is_written(made):
    folder, _ = made
    header = folder / "unturned.hs"
    text = (folder / "prompts.hs").read_text()
    header.write_text(text.replace("patient rotation := supine\n", ""))
    done = CliRunner().invoke(root, ["recon-pet", str(header), *COMMON, "--out", str(folder / "unturned")])
    assert done.exit_code == 0, done.output
    assert "no DICOM: patient orientation" in done.stderr
    assert (folder / "unturned" / "reconstruction.hv").exists()
    assert not (folder / "unturned" / "pet").exists()


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.Tensor]:
    """Prompts of one ring with time of flight, and their randoms and normalisation with and without."""
    folder, rng = tmp_path_factory.mktemp("tof"), np.random.default_rng(4)
    scanner = PetScanner(180.0, 64, 1, 14.0, 41, tof=TimeOfFlight(300.0, 5, 400.0))
    grid = scanner.grid(9.0, 26)
    expected = scanner.operator(grid)(phantom()[0][:1])
    norm = torch.from_numpy(rng.uniform(0.7, 1.3, (32, 1, 41)).astype(np.float32))
    expected *= norm[:, :, None] * 4e5 / float(expected.sum())
    randoms = 0.3 * float(expected.mean())
    prompts = torch.from_numpy(rng.poisson((expected + randoms).numpy()).astype(np.float32))
    alone = replace(scanner, tof=None)
    write_pet(prompts.numpy(), scanner, folder / "prompts.hs", SECONDS)
    write_pet(np.full(prompts.shape, randoms, np.float32), scanner, folder / "randoms.hs", SECONDS)
    write_pet(np.full((32, 1, 41), 5 * randoms, np.float32), alone, folder / "summed.hs", SECONDS)
    write_pet(norm.numpy(), alone, folder / "norm.hs", SECONDS)
    whole = Physics(Weighted(scanner.operator(grid), norm[:, :, None]), torch.full(prompts.shape, randoms))
    return folder, osem(whole, prompts, 4, 4)


@pytest.mark.parametrize("randoms", ["randoms.hs", "summed.hs"])
def test_time_of_flight_from_files_is_that_in_memory(timed, randoms):
    folder, in_memory = timed
    out = folder / randoms[:-3]
    words = ["recon-pet", str(folder / "prompts.hs"), "--randoms", str(folder / randoms), *COMMON, "--out", str(out)]
    done = CliRunner().invoke(root, [*words, "--normalisation", str(folder / "norm.hs")])
    assert done.exit_code == 0, done.output
    image = read_interfile(out / "reconstruction.hv")["uptake"]
    assert np.allclose(image.values, in_memory.numpy(), rtol=1e-4, atol=1e-4 * float(in_memory.max()))


def test_what_does_not_belong_together_is_refused(made, tmp_path):
    folder, _ = made
    small = PetScanner(180.0, 64, 3, 14.0, 41)
    other = write_pet(np.zeros(small.sinogram().shape, np.float32), small, tmp_path / "other.hs", SECONDS)
    words = ["recon-pet", str(folder / "prompts.hs"), *COMMON, "--out", str(tmp_path / "o")]
    assert "same scanner" in str(CliRunner().invoke(root, [*words, "--randoms", str(other)]).exception)
    per_mm = write_interfile(Image(np.full(GRID.shape, 40.0, np.float32), GRID, "1/cm"), tmp_path / "hu.hv")
    assert "no attenuation at 511 keV" in str(
        CliRunner().invoke(root, [*words, "--attenuation", str(per_mm)]).exception
    )
    nowhere = tmp_path / "nowhere.hv"
    nowhere.write_text("\n".join(k for k in per_mm.read_text().splitlines() if "offset" not in k))
    per_mm.with_suffix(".v").rename(nowhere.with_suffix(".v"))
    assert "first pixel offset" in str(CliRunner().invoke(root, [*words, "--attenuation", str(nowhere)]).exception)
    assert "attenuation map" in str(CliRunner().invoke(root, [*words, "--scatter", "model"]).exception)
    with pytest.raises(PhotopeakError, match="cannot be"):
        PetReconstruction(iterations=0)
