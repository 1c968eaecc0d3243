"""How two result files differ, in words: which entries, by how much, which pixels.

Files are read into plain trees of names and values, and the trees are compared; which files there
should be is `archive`'s to know.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from malaphoric import store

#: Relative size of a difference that other arithmetic makes.
LAST_DIGITS = 1e-9

#: What is said of files that differ in their packing, or in what is not compared.
SAME_CONTENT = "the same content in other bytes"

# What of a PDF depends on how well its streams are packed.
_MOVING = re.compile(rb"\nxref\n.*|/Length \d+|obj\s+\d+\s+endobj", re.DOTALL)

#: Lines that a file is worth.
_LINES = 8


@dataclass(frozen=True)
class Difference:
    """What differs between two files.

    Attributes
    ----------
    text : str
        One line or several; empty for files of the same bytes.
    agrees : bool
        Whether names, texts and shapes are equal and numbers differ by at most `LAST_DIGITS`.
    """

    text: str
    agrees: bool


def compare(theirs: Path, ours: Path, ignore: tuple[str, ...] = ()) -> Difference:
    """Compare two files of the same name.

    Parameters
    ----------
    theirs, ours : Path
        HDF5 as `store` writes it, JSON, CSV, PNG, PDF or text.
    ignore : tuple of str
        Entries at the top of a JSON file that are not compared.
    """
    if store.file_digest(theirs) == store.file_digest(ours):
        return Difference("", True)
    try:
        one, two = (_tree(path, ignore) for path in (theirs, ours))
    except Exception as error:  # whatever stands in a file that others made
        return Difference(f"cannot be compared: {' '.join(str(error).split())}", False)
    found = list(_differences(one, two, ""))
    if not found:
        return Difference(SAME_CONTENT, True)
    agrees = all(close for _, close in found)
    lines = [text for text, close in found if close == agrees]
    more = len(lines) - _LINES
    lines = lines[:_LINES] + ([f"and {more} more entries"] if more > 0 else [])
    return Difference(
        ("differs in the last digits: " if agrees else "") + "\n    ".join(lines), agrees
    )


def _tree(path: Path, ignore: tuple[str, ...]) -> object:
    """A file's content as dictionaries, lists, arrays, numbers and texts."""
    if path.suffix == ".h5":
        with store.read(path) as file:
            return _group(file)
    if path.suffix == ".png":
        from matplotlib import image

        return {"picture": image.imread(path)}
    if path.suffix == ".pdf":
        return {"drawing": _pdf(path.read_bytes())}
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        data = json.loads(text)
        drop = ignore if isinstance(data, dict) else ()
        return {k: v for k, v in data.items() if k not in drop} if drop else data
    if path.suffix == ".csv":
        return _table(text)
    return {f"line {number}": line for number, line in enumerate(text.split("\n"), 1)}


def _group(group: h5py.Group) -> dict:
    """A group of an HDF5 file with its attributes; references become names."""
    tree: dict = {f"@{name}": _attribute(value, group) for name, value in group.attrs.items()}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            tree[name] = _group(item)
            continue
        tree |= {f"{name}@{k}": _attribute(v, group) for k, v in item.attrs.items()}
        text = h5py.check_string_dtype(item.dtype) is not None
        tree[name] = np.asarray(item.asstr()[()], dtype=object) if text else item[()]
    return tree


