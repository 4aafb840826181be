"""Every picture of the README and the docs, drawn anew: ``.venv/bin/python docs/make_pictures.py``.

pictures/clinic.png      four simulated patients, one of each class, both views
pictures/truth.png       one patient: counts, regions, lesions, and what three readers marked
pictures/thyroid.png     four thyroids, one of each class
pictures/reading.png     what the shipped reader says of a metastatic patient
pictures/explanation.png what that rests on
pictures/recon.png       a virtual bone SPECT/CT, reconstructed in four ways
pictures/datscan.png     DaTscan SPECT, MR and CT: a normal striatum and three stages of Parkinson's disease
pictures/brain-*.png     FDG, perfusion and amyloid: normal beside disease
pictures/kinetics.png    dynamic FDG with Patlak's influx, and FET in gliomas with their curves
pictures/y90.png         radioembolisation: PET, dose from it and true, histograms
pictures/breathing.png   FDG PET/CT of one patient who does not breathe, who does, and whose CT was taken breathed in
pictures/dose.png        therapy with Lu-177: four SPECTs, activity over time, dose on CT, histograms
pictures/tomography.png  a phantom of hot rods: truth and three reconstructions
pictures/fdg.png         FDG PET of the body: a normal examination and three stages of lung cancer, greatest SUV
pictures/perfusion.png   hearts without and with defects: slices on their own axes, and polar maps
"""

from __future__ import annotations

from pathlib import Path

import body_pictures
import brain_pictures
import kinetics_pictures
import numpy as np
import torch
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from photopeak.core import Grid, scaling
from photopeak.core.step import run
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.bone_spect import BoneSpect
from photopeak.patients.brain import draw_variation
from photopeak.patients.datscan import DatScan
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.dopamine import DopaminePlan
from photopeak.patients.protocol import Case, Clinic
from photopeak.patients.sheet import grey
from photopeak.patients.streams import stream
from photopeak.patients.thyroid import DISEASES, Thyroid
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.quantify.suv import SuvBw
from photopeak.recipes.fdg_body import FdgBody
from photopeak.recon.em import osem
from photopeak.recon.fbp import fbp
from photopeak.recon.picture import views
from photopeak.recon.reconstruct import MuFromCt, Reconstruct

FOLDER = Path(__file__).parent / "pictures"
SEED = 11
CLASSES = {"N": "normal", "M": "metastatic", "A": "arthritic", "M&A": "both"}
CROP = (slice(30, 900), slice(14, 242))
READERS = ((30, 110, 220), (220, 120, 0), (20, 150, 70))


def main() -> None:
    """Draw and write all of them."""
    FOLDER.mkdir(exist_ok=True)
    clinic = Clinic(BoneScan(mix="N=1,M=1,A=1,M&A=1"), 24, SEED)
    cases = [first_of(clinic, label) for label in CLASSES]
    row([both(c) for c in cases], list(CLASSES.values())).save(FOLDER / "clinic.png", optimize=True)
    row(*truth_panels(cases[3])).save(FOLDER / "truth.png", optimize=True)
    glands = [Clinic(Thyroid(diagnosis=d), 3, SEED)[1]["counts"].values[0][20:236, 40:216] for d in DISEASES]  # type: ignore[arg-type,union-attr]
    tiles = [
        np.asarray(Picture.fromarray(grey(g, 99.9)).resize((264, 324), Picture.Resampling.BICUBIC)) for g in glands
    ]
    row(tiles, list(DISEASES)).save(FOLDER / "thyroid.png", optimize=True)
    row(*tomography_panels()).save(FOLDER / "tomography.png", optimize=True)

    fdg(FOLDER / "fdg.png")
    perfusion(FOLDER / "perfusion.png")
    read_patient(FOLDER / "reading.png")
    explained(FOLDER / "explanation.png")
    reconstructed(FOLDER / "recon.png")
    striata(FOLDER / "datscan.png")
    brain_pictures.draw(FOLDER, SEED)
    kinetics_pictures.draw(FOLDER / "kinetics.png", SEED)
    body_pictures.draw(FOLDER, SEED)
    therapy(FOLDER / "dose.png")


def first_of(clinic: Clinic, label: str) -> Case:
    """The first patient of a class who has no superscan: no picture is chosen by eye."""
    for i in range(len(clinic)):
        case = clinic.case(i)
        truth = case.documents["truth.json"]
        if truth["class"] == label and not truth["superscan"]:  # type: ignore[index,call-overload]
            return case
    raise LookupError(label)


