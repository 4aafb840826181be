"""Files, folders and zips to datasets.

A folder may hold other files; those that do not begin like DICOM are passed over, those that do and are
damaged are refused. Nothing of a zip is ever written to disk, so its member names cannot lead anywhere.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pydicom import Dataset

from photopeak.core.errors import DicomError
from photopeak.dicom.limits import (
    BYTES_PER_ZIPPED_ELEMENT,
    MAX_FILE_BYTES,
    MAX_HEADER_ELEMENTS,
    MAX_ZIP_BYTES,
    MAX_ZIP_MEMBERS,
    expansion_allowed,
)
from photopeak.dicom.parse import Budget, looks_like_dicom, parse

DIRECTORY_CLASS: Final = "1.2.840.10008.1.3.10"  # a DICOMDIR lists images and holds none

_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # an encrypted member
    NotImplementedError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
)


def datasets(path: str | os.PathLike[str]) -> Iterator[tuple[str, Dataset]]:
    """(name, dataset) of every DICOM file in a file, a folder (and its folders) or a zip.

    The first broken one is refused; ``each`` goes on past it.
    """
    for name, found in each(path):
        if isinstance(found, DicomError):
            raise found
        yield name, found


def each(path: str | os.PathLike[str]) -> Iterator[tuple[str, Dataset | DicomError]]:
    """(name, dataset or what is wrong with it) of every DICOM file; files of other kinds are passed over."""
    place = Path(path)
    if place.is_dir():
        yield from _folder(place)
    elif _is_zip(place):
        yield from _zip(place)
    else:
        yield str(place), _parsed(lambda: read_bytes(place), str(place))


def _parsed(data: Callable[[], bytes], name: str, budget: Budget | None = None) -> Dataset | DicomError:
    try:
        return parse(data(), name, budget)
    except DicomError as error:
        return error


def read_bytes(path: Path) -> bytes:
    """A regular file's bytes, up to the largest size that is read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DicomError(path, "", "this is not a regular file.", "give a file, a folder or a zip.")
        if status.st_size > MAX_FILE_BYTES:
            meaning = f"the file has {status.st_size} bytes; more than {MAX_FILE_BYTES} are not read."
            raise DicomError(path, "", meaning, "export the series as single images.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DicomError(path, "", f"the file cannot be read ({reason}).", "check the path and its rights.") from error


def _is_zip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except (OSError, ValueError):
        return False  # read_bytes says why


def files_under(folder: Path) -> Iterator[Path]:
    """Regular files of a tree, in a fixed order; links to folders are not followed, so none is a circle."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file():
                yield path


def _folder(folder: Path) -> Iterator[tuple[str, Dataset | DicomError]]:
    found = False
    for path in files_under(folder):
        for name, one in _in_folder(path):
            found = True
            yield name, one
    if not found:
        raise DicomError(folder, "", "no DICOM file is in this folder.", "choose another folder.")


def _in_folder(path: Path) -> Iterator[tuple[str, Dataset | DicomError]]:
    """What a file of a folder holds: nothing where it is not DICOM, or a DICOMDIR."""
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        meaning = f"the file cannot be read ({error.strerror})."
        yield str(path), DicomError(path, "", meaning, "check its rights.")
        return
    if looks_like_dicom(head):
        one = _parsed(lambda: read_bytes(path), str(path))
        if isinstance(one, DicomError) or not _is_directory(one):
            yield str(path), one


def _is_directory(dataset: Dataset) -> bool:
    meta = getattr(dataset, "file_meta", {})
    return bool(meta.get("MediaStorageSOPClassUID", "") == DIRECTORY_CLASS)


def _zip(path: Path) -> Iterator[tuple[str, Dataset | DicomError]]:
    found = False
    try:
        with zipfile.ZipFile(path) as archive:
            budget = Budget(MAX_HEADER_ELEMENTS + path.stat().st_size // BYTES_PER_ZIPPED_ELEMENT)
            for member in _members(archive, path):
                one = _in_zip(archive, member, f"{path}!{member.filename}", budget)
                if one is not None:
                    found = True
                    yield f"{path}!{member.filename}", one
    except _ZIP_ERRORS as error:
        raise DicomError(path, "", f"the zip is damaged or locked ({error}).", "pack it again.") from error
    if not found:
        raise DicomError(path, "", "no DICOM file is in this zip.", "choose another.")


def _in_zip(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, budget: Budget
) -> Dataset | DicomError | None:
    try:
        data = _member_bytes(archive, member, name)
    except DicomError as error:
        return error
    if not looks_like_dicom(data[:132]):
        return None
    one = _parsed(lambda: data, name, budget)
    return None if isinstance(one, Dataset) and _is_directory(one) else one


def _members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The members, once their number and sizes are known to be in bounds."""
    members = [m for m in archive.infolist() if not m.is_dir()]
    total = sum(m.file_size for m in members)
    if len(members) > MAX_ZIP_MEMBERS or total > MAX_ZIP_BYTES:
        meaning = f"the zip holds {len(members)} files of {total} bytes, more than are read at once."
        raise DicomError(path, "", meaning, "unpack it and give the folder.")
    if not expansion_allowed(path.stat().st_size, total):
        meaning = f"the zip expands from {path.stat().st_size} to {total} bytes, as no images do."
        raise DicomError(path, "", meaning, "unpack it and give the folder if it is genuine.")
    return members


def _member_bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DicomError(name, "", "it is packed by a method other than deflate.", "pack it again with deflate.")
    if member.file_size > MAX_FILE_BYTES:
        raise DicomError(
            name, "", f"it has {member.file_size} bytes; more than {MAX_FILE_BYTES} are not read.", "unpack it."
        )
    with archive.open(member) as file:
        data = file.read(member.file_size + 1)
    if data[:4] == b"PK\x03\x04":
        raise DicomError(name, "", "it is a zip within a zip.", "unpack the outer one.")
    return data
