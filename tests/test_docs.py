"""The documentation is true: its examples run, its links lead somewhere, and nothing that exists is missing in it."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.untraced

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
PAGES = [p for p in PAGES if not {"_build", "_results", "api"} & set(p.parts)]
FENCE = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def executable(page: Path) -> list[tuple[str, str, int]]:
    """The blocks of a page that are run: language, text, line."""
    text = page.read_text(encoding="utf-8")
    return [(m.group(1), m.group(2), text[: m.start(2)].count("\n")) for m in FENCE.finditer(text)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "page", [p for p in PAGES if executable(p)], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_the_examples_of_a_page_run_in_their_order(page: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # pickle looks classes up by module
    for language, text, line in executable(page):
        if language == "python":
            # Empty lines in front, so that a traceback names the line of the page.
            exec(compile("\n" * line + text, str(page), "exec", dont_inherit=True), vars(module))
        else:
            for command, expected in commands(text):
                output = shell(command)
                if expected:
                    assert matches(expected, output), f"{page}: {command}\nexpected:\n{expected}\ngot:\n{output}"


def commands(block: str) -> list[tuple[str, str]]:
    """``$ command`` lines, each with the output shown below it; a backslash continues a command."""
    pairs = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    assert pairs, f"a console block without a '$ command' line: {block!r}"
    return [(command, output.strip()) for command, output in pairs]


def shell(command: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "COLUMNS": "120"}
    done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def matches(expected: str, output: str) -> bool:
    """Equal, but for white space and for what a page leaves out with ``...``."""
    checker = doctest.OutputChecker()
    return checker.check_output(expected + "\n", output + "\n", doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)


@pytest.mark.timeout(600)
def test_the_site_builds_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html"]
    build = [*command, "-d", str(tmp_path / "doctrees"), str(ROOT / "docs"), str(tmp_path / "html")]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html" / "index.html").exists()


LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|<img[^>]*src=\"([^\"]+)\"")


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent == ROOT], ids=lambda page: page.name)
def test_links_of_the_pages_outside_docs_lead_somewhere(page: Path) -> None:
    targets = [a or b for a, b in LINK.findall(page.read_text(encoding="utf-8"))]
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def test_the_reference_is_what_the_code_says() -> None:
    """Every command, option, Step, unit, reference and declared name stands in docs/reference."""
    script = [sys.executable, str(ROOT / "scripts" / "write_reference.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nRun: .venv/bin/python scripts/write_reference.py"


def test_no_page_names_a_picture_that_is_not_there() -> None:
    for page in PAGES:
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"
