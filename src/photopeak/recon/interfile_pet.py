"""PET sinograms in Interfile, as STIR writes them, in and out.

What is read: cylindrical scanners, projection data of crystal pairs (no arc correction, no mashing of views, view
offset 0), an odd span, with or without time of flight, in the order segment, view, axial or segment, axial, view, with
the tangential coordinate fastest and timing positions slowest. Everything else is refused by its key.

STIR :cite:`thielemans2012` has x to the right as one looks from the bed into the gantry, y downwards, and z along the
axis from the gantry to the bed, 0 in the first ring, at the side away from the bed (its developers' overview, "Image
data"). Of a patient who lies supine with the head in, x points to the left, y to the back, and rings count from the
head to the feet, as its conversion to DICOM's axes has it (``DiscretisedDensity::swap_axes_based_on_orientation``).

Crystals count from the top clockwise as one looks into the gantry. In a sinogram view v and tangential position t join
crystals v + ⌊t/2⌋ and v − ⌈t/2⌉ + n/2 (``ProjDataInfoCylindricalNoArcCorr``); ``PetScanner.pairs`` joins others, so
bins are sorted by the crystals that they join, and a line whose ends are swapped has its rings swapped as well. Timing
positions :cite:`efthimiou2019` follow t₂ − t₁, the later ones towards the first crystal
(``ProjMatrixByBin::apply_tof_kernel``); ours go from the first to the second, so they turn round where ends are not
swapped.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float32, Int, Num

from photopeak.core import Acquisition, EnergyWindow, Image, PhotopeakError, Study
from photopeak.core.writing import whole_file
from photopeak.physics.pet import PetScanner, TimeOfFlight
from photopeak.recon.interfile import keys_of, number, values_of, wrong

SCANNER: Final = "PetScanner"
"""The fact of an acquisition that says which scanner its sinogram is of."""
LOWER, UPPER = "minimum ring difference per segment", "maximum ring difference per segment"
MASHED, UNMASHED = "tof mashing factor", "maximum number of (unmashed) tof time bins"
UNMASHED_PS, RESOLUTION_PS = "size of unmashed tof time bins (ps)", "tof timing resolution (ps)"
OLDER: Final = {
    MASHED: "%tof mashing factor",
    UNMASHED: "number of tof time bins",
    UNMASHED_PS: "size of timing bin (ps)",
    RESOLUTION_PS: "timing resolution (ps)",
}
"""Other names that STIR knows of these keys."""
ORDERS: Final = {("segment", "view", "axial coordinate"): True, ("segment", "axial coordinate", "view"): False}
RingPairs = frozenset[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class _Layout:
    """A file's bins: ``planes`` are the ring pairs of each sinogram, segment after segment."""

    scanner: PetScanner
    segments: tuple[int, ...]  # sinograms in each
    planes: tuple[RingPairs, ...]
    tangential: int
    times: tuple[int, ...] = (0,)  # where in the file each timing position stands, the earliest first


def read_pet(path: Path) -> Study:
    """The sinogram that a header describes, on the grid of its scanner; ``scanner_of`` gives the scanner."""
    keys = keys_of(path)
    view_first = _order(path, keys)
    layout = _layout(path, keys)
    shape = (len(layout.times), sum(layout.segments) * layout.scanner.angles * layout.tangential)
    raw = np.asarray(values_of(path, keys, shape), np.float32)
    if not np.isfinite(raw).all() or raw.min() < 0.0:
        raise wrong(path, "name of data file", "bins are not finite or below 0")
    stir = np.stack([_by_plane(raw[k], layout, view_first) for k in layout.times])
    counts = _ours(stir, layout).reshape(layout.scanner.sinogram().shape)
    image = Image(counts, layout.scanner.sinogram(), "{counts}")
    return Study({"counts": image}, None, _acquisition(path, keys, layout.scanner))


