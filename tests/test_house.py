"""The rules of the house that a machine can see."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 400, 60, 6


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            yield node


def parameters(function: ast.FunctionDef) -> int:
    own = [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return len([name for name in own if name not in ("self", "cls", "ctx", "_ctx")])


def is_command(function: ast.FunctionDef) -> bool:
    """A command's parameters are its options."""
    return any("command" in ast.unparse(d) or "option" in ast.unparse(d) for d in function.decorator_list)


def test_files_and_functions_are_short() -> None:
    long = [str(p) for p in SOURCES if len(p.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE]
    for path in SOURCES:
        if "migrations" in path.parts:  # a list of columns, and never changed
            continue
        for f in functions(path):
            if (f.end_lineno or 0) - f.lineno + 1 > LONGEST_FUNCTION:
                long.append(f"{path}:{f.name}")
    assert not long


def test_functions_take_few_parameters() -> None:
    counted = {
        f"{path.relative_to(ROOT)}:{f.name}": parameters(f)
        for path in SOURCES
        if not path.stem.endswith("_kernels")
        for f in functions(path)
        if f.name != "__init__" and not is_command(f)
    }
    many = sorted(name for name, n in counted.items() if n > MOST_PARAMETERS)
    assert len(many) <= 0.01 * len(counted), many  # a smell and not a law: one in a hundred may have its reasons


def test_there_is_no_utils() -> None:
    assert not [p for p in SOURCES if re.fullmatch(r"(utils?|helpers?|misc|common)", p.stem)]


def test_every_kernel_is_tested_by_name() -> None:
    tests = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("test_*.py"))
    assert not [p.stem for p in SOURCES if p.stem.endswith("_kernels") and p.stem.removesuffix("_kernels") not in tests]


def test_the_set_up_names_no_host_and_no_local_build() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "torch==2.13.0\n" in text
    assert not re.search(r"://|\+cpu|\+cu|@", text)
    assert not (ROOT / "uv.lock").exists()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "torchvision" not in text + project
    assert re.search(r'^license = "Apache-2.0"$', project, re.MULTILINE)
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_scripts_are_there_and_can_be_run() -> None:
    for name in ("run", "test", ".ci/run", "benchmarks/run"):
        assert (ROOT / name).stat().st_mode & 0o111, name
        assert subprocess.run(["bash", "-n", ROOT / name], check=False).returncode == 0
    assert "exec ./test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME"])
def test_nothing_is_postponed_in_the_source(word: str) -> None:
    assert not [str(p) for p in SOURCES if re.search(rf"\b{word}\b", p.read_text(encoding="utf-8"))]
