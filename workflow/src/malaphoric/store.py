"""Files on disk: whole or not at all, the same bytes for the same content, with their provenance.

What the files mean is decided by the rooms that write them.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import h5py
import numpy as np

import malaphoric
from malaphoric import source

#: Packages that define the theory: another version means other numbers.
THEORY_PACKAGES = ("smelli", "flavio", "wilson")

#: What helps against a file that is not what it should be.
REMEDY = "restore it, or delete it and start again"

#: Why a job that outlived the run that started it does not replace a file.
SUPERSEDED = "a run of another configuration, code or data was started meanwhile"

_SIGNATURE = b"malaphoric HDF5, sha256 of what follows byte 512: "
_BLOCK_SIZE = 512

#: Bytes that the disk must have for a file beside announced arrays; HDF5 gives back the rest.
_ROOM = 2**24

_PIECE = 2**20

# None: this Python has no posix_fallocate
_CANNOT_RESERVE = (None, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


class StoreError(RuntimeError):
    """A file on disk is damaged, foreign or incomplete."""


class _Signing(NamedTuple):
    recipe: str | None = None
    counts: Callable[[], bool] = lambda: True


_signing = _Signing()


@contextlib.contextmanager
def signing(recipe: str, counts: Callable[[], bool]) -> Iterator[None]:
    """Mark HDF5 files with the digest of a recipe, and replace files only while it counts.

    Parameters
    ----------
    recipe : str
        Digest of all that the files depend on.
    counts : callable
        Asked before a file is replaced. A job may outlive the run that started it, and must not
        put its file in the place of another configuration's.
    """
    global _signing
    before, _signing = _signing, _Signing(recipe, counts)
    try:
        yield
    finally:
        _signing = before


def check_counts(path: str | Path) -> None:
    """Refuse to touch a file when another configuration has taken the place of this job's.

    Raises
    ------
    StoreError
    """
    if not _signing.counts():
        raise StoreError(f"{path}: not written: {SUPERSEDED}")


def recipe_of(path: str | Path) -> str | None:
    """The digest of the recipe that a file (HDF5 or JSON) is marked with, if it exists and is."""
    try:
        if Path(path).suffix == ".json":
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            return content.get("recipe", "") if isinstance(content, dict) else ""
        with h5py.File(path, "r") as file:
            return file.attrs.get("recipe", "")
    except FileNotFoundError:
        return None
    except (OSError, ValueError):  # damaged: whoever reads it says so
        return ""


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` on success and vanishes on failure.

    Raises
    ------
    StoreError
        If the file cannot be written: a full disk, a read-only folder.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            check_counts(path)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file whole.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    with whole(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, data: object) -> None:
    """Write plain data as indented, strict JSON: NaN and infinity become null."""
    write_text(path, strict_json(data) + "\n")


def strict_json(data: object) -> str:
    """Plain data as indented JSON that any reader takes: NaN and infinity become null."""
    return json.dumps(_finite(data), indent=2, allow_nan=False)


def _finite(data: object) -> object:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def write_csv(path: str | Path, rows: list[dict], columns: list[str] | None = None) -> None:
    """Write rows as CSV with a header (default: the first row's); floats with all their digits."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_csv(path: str | Path) -> list[dict]:
    """Rows that `write_csv` wrote; what looks like a number is a float."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{key: _number(text) for key, text in row.items()} for row in rows]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@contextlib.contextmanager
def create(path: str | Path, *, size: int = 0, **attributes: object) -> Iterator[h5py.File]:
    """Create an HDF5 file whole, with root attributes and a digest of its bytes.

    The digest stands in the file's user block, which every HDF5 reader passes over.

    HDF5 does not survive a write that fails: it keeps what it could not write, tries again when
    the file is closed, and may crash. So it never meets a full disk: the room is taken before.

    Parameters
    ----------
    path : path
        File to write.
    size : int
        Bytes of the arrays that will be written, where they may exceed 16 MiB.
    **attributes
        Root attributes; dicts and lists are written as canonical JSON.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    # "earliest" is what every reader understands; it also keeps files free of time stamps
    options = {"libver": "earliest", "track_order": False, "userblock_size": _BLOCK_SIZE}
    with whole(path) as temporary, open(temporary, "r+b") as disk:
        _reserve(disk, size + _ROOM)
        empty = io.BytesIO()  # because HDF5 makes no file in one that has a size
        h5py.File(empty, "w", **options).close()
        disk.write(empty.getvalue())
        with h5py.File(disk, "r+", libver="earliest") as file:
            if _signing.recipe:
                attributes["recipe"] = _signing.recipe
            for key in sorted(attributes):
                value = attributes[key]
                text = isinstance(value, (dict, list))
                file.attrs[key] = canonical(value) if text else value
            yield file
        disk.write(_user_block(disk))


def _reserve(file: BinaryIO, size: int) -> None:
    """Have the disk give room for a new file, which is longer then; HDF5 shortens it in the end."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as error:  # not on macOS, nor on every file system
        if getattr(error, "errno", None) not in _CANNOT_RESERVE:
            raise
        for position in range(0, size, _PIECE):
            file.write(bytes(min(_PIECE, size - position)))
        file.flush()
        file.seek(0)


@contextlib.contextmanager
def read(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file written by `create` for reading, and check that it is what was written.

    Raises
    ------
    StoreError
        If the file is missing, empty, truncated, foreign or damaged in any byte, with its name.
    """
    try:
        with open(path, "rb") as file:
            block, expected = file.read(_BLOCK_SIZE), _user_block(file)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
    if not block.startswith(_SIGNATURE):
        raise StoreError(f"{path}: not a file of malaphoric (foreign, empty or damaged); {REMEDY}")
    if block != expected:
        raise StoreError(
            f"{path}: damaged or changed: its content does not match its digest; {REMEDY}"
        )
    with h5py.File(path, "r") as file:
        try:
            yield file
        except OSError as error:
            if "allocation failed" in str(error):  # what HDF5 says instead
                raise MemoryError(f"{path} does not fit") from error
            raise StoreError(f"{path}: cannot be read: {error}") from error


def _user_block(file: BinaryIO) -> bytes:
    """The user block that belongs to what follows it; leaves the file at its start."""
    file.seek(_BLOCK_SIZE)
    sha = hashlib.sha256()
    while piece := file.read(_PIECE):
        sha.update(piece)
    file.seek(0)
    return (_SIGNATURE + sha.hexdigest().encode() + b"\n").ljust(_BLOCK_SIZE, b"\0")


def write_array(file: h5py.File, name: str, values: np.ndarray, **attributes: object) -> None:
    """Write a data set without time stamps."""
    dataset = file.create_dataset(name, data=values, track_times=False)
    for key, value in attributes.items():
        dataset.attrs[key] = value


def canonical(data: object) -> str:
    """Canonical JSON text of plain data: equal data, equal text."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse(text: str) -> Any:
    """The inverse of `canonical`."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise StoreError(f"damaged text: {str(text)[:60]!r}: {error}") from error


def digest(*parts: object) -> str:
    """sha256 (32 hexadecimal digits) of plain data, arrays and bytes."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            part = str(part.shape).encode() + np.ascontiguousarray(part).tobytes()
        elif not isinstance(part, bytes):
            part = canonical(part).encode()
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.hexdigest()[:32]


def file_digest(path: str | Path) -> str:
    """sha256 (32 hexadecimal digits) of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def versions() -> dict[str, str]:
    """Versions of the packages that define the theory."""
    return {name: source.version(name) for name in THEORY_PACKAGES}


def check_versions(stored: dict[str, str], what: str, remedy: str) -> None:
    """Refuse what was made with other versions of smelli, flavio or wilson than installed.

    Raises
    ------
    StoreError
    """
    for name, version in versions().items():
        if stored.get(name) != version:
            raise StoreError(
                f"{what}: made with {name} {stored.get(name)}, installed is {name} {version}; "
                f"{remedy}, or install that version"
            )


def check_packaged(file: h5py.File, path: str, content: str, version: int) -> None:
    """Refuse a file of the package that its code does not read.

    Raises
    ------
    StoreError
        If it is another file, of another format, or made with other versions of smelli, flavio or
        wilson than installed.
    """
    remedy = "remake it (`make table` in the project's folder)"
    if file.attrs.get("content") != content:
        raise StoreError(f"{path}: not a {content}; {remedy}")
    if file.attrs["format"] != version:
        raise StoreError(
            f"{path}: format {file.attrs['format']}, this version reads {version}; {remedy}"
        )
    check_versions(parse(file.attrs["versions"]), path, remedy)


def provenance() -> dict:
    """Versions behind a result, for the record; without time, host or path."""
    # ours from the code itself: with PYTHONPATH or in a container it need not be installed
    ours = {"malaphoric": malaphoric.__version__}
    return ours | {name: source.version(name) for name in (*source.PACKAGES, "snakemake")}