def scanner_of(study: Study) -> PetScanner:
    """The scanner of a sinogram that ``read_pet`` read, or a refusal."""
    stated: Any = study.acquisition.facts.get(SCANNER)
    if not isinstance(stated, Mapping):
        raise PhotopeakError("the study does not say its PET scanner. Remedy: read a sinogram with read_pet.")
    tof = stated.get("tof")
    return PetScanner(**{**stated, "tof": None if tof is None else TimeOfFlight(**tof)})


def write_pet(
    counts: Num[np.ndarray, "angle plane *bins radial"], scanner: PetScanner, path: Path, seconds: float
) -> Path:
    """A header and its numbers (single precision), the latter beside it with the ending ``.s``."""
    if scanner.radial % 2 == 0 or scanner.crystals % 4:
        raise PhotopeakError(
            f"a scanner of {scanner.crystals} crystals and {scanner.radial} radial bins is not written. "
            "Remedy: crystals a multiple of 4, and an odd number of radial bins."
        )
    if counts.shape != scanner.sinogram().shape:
        raise PhotopeakError(f"counts have shape {counts.shape}, the scanner {scanner.sinogram().shape}.")
    planes = tuple(frozenset(p) for p in scanner.planes())
    limits = _segments_of(scanner)
    sizes = tuple(sum(low <= next(iter(p))[1] - next(iter(p))[0] <= high for p in planes) for low, high in limits)
    times = 1 if scanner.tof is None else scanner.tof.bins
    layout = _Layout(scanner, sizes, planes, scanner.radial, tuple(range(times)))
    data = path.with_suffix(".s")
    stir = np.zeros((times, len(planes), scanner.angles, scanner.radial), np.float32)
    ours = counts.reshape(scanner.angles, len(planes), times, scanner.radial)
    bins, swapped, (same, other) = _sorted(layout)
    for p, b in np.ndindex(len(planes), times):
        for which, plane, time in ((~swapped, same[p], times - 1 - b), (swapped, other[p], b)):
            stir[time, plane].reshape(-1)[bins[which]] = ours[:, p, b][which]
    starts = np.cumsum([0, *sizes])
    ordered = [s[a:b].transpose(1, 0, 2).reshape(-1) for s in stir for a, b in itertools.pairwise(starts)]
    with whole_file(data) as part:
        part.write_bytes(np.concatenate(ordered).astype("<f4").tobytes())
    with whole_file(path) as part:
        part.write_text(_header(layout, limits, data.name, seconds), encoding="ascii")
    return path


def _order(path: Path, keys: Mapping[str, str]) -> bool:
    """Whether views stand before axial positions, or the refusal of what is not read."""
    if keys.get("applied corrections", "{none}").strip("{} ").lower() not in ("none", ""):
        raise wrong(path, "applied corrections", f"{keys['applied corrections']} data are not read; raw ones are")
    dimensions, slowest = number(path, keys, "number of dimensions"), keys.get("matrix axis label [5]", "").lower()
    if (dimensions, slowest) not in ((4, ""), (5, "timing positions")):
        raise wrong(path, "number of dimensions", "4 are read (segment, view, axial, tangential), or 5 with "
                    "matrix axis label [5] := timing positions")  # fmt: skip
    segment, second, third, fastest = (keys.get(f"matrix axis label [{k}]", "").lower() for k in (4, 3, 2, 1))
    labels = (segment, second, third)
    if fastest != "tangential coordinate" or labels not in ORDERS:
        known = "; ".join(", ".join(order) for order in ORDERS)
        raise wrong(
            path,
            "matrix axis label",
            f"{(*labels, fastest)} is not read; {known}, each with tangential coordinate, are",
        )
    return ORDERS[labels]


