"""Random studies of every kind, in every transfer syntax, read back as they were written."""

import datetime as dt
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from photopeak.core import (
    Acquisition,
    Axis,
    Detector,
    EnergyWindow,
    Grid,
    Image,
    Patient,
    Radiopharmaceutical,
    Record,
    Study,
    scaling,
)
from photopeak.dicom import read, write
from photopeak.dicom.codes import NUCLIDES, VIEWS
from photopeak.dicom.encoding import TRANSFER_SYNTAXES

# Type checks under test draw random numbers, which hypothesis would rather not see inside strategies.
pytestmark = [pytest.mark.untraced, pytest.mark.filterwarnings("ignore:Do not use the `random` module")]

TEXT_FACTS = ("ProtocolName", "StationName", "SeriesDescription")
# Without shrinking: a failing study is small enough to read, and shrinking one takes minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
many = settings(max_examples=30, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
syntaxes = st.sampled_from(sorted(TRANSFER_SYNTAXES))
words = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij 0123456789-äöüé王小东山田ヤマ길동", max_size=16).map(str.strip)
moments = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2090, 1, 1))
tenths = st.integers(1, 5000).map(lambda n: n / 10)
hundredths = st.integers(10, 5000).map(lambda n: n / 100)
sizes = st.sampled_from([2, 3, 7, 32, 33])


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


patients = st.builds(
    Patient,
    patient_id=words,
    issuer=words,
    name=st.lists(words.filter(bool), min_size=0, max_size=3).map("^".join),
    sex=st.sampled_from(["", "F", "M", "O"]),
    birth_date=maybe(st.dates(dt.date(1900, 1, 1), dt.date(2090, 1, 1))),
    age_years=maybe(st.integers(1, 120).map(float)),
    height_m=maybe(st.integers(40, 230).map(lambda n: n / 100)),
    weight_kg=maybe(tenths),
)
tracers = st.builds(
    Radiopharmaceutical,
    name=words.filter(bool),
    nuclide=st.sampled_from(["", "Ac-225", *NUCLIDES]),
    activity_mbq=maybe(tenths),
    administered_at=maybe(moments),
    half_life_s=maybe(tenths),
    route=words,
)
ranges = st.lists(st.tuples(st.integers(30, 200), st.integers(201, 600)), min_size=1, max_size=3)
windows = st.builds(
    EnergyWindow,
    name=words,
    ranges_kev=ranges.map(lambda pairs: tuple((a / 1.0, b / 2.0 + 150.0) for a, b in pairs)),
)
heads = st.builds(
    Detector,
    collimator=words.filter(bool),
    collimator_type=st.sampled_from(["", "PARA", "PINH", "FANB"]),
    start_angle_deg=maybe(st.integers(-360, 360).map(float)),
    radius_mm=maybe(tenths),
)
histories = st.lists(
    st.builds(
        Record,
        step=st.text(min_size=1, max_size=10),
        version=st.just("0.1.0"),
        parameters=st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=8), max_size=3),
        gives=st.just(("counts",)),
        references=st.just(("lin2021dspic",)),
    ),
    max_size=2,
).map(tuple)


@st.composite
def acquisitions(draw: st.DrawFn, kind: str, detectors: int, energies: int) -> Acquisition:
    """Anything a camera may state; durations are for the kind to say."""
    return Acquisition(
        modality="NM",
        kind=kind,
        manufacturer=draw(words),
        model=draw(words),
        institution=draw(words),
        description=draw(words),
        study_uid=draw(st.sampled_from(["1.2.3", "2.25.77"])),
        series_uid="1.2.3.1",
        started_at=draw(maybe(moments)),
        scan_velocity_mm_s=draw(maybe(tenths)),
        scan_length_mm=draw(maybe(st.integers(1, 2500).map(float))),
        radiopharmaceuticals=tuple(draw(st.lists(tracers, max_size=2))),
        energy_windows=tuple(draw(st.lists(windows, min_size=energies, max_size=energies))),
        detectors=tuple(draw(st.lists(heads, min_size=detectors, max_size=detectors))) if draw(st.booleans()) else (),
        position=draw(st.sampled_from(["", "HFS", "FFS", "HFP", "FFP", "HFDL", "FFDR"])),
        corrections=tuple(draw(st.lists(st.sampled_from(["UNIF", "LIN", "DECY", "NRGY"]), unique=True))),
        facts=draw(st.dictionaries(st.sampled_from(TEXT_FACTS), words.filter(bool))),
        assumed=draw(st.dictionaries(st.sampled_from(["view", "sex"]), words, max_size=1)),
    )