def _attribute(value: object, group: h5py.Group) -> object:
    """An attribute as plain data: `store` writes canonical JSON, HDF5 references to scales."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    if isinstance(value, h5py.Reference):
        return group[value].name if value else None
    if isinstance(value, (np.ndarray, tuple)) and getattr(value, "dtype", None) in (
        *(np.dtype(object), None),
    ):
        return [_attribute(item, group) for item in value]
    if isinstance(value, np.ndarray) and value.dtype.names:  # the list of who uses a scale
        return [[_attribute(item, group) for item in row.item()] for row in value]
    return value.item() if isinstance(value, np.generic) else value


def _table(text: str) -> dict:
    """A CSV file by row and column; numbers as numbers."""
    columns, *rows = list(csv.reader(io.StringIO(text))) or [[]]
    tree: dict = {"columns": columns}
    for number, row in enumerate(rows, 1):
        cells = [_number(cell) for cell in row]
        name = f" ({row[0]})" if row and isinstance(cells[0], str) else ""
        tree[f"row {number}{name}"] = dict(zip(columns, cells, strict=True))
    return tree


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _pdf(content: bytes) -> str:
    """Digest of a PDF's streams, unpacked, and of the rest without lengths and positions."""
    if not content.startswith(b"%PDF-"):
        raise ValueError("not a PDF")
    pieces = re.split(rb"stream\r?\n(.*?)\r?\nendstream", content, flags=re.DOTALL)
    for at, piece in enumerate(pieces):
        if at % 2 == 0:
            piece = _MOVING.sub(b"", piece)
        else:
            with contextlib.suppress(zlib.error):
                piece = zlib.decompress(piece)
        pieces[at] = piece
    return store.digest(*pieces)


def _differences(one: Any, two: Any, place: str) -> Iterator[tuple[str, bool]]:
    """Sentences on what differs, and whether it is in the last digits only."""
    if isinstance(one, dict) and isinstance(two, dict):
        for name in one:
            if name not in two:
                yield f"{_join(place, name)}: missing here", False
        for name in two:
            if name not in one:
                yield f"{_join(place, name)}: not in the archive", False
        for name in one:
            if name in two:
                yield from _differences(one[name], two[name], _join(place, name))
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for number, pair in enumerate(zip(one, two, strict=True)):
            yield from _differences(*pair, _join(place, number))
    elif isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
        yield from _arrays(one, two, place)
    elif type(one) is not type(two):
        yield f"{place}: {_short(two)} here, {_short(one)} in the archive", False
    elif isinstance(one, float):
        if not (one == two or (one != one and two != two)):
            size = _relative(one, two)
            text = f"{place}: {two!r} here, {one!r} in the archive (relative {size:.1e})"
            yield text, bool(size <= LAST_DIGITS)
    elif one != two and place == "drawing":
        yield "another drawing", False
    elif one != two:
        yield f"{place}: {_short(two)} here, {_short(one)} in the archive", False


def _relative(one: np.ndarray | float, two: np.ndarray | float) -> np.ndarray:
    """Relative difference; infinite where only one of two is finite, or their signs differ."""
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.abs(np.subtract(one, two)) / np.maximum(np.abs(one), np.abs(two))
    return np.where(np.isnan(size), np.inf, size)


def _arrays(one: np.ndarray, two: np.ndarray, place: str) -> Iterator[tuple[str, bool]]:
    picture = place == "picture"
    if one.shape != two.shape or one.dtype != two.dtype:
        here, there = (f"{x.dtype} {' x '.join(map(str, x.shape)) or 'scalar'}" for x in (two, one))
        yield f"{'another ' * picture}{place}: {here} here, {there} in the archive", False
        return
    floats = one.dtype.kind == "f"
    same = (one == two) | ((one != one) & (two != two)) if floats else np.asarray(one == two)
    if np.all(same):
        return
    if picture:
        pixels = ~np.all(same, axis=-1) if one.ndim == 3 else ~same
        yield f"another picture: {100 * np.mean(pixels):.2g}% of the pixels differ", False
        return
    at = np.argwhere(~same)[0]
    first = f"first at {at.tolist()}: " if one.ndim else ""
    first += f"{_short(two[tuple(at)])} here, {_short(one[tuple(at)])} in the archive"
    count = f"{place}: {np.sum(~same)} of {same.size} entries differ"
    if not floats:
        yield f"{count}, {first}", False
        return
    size = float(np.max(_relative(one[~same], two[~same])))
    yield f"{count}, by up to {size:.1e} relative, {first}", size <= LAST_DIGITS


def _join(place: str, name: object) -> str:
    return f"{place}.{name}" if place else str(name)


def _short(value: object) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) < 80 else text[:77] + "..."
