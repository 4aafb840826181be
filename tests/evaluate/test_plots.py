from pathlib import Path

import numpy as np
import pytest
from evaluate.made_up import some

from photopeak.core import PhotopeakError
from photopeak.evaluate import metrics, plots
from photopeak.evaluate.predictions import Predictions

READINGS = {"one": some(seed=1), "two": some(seed=2, skill=1.0)}


@pytest.mark.parametrize(
    ("figure", "panels"),
    [
        (plots.roc_figure, 3),
        (plots.reliability_figure, 3),
        (plots.decision_figure, 3),
        (plots.report_figure, 9),
        (plots.risk_coverage_figure, 1),
    ],
)
def test_figures_are_drawn_and_say_what_their_axes_are(figure, panels: int, tmp_path: Path) -> None:
    drawn = figure(READINGS)
    assert len(drawn.axes) == panels
    for ax in drawn.axes:
        assert ax.get_xlabel()
        assert ax.get_ylabel()
        assert ax.get_title()
        assert [t.get_text().split("  ")[0] for t in ax.get_legend().get_texts()][:2] == ["one", "two"]
    assert plots.save_figure(drawn, tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["f.png"]


def test_the_curve_drawn_is_the_curve_computed() -> None:
    these = READINGS["one"]
    line = plots.roc_figure(READINGS).axes[1].lines[0]
    expected = metrics.roc(these.truth[:, 1], these.scores[:, 1])
    np.testing.assert_array_equal(line.get_xydata().T, expected)


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    these = some(20)
    other = Predictions(these.patients, these.views, these.folds, these.labels, ("N", "M", "X"), these.scores)
    with pytest.raises(PhotopeakError, match="different classes"):
        plots.roc_figure({"one": these, "two": other})
    with pytest.raises(PhotopeakError, match="at most 4"):
        plots.roc_figure({str(i): these for i in range(5)})
    with pytest.raises(PhotopeakError, match="no ending of a picture"):
        plots.save_figure(plots.roc_figure({"one": these}), tmp_path / "figure")
