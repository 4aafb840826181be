"""The API as Markdown pages, one a module, from docstrings and signatures. docs/conf.py calls ``write``."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]


def write(folder: Path) -> None:
    """One page for each module, and the index of them; pages of modules long gone are removed."""
    names = modules()
    pages = {f"{name}.md": api_page(name) + contents(inside(name, names)) for name in names}
    # The package's own page stands beside its rooms: a reader of any page then sees the rooms and one of them
    # opened, and Sphinx need not repeat every module of the house on every page.
    pages["photopeak.md"] = api_page("photopeak")
    pages["index.md"] = "# Python API\n" + contents(["photopeak", *inside("photopeak", names)])
    folder.mkdir(parents=True, exist_ok=True)
    for old in set(folder.glob("*.md")) - {folder / name for name in pages}:
        old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def modules() -> list[str]:
    """Every public module of ours, in order."""
    src = ROOT / "src"
    files = [f for f in (src / "photopeak").rglob("*.py") if not f.stem.startswith("_") or f.stem == "__init__"]
    names = [".".join(f.relative_to(src).with_suffix("").parts).removesuffix(".__init__") for f in files]
    # Migrations are run by Alembic and cannot be imported by anybody else.
    return sorted(n for n in names if not n.endswith("_kernels") and ".migrations" not in n)


def inside(package: str, names: list[str]) -> list[str]:
    """The modules that lie directly in a package."""
    return [name for name in names if name.rpartition(".")[0] == package]


def contents(names: list[str]) -> str:
    """The table that leads to pages; nothing where there are none."""
    toc = "\n".join(names)
    return f"\n```{{toctree}}\n:maxdepth: 1\n\n{toc}\n```\n" if names else ""


def api_page(name: str) -> str:
    """One module: its docstring, and its public classes and functions with theirs."""
    module = importlib.import_module(name)
    parts = [f"# {name}\n\n{markdown(inspect.getdoc(module) or '')}\n"]
    for symbol, thing in public(module):
        parts.append(described(symbol, thing))
        if inspect.isclass(thing):
            parts += [described(f"{symbol}.{name}", method) for name, method in methods(thing)]
    return "\n".join(parts)


def described(name: str, thing: object) -> str:
    """A heading, how it is called, and its docstring."""
    level = "###" if "." in name else "##"
    return f"{level} {name}\n\n```python\n{signature(name, thing)}\n```\n\n{markdown(own_doc(thing))}\n"


def methods(cls: type) -> list[tuple[str, object]]:
    """Public methods that have a docstring of their own."""
    return [(n, m) for n, m in vars(cls).items() if not n.startswith("_") and inspect.isfunction(m) and own_doc(m)]


def public(module: ModuleType) -> list[tuple[str, object]]:
    """Classes and functions a module defines itself."""
    return [
        (name, thing)
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isroutine(thing))
        and getattr(thing, "__module__", None) == module.__name__
    ]


def own_doc(thing: object) -> str:
    """The docstring, but not the one that dataclass writes for a class without."""
    text = inspect.getdoc(thing) or ""
    return "" if text.startswith(f"{getattr(thing, '__name__', '')}(") else text


def signature(name: str, thing: object) -> str:
    """How it is called."""
    try:
        text = str(inspect.signature(thing))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        text = ""
    text = re.sub(r" object at 0x[0-9a-f]+", "", text)
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)  # annotations are strings where they are postponed
    return f"class {name}{text}" if inspect.isclass(thing) else f"{name}{text}"


def markdown(docstring: str, references: str = "../references.md") -> str:
    """A docstring as Markdown: citations as links, examples and indented blocks as code."""

    def cited(match: re.Match[str]) -> str:
        return ", ".join(f"[{k.strip()}]({references}#{slug(k)})" for k in match.group(1).split(","))

    text = re.sub(r":cite:`([^`]+)`", cited, docstring).replace("``", "`")
    return "\n\n".join(block_of(block) for block in re.split(r"\n\s*\n", text))


def block_of(block: str) -> str:
    """One paragraph, example or indented block."""
    if block.lstrip().startswith(">>>"):
        return f"```pycon\n{inspect.cleandoc(block)}\n```"
    if block.startswith("    "):
        return f"```text\n{inspect.cleandoc(block)}\n```"
    # Prose is prose: outside code and links, no character of an equation may turn into markup.
    parts = re.split(r"(`[^`]*`|\[[^\]]*\]\([^)]*\))", block)
    return "".join(part if i % 2 else re.sub(r"([*_<>|$\[\]{}#\\])", r"\\\1", part) for i, part in enumerate(parts))


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
