"""Sphinx: Markdown pages, checked links, and the API from docstrings. Built by tests/test_docs.py."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "scripts"))

import api_pages  # noqa: E402
import results_pages  # noqa: E402

from photopeak import __version__  # noqa: E402

api_pages.write(HERE / "reference" / "api")
results_pages.write(HERE / "_results")

project = "Photopeak"
release = __version__
author = copyright = "the Photopeak authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_results"]
nitpicky = True
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # a signature is shown as Python even where it is not quite that
html_theme = "alabaster"
html_theme_options = {"description": "Nuclear medicine, from the camera's DICOM file to a signed reading"}
html_show_sourcelink = False
