"""Figures as a table that fits a terminal: the averages, then a column for each class."""

from __future__ import annotations

from collections.abc import Sequence

from photopeak.evaluate.summary import Figure, Figures

NAME, CELL = 28, 26


def table(title: str, figures: Figures, classes: Sequence[str]) -> str:
    """Values with their intervals in brackets; "–" where a class has no such figure."""
    endings = tuple(f"_{c}" for c in classes)
    of_class = dict.fromkeys(name.removesuffix(e) for name in figures for e in endings if name.endswith(e))
    plain = [name for name in figures if not name.endswith(endings)]
    lines = [title, *(_line(_words(name), [_cell(figures[name])]) for name in plain), ""]
    lines.append(_line("", list(classes)))
    for name in of_class:
        row = [figures.get(name + e) for e in endings]
        lines.append(_line(_words(name), ["–" if f is None else _cell(f) for f in row]))
        if any(f and f.p_delong is not None for f in row):
            p = ["–" if f is None or f.p_delong is None else f"{f.p_delong:.2g}" for f in row]
            lines.append(_line(f"{_words(name)}, DeLong p", p))
    return "\n".join(lines) + "\n"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _line(name: str, cells: Sequence[str]) -> str:
    return f"  {name:{NAME}s} {' '.join(f'{c:{CELL}s}' for c in cells)}".rstrip()


def _cell(f: Figure) -> str:
    return f"{f.value:.3f} ({f.low:.3f} to {f.high:.3f})"