@st.composite
def planes(draw: st.DrawFn, leading: tuple[int, ...]) -> np.ndarray:
    """Counts, often few, sometimes up to the most that 16 bits hold."""
    shape = (*leading, draw(sizes), draw(sizes))
    mean = draw(st.sampled_from([0.5, 30.0, 60000.0]))
    values = np.random.default_rng(draw(st.integers(0, 2**32))).poisson(mean, shape)
    return np.minimum(values, 65535).astype(np.uint16)


def spacing(draw: st.DrawFn) -> tuple[tuple[float, ...], ...]:
    return scaling((draw(hundredths), draw(hundredths), 1.0))


def energy_axis(windows_: tuple[EnergyWindow, ...]) -> tuple[Axis, ...]:
    if len(windows_) < 2:
        return ()
    return (Axis("energy", len(windows_), tuple(w.name or f"window {n}" for n, w in enumerate(windows_, 1))),)


def possible(syntax: str, image: Image) -> str:
    """JPEG 2000 takes no image below 32 pixels a side, and codecs fail on a few dozen pixels."""
    rows, columns = image.grid.shape[-2:]
    too_small = min(rows, columns) < 32 if syntax == "jpeg2000" else rows * columns < 200
    return "explicit" if too_small and syntax != "implicit" else syntax


def check(study: Study, syntax: str, folder: Path) -> None:
    """Written and read, everything is as it was."""
    [name] = study
    syntax = possible(syntax, study[name])
    back = read(write(study, folder / "a.dcm", syntax))[0]
    before, after = study[name], back[name]
    assert after.grid == before.grid
    np.testing.assert_array_equal(after.values, before.values)
    assert after.unit == before.unit
    assert back.patient == study.patient
    assert back.history == study.history
    for field in fields(Acquisition):
        ours, theirs = getattr(study.acquisition, field.name), getattr(back.acquisition, field.name)
        if field.name == "facts":
            assert ours.items() <= theirs.items()  # the file states some that the Study left to it
        else:
            assert ours == theirs, field.name
    again = read(write(back, folder / "b.dcm", syntax))[0]
    assert again.acquisition == back.acquisition  # and from then on nothing is added


@st.composite
def planar_studies(draw: st.DrawFn) -> Study:
    kind = draw(st.sampled_from(["STATIC", "WHOLE BODY"]))
    views = tuple(draw(st.lists(st.sampled_from(["unknown", *VIEWS]), min_size=1, max_size=3)))
    how = draw(acquisitions(kind, len(views), draw(st.integers(0, 3))))
    if any(head.start_angle_deg is not None for head in how.detectors):
        views = tuple("anterior" if v == "unknown" else v for v in views)  # an angle would say more than unknown
    energy = energy_axis(how.energy_windows)
    values = draw(planes((*(a.size for a in energy), len(views))))
    axes = (*energy, Axis("view", len(views), views), Axis("y", values.shape[-2]), Axis("x", values.shape[-1]))
    how = Acquisition(**{**vars_of(how), "duration_s": draw(maybe(tenths))})
    grid = Grid(axes, spacing(draw), draw(st.sampled_from(["", "1.2.3.9"])))
    return Study({"counts": Image(values, grid, "{counts}")}, draw(patients), how, draw(histories))