def _layout(path: Path, keys: Mapping[str, str]) -> _Layout:
    labels = {keys[f"matrix axis label [{k}]"].lower(): k for k in (1, 2, 3, 4)}
    lower, upper = (_list(path, keys, key) for key in (LOWER, UPPER))
    axial_key = f"matrix size [{labels['axial coordinate']}]"
    axial = _list(path, keys, axial_key)
    segments = number(path, keys, f"matrix size [{labels['segment']}]")
    if not len(lower) == len(upper) == len(axial) == segments:
        raise wrong(path, LOWER, f"{len(lower)}, {len(upper)} and {len(axial)} entries for {segments:g} segments")
    views, tangential = (
        int(number(path, keys, f"matrix size [{labels[n]}]")) for n in ("view", "tangential coordinate")
    )
    scanner = _scanner(path, keys, (lower, upper), tangential)
    times: tuple[int, ...] = (0,)
    if "matrix axis label [5]" in keys:
        tof, times = _time_of_flight(path, keys)
        scanner = replace(scanner, tof=tof)
    if views != scanner.angles:
        raise wrong(path, "matrix size", f"{views} views of {scanner.crystals} crystals are mashed, which is not read")
    planes = [_planes(scanner.rings, low, high) for low, high in zip(lower, upper, strict=True)]
    for k, (found, stated) in enumerate(zip(planes, axial, strict=True)):
        if len(found) != stated:
            what = f"segment {k + 1} has {len(found)} sinograms on {scanner.rings} rings, not {stated}"
            raise wrong(path, axial_key, what)
    every = tuple(p for segment in planes for p in segment)
    if set(every) != {frozenset(p) for p in scanner.planes()}:
        raise wrong(path, LOWER, f"{lower} to {upper} are not the segments of one odd span")
    return _Layout(scanner, tuple(axial), every, tangential, times)


def _scanner(
    path: Path, keys: Mapping[str, str], limits: tuple[Sequence[int], Sequence[int]], tangential: int
) -> PetScanner:
    if number(path, keys, "view offset (degrees)", 0.0) != 0.0:
        raise wrong(path, "view offset (degrees)", "a turned scanner is not read")
    rings, crystals = (int(number(path, keys, f"number of {n}")) for n in ("rings", "detectors per ring"))
    if crystals < 4 or crystals % 4:
        raise wrong(path, "number of detectors per ring", f"{crystals} is not a multiple of 4")
    middle = [high - low + 1 for low, high in zip(*limits, strict=True) if low <= 0 <= high]
    if len(middle) != 1 or middle[0] % 2 == 0:
        raise wrong(path, LOWER, "the segment around difference 0 must have an odd span")
    radius_cm = 0.5 * number(path, keys, "inner ring diameter (cm)")
    radius_cm += number(path, keys, "average depth of interaction (cm)", 0.0)
    # Of an even number the outermost line has no counterpart on the other side, and is left out.
    radial = tangential - 1 + tangential % 2
    try:
        return PetScanner(
            radius_mm=10.0 * radius_cm,
            crystals=crystals,
            rings=rings,
            ring_mm=10.0 * number(path, keys, "distance between rings (cm)"),
            radial=radial,
            difference=max(*limits[1], 0),
            span=middle[0],
        )
    except PhotopeakError as error:
        raise wrong(path, "scanner parameters", str(error).split(" Remedy")[0].rstrip(".")) from error