RECON = {
    "filtered back-projection": Reconstruct("fbp", attenuation=True),
    "OSEM": Reconstruct("osem", attenuation=True, scatter="tew"),
    "relative difference prior": Reconstruct("bsrem", 8, attenuation=True, scatter="tew"),
    "Bowsher's prior": Reconstruct("bsrem", 8, attenuation=True, scatter="tew", prior="bowsher"),
}


def reconstructed(path: Path) -> None:
    """Coronal and sagittal planes of a virtual SPECT/CT, each way of reconstructing it."""
    study = run(MuFromCt(), Clinic(BoneSpect(mix="M=1"), 1, SEED)[0].only("counts", "ct"))
    tiles = []
    for step in RECON.values():
        planes = views(np.asarray(run(step, study)["reconstruction"].values, np.float64))  # type: ignore[union-attr]
        pair = np.hstack([planes[name][22:106, 20:108] for name in ("anterior MIP", "sagittal")])
        tiles.append(np.asarray(Picture.fromarray(grey(pair, 99.8)).resize((528, 252), Picture.Resampling.BICUBIC)))
    halves = [row(tiles[k : k + 2], list(RECON)[k : k + 2]).convert("RGB") for k in (0, 2)]
    sheet = Picture.fromarray(np.vstack([np.asarray(half) for half in halves]))
    sheet.quantize(128, method=Picture.Quantize.FASTOCTREE).save(path, optimize=True)


STRIATA = {
    "normal": DatScan("normal=1"),
    "Hoehn and Yahr 1": DatScan("parkinson=1", "1"),
    "Hoehn and Yahr 2": DatScan("parkinson=1", "2"),
    "Hoehn and Yahr 3": DatScan("parkinson=1", "3"),
}


def striata(path: Path) -> None:
    """The slice through the striata of the first person who lies straight, healthy and at three stages."""
    straight = next(i for i, plan in enumerate(DatScan().plans(24, SEED)) if lies_straight(plan, i))
    step = Reconstruct(iterations=5, attenuation=True, scatter="tew", blur_mm=6.0)
    columns, captions = [], []
    for name, protocol in STRIATA.items():
        study = run(MuFromCt(), Clinic(protocol, straight + 1, SEED)[straight])
        image = np.asarray(run(step, study.only("counts", "mu"))["reconstruction"].values)  # type: ignore[union-attr]
        regions = study["truth/regions"]
        inside = np.isin(regions.values, [k for k, n in regions.names.items() if n.endswith(("caudate", "putamen"))])  # type: ignore[union-attr]
        fine = int(np.nonzero(inside)[0].mean())
        z = fine // 2
        spect = image[z - 1 : z + 2].mean(0)[20:-20, 24:-24]
        mr = study["mr"].values[fine, 16:-16, 8:-8]  # type: ignore[union-attr]
        ct = np.clip((study["ct"].values[z, 40:-40, 48:-48] + 40.0) / 120.0, 0.0, 1.0)  # type: ignore[union-attr]
        shown = [hot(spect / spect.max()), shades(mr / np.percentile(mr, 99.5)), shades(ct)]
        columns.append(
            np.vstack([np.asarray(Picture.fromarray(s).resize((220, 242), Picture.Resampling.BICUBIC)) for s in shown])
        )
        captions.append(name)
    row(columns, captions).save(path, optimize=True)


def lies_straight(plan: DopaminePlan, index: int) -> bool:
    """Whether a patient's head is turned by less than four degrees about every axis."""
    variation = draw_variation(stream(SEED, index, "anatomy"), plan.sex, plan.age_years)
    return max(abs(t) for t in variation.pose.turns_deg) < 4.0


def hot(values: np.ndarray) -> np.ndarray:
    """Numbers from 0 to 1 in the colours of a striatal display: black, blue, red, yellow, white."""
    nodes = np.array([[0, 0, 0], [30, 10, 120], [150, 20, 130], [235, 90, 30], [255, 210, 60], [255, 255, 255]])
    at = np.linspace(0.0, 1.0, len(nodes))
    return np.stack([np.interp(values, at, nodes[:, k]) for k in range(3)], -1).astype(np.uint8)


def shades(values: np.ndarray) -> np.ndarray:
    """Numbers from 0 to 1 as grey, bright is high."""
    return np.repeat((255 * np.clip(values, 0.0, 1.0)).astype(np.uint8)[..., None], 3, -1)


