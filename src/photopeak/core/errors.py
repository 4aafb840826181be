"""Errors that name the place, the meaning and the remedy.

Every message a user sees answers three questions: where is it (file, tag, argument), what does it
mean for the measurement, and what can be done about it.
"""

from __future__ import annotations

import importlib
from types import ModuleType


class PhotopeakError(Exception):
    """Base of everything Photopeak raises on purpose."""


class DicomError(PhotopeakError):
    """A DICOM file that cannot be read as what it claims to be.

    Attributes: ``path`` the file, ``tag`` such as ``(0054,0016)`` or ``""`` where the fault lies in the
    file as a whole, ``meaning`` what the fault means for the measurement, ``remedy`` what the user can do.
    """

    def __init__(self, path: object, tag: str, meaning: str, remedy: str) -> None:
        self.path = str(path)
        self.tag = tag
        self.meaning = meaning
        self.remedy = remedy
        where = f"{self.path} {tag}".rstrip()
        super().__init__(f"{where}: {meaning} Remedy: {remedy}")

    def __reduce__(self) -> tuple[type, tuple[str, str, str, str]]:
        # Exceptions cross process borders (decoder child, cluster workers): rebuild from the four parts.
        return type(self), (self.path, self.tag, self.meaning, self.remedy)


class UnitError(PhotopeakError):
    """Two quantities whose units do not measure the same thing."""


class UndeclaredName(PhotopeakError):
    """An entry name that no vocabulary declares."""


class MissingEntry(PhotopeakError):
    """A Step needs an entry or a fact that the Study does not hold."""


class ChainError(PhotopeakError):
    """Steps that cannot follow each other."""


class ContractError(PhotopeakError):
    """An Operator, Step, network or source that breaks its contract."""


class MissingExtra(PhotopeakError):
    """An optional dependency that is not installed."""


def optional(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say which extra brings it.

    >>> optional("math", extra="cluster").pi > 3
    True
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        what = "is not installed" if getattr(error, "name", None) == module.split(".")[0] else f"fails: {error}"
        raise MissingExtra(
            f"this needs the package {module!r}, which {what}. Remedy: pip install 'photopeak[{extra}]'"
        ) from error