def _time_of_flight(path: Path, keys: Mapping[str, str]) -> tuple[TimeOfFlight, tuple[int, ...]]:
    """The timing bins, and where in the file each of them stands, from the earliest t₂ − t₁ on."""
    known = {new: new if new in keys else old for new, old in OLDER.items()}
    unmashed, width_ps, fwhm_ps = (number(path, keys, known[k]) for k in (UNMASHED, UNMASHED_PS, RESOLUTION_PS))
    mashed = number(path, keys, known[MASHED], 1.0)
    bins = int(number(path, keys, "matrix size [5]"))
    if bins < 1 or mashed < 1 or bins * mashed != unmashed:
        raise wrong(path, UNMASHED, f"{unmashed:g} mashed by {mashed:g} are not {bins} timing positions")
    if min(width_ps, fwhm_ps) <= 0.0:
        raise wrong(path, UNMASHED_PS, f"bins of {width_ps:g} ps and a resolution of {fwhm_ps:g} ps cannot be")
    usual = list(range(-(bins // 2), bins - bins // 2))
    order = _list(path, keys, "tof bin order") if "tof bin order" in keys else usual
    if sorted(order) != usual:
        raise wrong(path, "TOF bin order", f"{order} are not the {bins} timing positions around 0")
    return TimeOfFlight(fwhm_ps, bins, width_ps * mashed), tuple(int(k) for k in np.argsort(order))


def _planes(rings: int, low: int, high: int) -> list[RingPairs]:
    """The ring pairs of every sinogram of one segment, along the axis."""
    middles: dict[int, list[tuple[int, int]]] = {}
    for d in range(low, high + 1):
        for ring in range(max(0, -d), min(rings, rings - d)):
            middles.setdefault(2 * ring + d, []).append((ring, ring + d))
    return [frozenset(middles[m]) for m in sorted(middles)]


def _segments_of(scanner: PetScanner) -> list[tuple[int, int]]:
    """Smallest and greatest ring difference of each segment, 0, +1, −1, …"""
    half, most = scanner.span // 2, scanner.furthest
    count = (most + half) // scanner.span
    found = []
    for segment in [0, *(s for k in range(1, count + 1) for s in (k, -k))]:
        middle = segment * scanner.span
        found.append((max(-most, middle - half), min(most, middle + half)))
    return found


def _by_plane(
    raw: Float32[np.ndarray, " bin"], layout: _Layout, view_first: bool
) -> Float32[np.ndarray, "plane view tangential"]:
    views, parts, at = layout.scanner.angles, [], 0
    for size in layout.segments:
        count = size * views * layout.tangential
        block = raw[at : at + count]
        first, second = (views, size) if view_first else (size, views)
        block = block.reshape(first, second, layout.tangential)
        parts.append(block.transpose(1, 0, 2) if view_first else block)
        at += count
    return np.concatenate(parts)


def _sorted(
    layout: _Layout,
) -> tuple[
    Int[np.ndarray, "angle radial"],
    Bool[np.ndarray, "angle radial"],
    tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]],
]:
    """Where our bins lie in a sinogram of the file, which have their ends swapped, and our planes, as they are and
    with rings swapped, in the file."""
    scanner, n = layout.scanner, layout.scanner.crystals
    v = np.arange(scanner.angles)[:, None]
    t = np.arange(layout.tangential)[None, :] - layout.tangential // 2
    first, second = (v + (t >> 1)) % n, (v - ((t + 1) >> 1) + n // 2) % n
    table = np.full(n * n, -1, np.int64)
    table[(first * n + second).ravel()] = np.arange(first.size)
    one, other = ((scanner.pairs()[..., k] + n // 4) % n for k in (0, 1))  # ours start at the left, theirs at the top
    straight, crossed = table[one * n + other], table[other * n + one]
    swapped = straight < 0
    bins = np.where(swapped, crossed, straight)
    assert bins.min() >= 0, "every line of an odd number of radial bins is in the file"
    where = {pairs: k for k, pairs in enumerate(layout.planes)}
    planes = [frozenset(p) for p in scanner.planes()]
    same = np.array([where[p] for p in planes])
    turned = np.array([where[frozenset((b, a) for a, b in p)] for p in planes])
    return bins, swapped, (same, turned)


def _ours(
    stir: Float32[np.ndarray, "time plane view tangential"], layout: _Layout
) -> Float32[np.ndarray, "angle plane time radial"]:
    bins, swapped, (same, turned) = _sorted(layout)
    out = np.empty((layout.scanner.angles, len(same), len(stir), layout.scanner.radial), np.float32)
    for p, b in np.ndindex(*out.shape[1:3]):
        crossed, straight = stir[b, turned[p]], stir[len(stir) - 1 - b, same[p]]
        out[:, p, b] = np.where(swapped, crossed.reshape(-1)[bins], straight.reshape(-1)[bins])
    return out


def _acquisition(path: Path, keys: Mapping[str, str], scanner: PetScanner) -> Acquisition:
    seconds = number(path, keys, "image duration (sec)[1]", 0.0)
    windows: tuple[EnergyWindow, ...] = ()
    if "energy window lower level[1]" in keys:
        low, high = (number(path, keys, f"energy window {w} level[1]") for w in ("lower", "upper"))
        windows = (EnergyWindow("511", ((low, high),)),)
    lies = (keys.get("patient orientation", "").lower(), keys.get("patient rotation", "").lower())
    return Acquisition(
        modality="PT",
        model=keys.get("scanner type", keys.get("originating system", "")),
        duration_s=seconds or None,
        energy_windows=windows,
        position={("head_in", "supine"): "HFS", ("feet_in", "supine"): "FFS"}.get(lies, ""),
        facts={SCANNER: asdict(scanner)},
    )


def _list(path: Path, keys: Mapping[str, str], key: str) -> list[int]:
    text = keys.get(key, "")
    try:
        return [int(word) for word in text.strip("{} ").split(",")]
    except ValueError:
        raise wrong(path, key, f"{text!r} is no list of whole numbers") from None


def _timing(tof: TimeOfFlight) -> list[str]:
    return [
        f"Maximum number of (unmashed) TOF time bins := {tof.bins}",
        f"Size of unmashed TOF time bins (ps) := {tof.bin_ps:.9g}",
        f"TOF timing resolution (ps) := {tof.fwhm_ps:.9g}",
    ]


def _header(layout: _Layout, limits: Sequence[tuple[int, int]], data: str, seconds: float) -> str:
    def listed(values: Sequence[int]) -> str:
        return "{ " + ", ".join(str(v) for v in values) + " }"

    s = layout.scanner
    lines = [
        "!INTERFILE :=",
        "!imaging modality := PT",
        f"name of data file := {data}",
        "!GENERAL DATA :=",
        "!GENERAL IMAGE DATA :=",
        "!type of data := PET",
        "imagedata byte order := LITTLEENDIAN",
        "!PET STUDY (General) :=",
        "!PET data type := Emission",
        "applied corrections := {None}",
        "!number format := float",
        "!number of bytes per pixel := 4",
        f"number of dimensions := {4 if s.tof is None else 5}",
        *([] if s.tof is None else ["matrix axis label [5] := timing positions", f"!matrix size [5] := {s.tof.bins}"]),
        "matrix axis label [4] := segment",
        f"!matrix size [4] := {len(limits)}",
        "matrix axis label [3] := view",
        f"!matrix size [3] := {s.angles}",
        "matrix axis label [2] := axial coordinate",
        f"!matrix size [2] := {listed(layout.segments)}",
        "matrix axis label [1] := tangential coordinate",
        f"!matrix size [1] := {layout.tangential}",
        *([] if s.tof is None else ["TOF mashing factor := 1"]),
        f"{LOWER} := {listed([a for a, _ in limits])}",
        f"{UPPER} := {listed([b for _, b in limits])}",
        "Scanner parameters :=",
        "Scanner type := unknown",
        f"Number of rings := {s.rings}",
        f"Number of detectors per ring := {s.crystals}",
        f"Inner ring diameter (cm) := {s.radius_mm / 5.0:.9g}",
        "Average depth of interaction (cm) := 0",
        f"Distance between rings (cm) := {s.ring_mm / 10.0:.9g}",
        "View offset (degrees) := 0",
        *([] if s.tof is None else _timing(s.tof)),
        "end scanner parameters :=",
        "number of time frames := 1",
        *([f"image duration (sec)[1] := {seconds:.9g}"] if seconds > 0.0 else []),
        "!END OF INTERFILE :=",
        "",
    ]
    return "\n".join(lines)
