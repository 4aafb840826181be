import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from evaluate.made_up import some

from photopeak.evaluate.commands import evaluate as command
from photopeak.evaluate.document import Document, Picture, Section, Table, html
from photopeak.evaluate.document_pdf import pdf
from photopeak.evaluate.plots import learning_figure
from photopeak.evaluate.predictions import write_predictions


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / "ours.csv", tmp_path / "theirs.csv"]
    for path, skill in zip(paths, (2.5, 1.0), strict=True):
        write_predictions(some(120, seed=int(skill), skill=skill), path)
    return [str(p) for p in paths]


def test_two_readings_end_with_a_report_that_stands_alone(files: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [*files, "--resamples", "40", "--out", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == ["figures.json", "report.html", "report.pdf"]
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#|data:image)', page)  # nothing is loaded
    assert page.count("<svg") == 5
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)
    for word in ("60", "DeLong p", "ours − theirs", "not a medical device", "sha256", "by patient", "prefers-color"):
        assert word in page
    assert (tmp_path / "r" / "report.pdf").read_bytes().startswith(b"%PDF")


def test_words_from_outside_are_words(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss_network,score,seconds\n1,0.8,-0.7,3\n2,0.5,-0.4,3\n", encoding="utf-8")
    evil = "<img src=x onerror=alert(1)> & 山田"
    picture = Picture("training", learning_figure(log), evil)
    document = Document(evil, evil, [Section(evil, [evil, Table((evil, evil), [(evil, evil)]), picture])])
    page = html(document)
    assert "<img" not in page
    assert "山田" in page
    ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    assert pdf(document) == pdf(document)


def test_the_curve_of_a_training_says_which_epoch_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss_network,score,seconds\n1,0.8,-0.7,3\n2,0.5,-0.4,3\n3,0.4,-0.5,3\n", encoding="utf-8")
    taught, held = learning_figure(log).axes
    assert taught.lines[0].get_ydata().tolist() == [0.8, 0.5, 0.4]
    assert held.get_legend().get_texts()[0].get_text() == "kept: epoch 2"