STAGES = {"normal": "normal", "local": "no nodes", "nodal": "nodes", "metastatic": "metastases"}
READERS_SUV = 7.0


def fdg(path: Path) -> None:
    """Greatest SUV from the front, SUV 0 to 7, of the k-th patient for the k-th class; the stage is the truth's."""
    tiles, captions = [], []
    for k, (label, words) in enumerate(STAGES.items()):
        case = Clinic(FdgBody(mix=f"{label}=1"), k + 1, SEED).case(k)
        suv = run(SuvBw(), case.study.only("activity"))["suv/bw"].values  # type: ignore[union-attr]
        shown = 255 - 255 * np.clip(suv.max(1)[::-1] / READERS_SUV, 0.0, 1.0)
        sheet = Picture.fromarray(shown.astype(np.uint8)[:, 8:-8])
        sheet = sheet.resize((2 * sheet.width, 2 * sheet.height), Picture.Resampling.BICUBIC)
        tiles.append(np.asarray(sheet))
        truth = case.documents["truth.json"]
        tnm = " ".join(str(truth[k]) for k in "tnm")  # type: ignore[index,call-overload]
        captions.append(f"{words}: {tnm}, {truth['stage']}" if truth["t"] else words)  # type: ignore[index,call-overload]
    tallest = max(len(t) for t in tiles)
    tiles = [np.pad(t, ((0, tallest - len(t)), (0, 0)), constant_values=255) for t in tiles]
    beside(tiles, captions).convert("L").save(path, optimize=True)


def therapy(path: Path) -> None:
    """Dose of the first patient of study S2, scanned four times."""
    from photopeak.patients.therapy_field import ENERGY_KEV
    from photopeak.physics.internal_dose import density_of
    from photopeak.quantify.absorbed_dose import AbsorbedDose, patient_of, serial
    from photopeak.quantify.dose_picture import save_picture
    from photopeak.quantify.dose_series import gathered
    from photopeak.quantify.region_dose import Uncertain, region_doses
    from photopeak.recipes.therapy_dose import PRESETS, masks, series
    from photopeak.recon.attenuation import with_mu

    scans = list(series(PRESETS["quick"], 0))
    found, ct = gathered([*[s.only("activity") for s in scans], scans[1].only("ct")])
    one = serial(found)
    seen = with_mu(found, ct, one.grid, ENERGY_KEV)  # type: ignore[arg-type]
    dose = run(AbsorbedDose("kernel"), seen)["dose"]
    maps = np.asarray(dose.values), np.zeros(one.grid.shape, np.float32), density_of(patient_of(seen, one, 1.0))  # type: ignore[union-attr]
    regions = {name: mask.of(name) for mask in masks(scans[0]) for name in mask.names.values()}
    save_picture(one, dose, region_doses(one, maps, regions, "bi", Uncertain()), ct["ct"], path)  # type: ignore[arg-type,index]
    Picture.open(path).convert("RGB").save(path, optimize=True)  # fewer colours would band the greys


HEARTS = {
    "normal man": ("normal", "M", "stress", "corrected"),
    "the same, not corrected": ("normal", "M", "stress", "uncorrected"),
    "normal woman, not corrected": ("normal", "F", "stress", "uncorrected"),
    "ischaemia, stress": ("ischaemia", "M", "stress", "corrected"),
    "the same, rest": ("ischaemia", "M", "rest", "corrected"),
    "infarct, stress": ("infarct", "M", "stress", "corrected"),
}


