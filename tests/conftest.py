"""What all tests share: shapes and types are checked while they run, and missing tools are counted aloud."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
#: tool -> the Debian package that brings it
TOOLS = {
    "dciodvfy": "dicom3tools",
    "storescu": "dcmtk",
    "chromium": "chromium",
    "Orthanc": "orthanc",
    "openssl": "openssl",
    "initdb": "postgresql",
}


def checked_modules() -> list[str]:
    """Every module of ours but the jitted kernels, whose functions numba compiles as they stand."""
    files = [f for f in (ROOT / "src").rglob("*.py") if f.name != "__init__.py" and not f.stem.endswith("_kernels")]
    ours = [f for f in files if not {"migrations", "node_modules"} & set(f.parts)]
    return [".".join(f.relative_to(ROOT / "src").with_suffix("").parts) for f in sorted(ours)]


# Before anything of ours is imported: every annotation, jaxtyping's shapes among them, is checked at every call.
install_import_hook(checked_modules(), "typechecker.checked")


# The same examples every time, and no failure because a machine is busy: `benchmarks/run fuzz` looks for new ones.
settings.register_profile("ours", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


#: what tells a new Python process to measure coverage
COVERAGE = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tests marked ``untraced`` start no measured processes, and their fixtures are not measured either.

    Tracing slows plain Python most, so whole studies, pages of documentation and thousands of generated inputs run
    without it; the smaller tests beside them cover the same code.
    """
    if not item.get_closest_marker("untraced"):
        return (yield)
    kept = {name: os.environ.pop(name) for name in COVERAGE if name in os.environ}
    measured = getattr(item.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    if measured:
        measured.pause()
    try:
        return (yield)
    finally:
        os.environ.update(kept)
        if measured:
            measured.resume()


@pytest.fixture
def dciodvfy() -> str:
    """The DICOM validator of Debian's dicom3tools."""
    path = shutil.which("dciodvfy")
    if path is None:
        pytest.skip("dciodvfy is missing: install Debian's dicom3tools")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public scans that lie beside the checkout on some machines and never inside it."""
    if not DATA.is_dir():
        pytest.skip("the public scans are not at hand (../shared/data)")
    return DATA


def _reasons(reporter: pytest.TerminalReporter) -> Counter[str]:
    skips = [r.longrepr for r in reporter.stats.get("skipped", [])]
    return Counter(str(s[2] if isinstance(s, tuple) else s).removeprefix("Skipped: ") for s in skips)


def _of_tools(reasons: Counter[str]) -> Counter[str]:
    words = {*TOOLS, *TOOLS.values()}
    return Counter({reason: n for reason, n in reasons.items() if any(word in reason for word in words)})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reason, number in _reasons(terminalreporter).items():
        terminalreporter.write_line(f"{number} test{'s' * (number > 1)} skipped because: {reason}", yellow=True)
    if os.environ.get("PHOTOPEAK_TOOLS") == "required" and _of_tools(_reasons(terminalreporter)):
        terminalreporter.write_line("Here a missing tool is a failure: it could have been installed.", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and os.environ.get("PHOTOPEAK_TOOLS") == "required" and _of_tools(_reasons(reporter)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