def vars_of(a: Acquisition) -> dict[str, object]:
    return {f.name: getattr(a, f.name) for f in fields(Acquisition)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("roundtrip")


@many
@given(planar_studies(), syntaxes)
def test_planar(folder: Path, study: Study, syntax: str) -> None:
    check(study, syntax, folder)


@st.composite
def dynamic_studies(draw: st.DrawFn) -> Study:
    """Up to three phases, each of equal frames."""
    starts, durations, labels, end = [], [], [], 0
    names = draw(st.lists(st.sampled_from(["FLOW", "UPTAKE", "WASHOUT", ""]), min_size=1, max_size=3))
    for number, name in enumerate(names, 1):
        frames, length, pause = draw(st.integers(2, 4)), draw(st.integers(1, 9000)), draw(st.integers(0, 50))
        at = end + draw(st.integers(0, 500))
        if starts:
            at += 60000 * number  # apart from the phase before, so that no two make one
        starts += [(at + k * (length + pause)) / 1000.0 for k in range(frames)]
        durations += [float(length)] * frames
        labels += [name or f"phase {number}"] * frames
        end = at + (frames - 1) * (length + pause) + length
    several = len(names) > 1 or names[0] != ""
    time = Axis("time", len(starts), tuple(labels) if several else (), tuple(starts), "s")
    views = tuple(draw(st.lists(st.sampled_from(["unknown", "anterior", "posterior"]), min_size=1, max_size=2)))
    how = draw(acquisitions("DYNAMIC", 0, 1))
    facts = {**how.facts, "ActualFrameDuration": durations}
    total = starts[-1] + durations[-1] / 1000.0 - starts[0]
    how = Acquisition(**{**vars_of(how), "facts": facts, "duration_s": total})
    values = draw(planes((len(views), time.size)))
    axes = (Axis("view", len(views), views), time, Axis("y", values.shape[-2]), Axis("x", values.shape[-1]))
    return Study({"counts": Image(values, Grid(axes, spacing(draw)), "{counts}")}, draw(patients), how, draw(histories))


@many
@given(dynamic_studies(), syntaxes)
def test_dynamic(folder: Path, study: Study, syntax: str) -> None:
    check(study, syntax, folder)


@st.composite
def tomographic_studies(draw: st.DrawFn) -> Study:
    heads_, views, turns = draw(st.integers(1, 3)), draw(st.integers(2, 5)), draw(st.integers(1, 2))
    step = draw(st.sampled_from([3.0, -6.0, 45.0, 60.0]))
    starts = [draw(st.integers(-180, 359)) + 0.5 for _ in range(heads_)]
    angles = tuple(start + k * step for start in starts for k in range(views))
    labels = tuple(f"detector {d}" for d in range(1, heads_ + 1) for _ in range(views))
    angle = Axis("angle", len(angles), labels, angles, "deg")
    rotation = (Axis("rotation", turns),) if turns > 1 else ()
    how = draw(acquisitions("TOMO", heads_, draw(st.integers(1, 2))))
    frame_ms = draw(st.integers(1000, 60000)) * 1.0
    detectors = tuple(Detector("LEHR", "PARA", start if heads_ > 1 else None) for start in starts)
    facts = {**how.facts, "ActualFrameDuration": frame_ms, "RadialPosition": [250.5] * turns}
    duration = frame_ms * turns * views / 1000.0
    how = Acquisition(**{**vars_of(how), "facts": facts, "duration_s": duration, "detectors": detectors})
    energy = energy_axis(how.energy_windows)
    values = draw(planes((*(a.size for a in (*energy, *rotation)), angle.size)))
    axes = (*energy, *rotation, angle, Axis("y", values.shape[-2]), Axis("x", values.shape[-1]))
    return Study({"counts": Image(values, Grid(axes, spacing(draw)), "{counts}")}, draw(patients), how, draw(histories))


@many
@given(tomographic_studies(), syntaxes)
def test_tomographic(folder: Path, study: Study, syntax: str) -> None:
    check(study, syntax, folder)


def rotations(draw: st.DrawFn) -> np.ndarray:
    """A proper rotation matrix."""
    angles = [draw(st.sampled_from([0.0, 0.3, np.pi / 2, -1.1])) for _ in range(3)]
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@st.composite
def volumes(draw: st.DrawFn) -> tuple[str, str, Grid, np.ndarray]:
    """A quantity on an oblique grid."""
    name, unit = draw(
        st.sampled_from([("counts", "{counts}"), ("activity", "Bq/ml"), ("suv/bw", "g/ml{SUVbw}")]),
    )
    values = draw(planes((draw(sizes),)))
    if name != "counts":
        values = values.astype(np.float32) * np.float32(draw(st.sampled_from([0.013, 1.7, 211.3])))
    matrix = np.eye(4)
    matrix[:3, :3] = rotations(draw) * [draw(tenths) / 10, draw(tenths) / 10, draw(tenths) / 10]
    matrix[:3, 3] = [draw(st.integers(-500, 500)) / 4 for _ in range(3)]
    affine = tuple(tuple(float(v) + 0.0 for v in row) for row in matrix)
    return name, unit, Grid.volume(values.shape, affine, "1.2.3.9"), values  # type: ignore[arg-type]


def check_volume(before: Image, after: Image, levels: int) -> None:
    """Equal within half a quantisation step, placed to a micrometre."""
    assert after.unit == before.unit
    assert [a.size for a in after.grid.axes] == [a.size for a in before.grid.axes]
    np.testing.assert_allclose(after.grid.matrix_mm, before.grid.matrix_mm, atol=1e-5)
    per_slice = before.values.max(axis=(-2, -1), keepdims=True) if levels == 32767 else before.values.max()
    limit = 0.501 * per_slice / levels + 1e-6 * before.values
    if np.array_equal(before.values, np.rint(before.values)) and before.values.max() <= levels:
        limit = 0
    assert (np.abs(after.values.astype(float) - before.values) <= limit).all()


@many
@given(volumes(), syntaxes, histories)
def test_reconstructed(folder: Path, drawn: tuple, syntax: str, history: tuple) -> None:
    name, unit, grid, values = drawn
    how = Acquisition(modality="NM", kind="RECON TOMO", series_uid="1.2.3.1", study_uid="1.2.3", duration_s=1.5)
    study = Study({name: Image(values, grid, unit)}, Patient("P1"), how, history)
    back = read(write(study, folder / "v.dcm", possible(syntax, study[name])))[0]
    check_volume(study[name], back[name], 65535)
    assert back[name].grid.frame == grid.frame
    assert (back.history, back.acquisition.duration_s) == (history, 1.5)


@settings(many, max_examples=12)
@given(volumes(), syntaxes, histories, patients, tracers)
def test_pet(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: tuple,
    syntax: str,
    history: tuple,
    patient: Patient,
    tracer: Radiopharmaceutical,
) -> None:
    name, unit, grid, values = drawn
    how = Acquisition(
        modality="PT",
        study_uid="1.2.3",
        series_uid="1.2.3.1",
        started_at=dt.datetime(2024, 5, 6, 10, 30),
        duration_s=240.0,
        radiopharmaceuticals=(tracer,),
        decay_correction="ADMIN",
        decay_reference=dt.datetime(2024, 5, 6, 9, 30),
        corrections=("ATTN", "DECY"),
        facts={"DecayFactor": 1.25, "FrameReferenceTime": 1000.0},
    )
    study = Study({name: Image(values, grid, unit)}, patient, how, history)
    [back] = read(write(study, tmp_path_factory.mktemp("pet") / "s", possible(syntax, study[name])))
    check_volume(study[name], back[name], 32767)
    assert (back.patient, back.history) == (patient, history)
    for field in fields(Acquisition):
        if field.name != "facts":
            assert getattr(back.acquisition, field.name) == getattr(how, field.name), field.name
    assert how.facts.items() <= back.acquisition.facts.items()