def perfusion(path: Path) -> None:
    """Short, vertical and horizontal long axes and the polar map of the first patient of each kind."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from photopeak.quantify.perfusion_picture import Shown, bull_eye, planes, top_of
    from photopeak.quantify.polar_map import percent_of_greatest, polar_map, reoriented
    from photopeak.quantify.ventricle_fit import fitted

    figure = Figure(figsize=(9.0, 1.5 * len(HEARTS)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, kind) in zip(figure.subplots(len(HEARTS), 6), HEARTS.items(), strict=True):
        image = heart_image(*kind)
        shell = fitted(image)
        values = polar_map(image, shell)
        shown = Shown(name, reoriented(image, shell), values, shell.length_mm + shell.base_mm)
        short, vertical, horizontal = planes(shown).values()
        for ax, plane in zip(axes, (short[1], short[3], short[5], vertical[3], horizontal[4]), strict=False):
            ax.imshow(plane, cmap="hot", vmin=0.0, vmax=top_of(shown), interpolation="bicubic")
            ax.set_xticks([]), ax.set_yticks([])
        axes[0].set_ylabel(name.replace(", ", ",\n"), fontsize=7)
        bull_eye(axes[5], percent_of_greatest(values), None, "")
    titles = ("apical short axis", "mid", "basal", "vertical long axis", "horizontal long axis", "% of the greatest")
    for ax, title in zip(figure.axes[:6], titles, strict=True):
        ax.set_title(title, fontsize=7)
    figure.savefig(path, dpi=100)
    sheet = Picture.open(path).convert("RGB")
    sheet.quantize(192, method=Picture.Quantize.FASTOCTREE).save(path, optimize=True)


def heart_image(label: str, sex: str, state: str, way: str):  # type: ignore[no-untyped-def]
    """The reconstruction of the first such patient: no picture is chosen by eye."""
    from photopeak.patients.myocardial_perfusion import MyocardialPerfusion
    from photopeak.recipes.perfusion_limits import reconstructed as image_of

    clinic = Clinic(MyocardialPerfusion(state=state, mix=f"{label}=1"), 24, SEED)  # type: ignore[arg-type]
    plans = clinic.protocol.plans(len(clinic), SEED)
    first = next(i for i, plan in enumerate(plans) if plan.sex == sex)
    return image_of(heart_study(clinic, first), way)


def heart_study(clinic: Clinic, index: int):  # type: ignore[no-untyped-def]
    """Simulated once, though two ways show it."""
    key = (str(clinic.protocol), index)
    if key not in _SIMULATED:
        _SIMULATED[key] = clinic[index]
    return _SIMULATED[key]


_SIMULATED: dict = {}


def read_patient(path: Path) -> None:
    """What the shipped reader says of the first metastatic patient at the frozen difficulty."""
    from photopeak.classify.reader import load_model
    from photopeak.classify.reports import draw, readings

    clinic = Clinic(BoneScan(mix="M=1", difficulty=Difficulty.frozen()), 24, SEED)
    study = first_of(clinic, "M").study
    ((reading, _, _),) = readings(load_model(), [study], ["virtual"])
    draw(study, reading, path)


def explained(path: Path) -> None:
    """What metastasis rests on in the first patient with both diseases at the frozen difficulty."""
    from photopeak.classify.explain import explain
    from photopeak.classify.overlays import draw, in_words

    clinic = Clinic(BoneScan(mix="M&A=1", difficulty=Difficulty.frozen()), 24, SEED)
    study = first_of(clinic, "M&A").study
    why = explain(study)
    print(in_words(study.patient.patient_id, why))
    draw(study, why, path)


def both(case: Case) -> np.ndarray:
    """Both views side by side."""
    return np.hstack([grey(v)[CROP] for v in case.study["counts"].values])  # type: ignore[union-attr]


def truth_panels(case: Case) -> tuple[list[np.ndarray], list[str]]:
    """Counts, regions in colour, lesions outlined, and the three readers' marks, of the posterior view."""
    view, study = 1, case.study
    counts = grey(study["counts"].values[view])  # type: ignore[union-attr]
    regions = study["truth/regions"]
    hues = np.random.default_rng(4).permutation(len(regions.names)) / len(regions.names)  # type: ignore[union-attr]
    colour = np.full((*counts.shape, 3), 255, np.uint8)
    for number in regions.names:  # type: ignore[union-attr]
        colour[regions.values[view] == number] = hue(hues[number - 1])  # type: ignore[union-attr]
    mixed = (0.45 * colour + 0.55 * counts[..., None]).astype(np.uint8)
    lesions = outlined(counts, case.documents["truth.json"]["lesions"])  # type: ignore[index,call-overload]
    return [counts[CROP], mixed[CROP], lesions[CROP], marked(counts, case)[CROP]], [
        "posterior counts",
        "truth: 30 regions",
        "metastasis red, arthritis blue",
        "three simulated readers",
    ]


def tomography_panels() -> tuple[list[np.ndarray], list[str]]:
    """The middle slice of hot rods of 12 to 48 mm in warm water, and what became of it."""
    activity, mu, grid = rods()
    orbit, camera = Orbit.circle(120, 160.0), SpectCamera(frame_s=25.0)
    physics, bare = camera.physics(grid, orbit, mu), camera.physics(grid, orbit)
    counts = physics.sample(activity, np.random.default_rng(SEED))
    images = (
        activity,
        fbp(physics.operator, counts, "hann"),  # type: ignore[arg-type]
        osem(bare, counts, 6, 8),
        osem(physics, counts, 6, 8),
    )
    slices = [grey(image[12].clamp_min(0.0).numpy()) for image in images]
    tiles = [np.asarray(Picture.fromarray(s).resize((256, 256), Picture.Resampling.BICUBIC)) for s in slices]
    captions = ["truth", "filtered back-projection", "OSEM, blur alone", "OSEM, blur and attenuation"]
    return tiles, captions


def rods() -> tuple[torch.Tensor, torch.Tensor, Grid]:
    """Activity in Bq/ml and μ in 1/cm of an elliptic cylinder of water with six rods, five times as hot."""
    n = 64
    y, x = np.meshgrid(np.arange(n) - 31.5, np.arange(n) - 31.5, indexing="ij")
    body = torch.from_numpy(((y / 22) ** 2 + (x / 27) ** 2 < 1).astype(np.float32)).expand(24, n, n)
    activity = 8_000.0 * body
    for i, radius in enumerate((1.5, 2.0, 3.0, 4.0, 5.0, 6.0)):
        angle = i * np.pi / 3
        inside = (y - 13 * np.sin(angle)) ** 2 + (x - 13 * np.cos(angle)) ** 2 < radius**2
        activity[4:20, torch.from_numpy(inside)] = 40_000.0
    return activity, 0.154 * body, Grid.volume((24, n, n), scaling((4.0, 4.0, 4.0)))


def hue(h: float) -> tuple[int, int, int]:
    """A colour of the rainbow, 0 to 1."""
    import colorsys

    r, g, b = colorsys.hsv_to_rgb(h, 0.75, 0.95)
    return int(255 * r), int(255 * g), int(255 * b)


def outlined(counts: np.ndarray, lesions: list[dict]) -> np.ndarray:
    """The annotated lesions' outlines over the counts."""
    picture = Picture.fromarray(counts).convert("RGB")
    pen = ImageDraw.Draw(picture)
    for one in lesions:
        seen = one["views"]["posterior"]
        if seen["annotated"] and len(seen["polygon"]) > 2:
            pen.polygon(
                [tuple(p) for p in seen["polygon"]],
                outline=(220, 0, 0) if one["kind"] == "metastasis" else (0, 60, 220),
                width=2,
            )
    return np.asarray(picture)


def marked(counts: np.ndarray, case: Case) -> np.ndarray:
    """What each reader marked over the counts."""
    picture = Picture.fromarray(counts).convert("RGB")
    pen = ImageDraw.Draw(picture)
    for i, colour in enumerate(READERS, 1):
        for shape in case.documents[f"reader{i}.json"]["shapes"]:  # type: ignore[index,call-overload]
            if not shape["flags"]["posterior"]:
                continue
            points = [tuple(p) for p in shape["points"]]
            if shape["shape_type"] == "rectangle":
                (x0, y0), (x1, y1) = points
                pen.rectangle([min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)], outline=colour, width=2)
            else:
                pen.polygon(points, outline=colour, width=2)
    return np.asarray(picture)


def row(tiles: list[np.ndarray], captions: list[str]) -> Picture.Image:
    """Pictures side by side with a caption above each, in few colours."""
    # Poisson noise does not compress: fewer colours keep the repository small and look the same.
    return beside(tiles, captions).quantize(128, method=Picture.Quantize.FASTOCTREE)


def beside(tiles: list[np.ndarray], captions: list[str]) -> Picture.Image:
    """The same in all colours."""
    gap, head = 10, 26
    width = sum(t.shape[1] for t in tiles) + gap * (len(tiles) + 1)
    sheet = Picture.new("RGB", (width, tiles[0].shape[0] + head + gap), (255, 255, 255))
    pen, font, x = ImageDraw.Draw(sheet), ImageFont.load_default(16), gap
    for tile, caption in zip(tiles, captions, strict=True):
        pen.text((x + 2, 3), caption, fill=(60, 60, 60), font=font)
        sheet.paste(Picture.fromarray(tile), (x, head))
        x += tile.shape[1] + gap
    return sheet


if __name__ == "__main__":
    main()
