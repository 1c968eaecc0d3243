"""Files of points: what a job computes and writes, whole and described, and how it is read.

Their merge is in `scan`.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np

from malaphoric import source, store
from malaphoric.data import categories
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines.protocol import CKM_FAILURE, NO_ERROR, Engine, Evaluation, Weighed, weigh
from malaphoric.scan.grid import Grid

_CHUNK = "malaphoric chunk"

#: Exact points after which a job of many keeps what it has: some minutes of work.
_KEEP_AFTER = 32


class Progress:
    """Points done, rate and time left, a line whenever half a minute has passed."""

    def __init__(
        self, total: int, out: Callable[[str], None], every: float = 30.0, what: str = "point"
    ) -> None:
        self.total, self.out, self.every, self.what = total, out, every, what
        self.start = self.last = time.monotonic()

    def __call__(self, done: int) -> None:
        """Report that `done` points are finished."""
        now = time.monotonic()
        if not done or (done < self.total and now - self.last < self.every):
            return
        self.last = now
        elapsed = max(now - self.start, 1e-9)
        rate = done / elapsed
        left = (self.total - done) / rate
        self.out(
            f"{done}/{self.total} {self.what}s, {elapsed:.0f} s, "
            + (f"{rate:.0f} {self.what}s/s" if rate > 10 else f"{1 / rate:.1f} s/{self.what}")
            + f", {left:.0f} s left"
        )

    def after(self, first: int) -> Callable[[int], None]:
        """What is told how many points are done after the first ones."""
        return lambda done: self(first + done)


def range_of(path: str | Path) -> tuple[int, int]:
    """The points of a chunk, from its name: PREFIX-START-STOP."""
    start, stop = Path(path).stem.split("-")[1:]
    return int(start), int(stop)


def pair(paths: Iterable[str]) -> list[tuple[list[str], int, int]]:
    """Chunks with the files, one a layer, that hold them; in order."""
    found: dict[tuple[int, int], list[str]] = {}
    for path in paths:
        found.setdefault(range_of(path), []).append(path)
    return [(files, *points) for points, files in sorted(found.items())]


def others(path: str | Path, kept: str | Path) -> list[Path]:
    """Files that may hold some points of a chunk: beside it and kept, but not those of its own
    grid's others.
    """
    path, (start, stop) = Path(path), range_of(path)
    prefix = path.stem.split("-")[0]
    found = []
    for folder in (path.parent, Path(kept)):
        for other in sorted(folder.glob("*-*-*.h5")):
            first, last = range_of(other)
            if other.stem.split("-")[0] != prefix or (first < stop and start < last):
                found.append(other)
    return found


def keep(path: str | Path, kept: str | Path) -> None:
    """Keep a chunk's points for other runs, and for this one: Snakemake may delete its file.

    A second name of a file takes no room; where a file cannot have one, it is not kept.
    """
    target = Path(kept, Path(path).name)
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.hardlink_to(path)


def kept_in(folder: str | Path, description: dict) -> Path:
    """Where exact points of a theory are kept."""
    return Path(folder, store.digest(description)[:16])


def said(counts: dict[str, int], engine: str) -> str:
    """What `write_points` counted, in words."""
    found = f" ({counts['found']} found in earlier files)" if counts["found"] else ""
    return f"{counts['points']} points with the {engine} engine{found}, {counts['errors']} errors"


def _counts(reason: np.ndarray, found: int) -> dict[str, int]:
    errors = int(np.sum(~np.isin(reason, NO_ERROR)))
    return {"points": len(reason), "found": found, "errors": errors}


def write_points(
    path: str | Path,
    points: np.ndarray,
    engine: Engine,
    data: Likelihood,
    description: dict,
    keep_predictions: bool,
    out: Callable[[str], None] = print,
    earlier: Iterable[str | Path] = (),
) -> dict[str, int]:
    """Evaluate points and write a chunk file.

    Many points with predictions are kept part by part in a folder beside the file until it is
    whole: an interrupted job goes on where it was.

    Parameters
    ----------
    path : path
        HDF5 file: ``points`` (n, n_parameters), ``chi2`` (n, categories and global) unless the
        engine has only some of the observables, ``ckm`` (n, 4), ``reason``, texts of which
        ``reason_of_point`` (n) says which one counts, and, if kept, ``predictions`` (n,
        n_observables).
    points : ndarray, shape (n, n_parameters)
    engine : Engine
    data : Likelihood
    description : dict
        Their theory, what predictions are made from; files of different ones are never merged.
    keep_predictions : bool
        Whether predictions are written, so that new data can re-weigh them.
    out : callable
        Where progress goes.
    earlier : iterable of path
        Chunk files whose points need not be computed again, if their theory is the same.

    Returns
    -------
    dict
        Number of points, of points found in earlier files, of CKM failures and of errors.

    Notes
    -----
    Without predictions, what the same points of a file beside this one have in common with it is
    not computed again: the CKM elements, and chi2 of categories whose data are the same.
    """
    n = len(points)
    if not keep_predictions:
        known_before = _weighed_before(Path(path), points, description, data, out)
        found, result = weigh(engine, data, points, Progress(n, out), known_before)
        chi2 = np.stack(list(found.values()), axis=1)
        about = (engine.observables, data, description)
        _save(path, points, result.ckm, result.reason, *about, chi2=chi2)
        return _counts(result.reason, 0)
    ckm, reason = np.empty((n, 4)), np.full(n, "", dtype=object)
    predictions = np.empty((n, len(engine.observables)))
    folder = Path(path).with_suffix(".parts")
    before = [*earlier, *sorted(folder.glob("*.h5"))]
    missing = _find_earlier(before, description, points, predictions, ckm, reason)
    known = n - len(missing)
    if known:
        out(f"{known} of {n} points were computed before")
    progress = Progress(len(missing), out)
    for start in range(0, len(missing), _KEEP_AFTER):
        rows = missing[start : start + _KEEP_AFTER]
        result = engine.evaluate(points[rows], progress.after(start))
        predictions[rows], ckm[rows], reason[rows] = result.predictions, result.ckm, result.reason
        if len(missing) > _KEEP_AFTER:  # another attempt finds it
            part = folder / f"{store.digest(points[rows])[:16]}.h5"
            save_points(part, points[rows], result, engine.observables, data, description)
    whole = Evaluation(predictions, ckm, reason)
    save_points(path, points, whole, engine.observables, data, description)
    shutil.rmtree(folder, ignore_errors=True)
    return _counts(reason, known)


def _weighed_before(
    path: Path,
    points: np.ndarray,
    description: dict,
    data: Likelihood,
    out: Callable[[str], None],
) -> Weighed | None:
    """What the newest chunk of the same points and theory has in common with new data, if any."""
    _, _, points_of = path.stem.partition("-")
    others = set(path.parent.glob(f"*-{points_of}.h5")) - {path}
    for other in sorted(others, key=lambda file: -file.stat().st_mtime):
        try:
            part = _read_chunk(other, description)
        except store.StoreError:  # foreign or damaged: of no use here
            continue
        same = part["weighed_by"] == _weighed_by() and np.array_equal(part["points"], points)
        if not same or "best" in part or not np.isin(part["reason"], NO_ERROR).all():
            continue
        digests, stored = data.category_digests, part["likelihood"]
        columns = zip(part["categories"], part["chi2"].T, strict=False)  # the last is their sum
        chi2 = {c: x for c, x in columns if c in digests and stored[c] == digests[c]}
        out(f"computed before: {', '.join(['CKM elements', *(f'chi2 of {c}' for c in chi2)])}")
        return chi2, Evaluation(np.empty((len(points), 0)), part["ckm"], part["reason"])
    return None


def _weighed_by() -> str:
    """Digest of the code that makes chi2 of predictions, which is not among that of theories."""
    return source.code("data.likelihood")["code"]


def write_kept(
    path: str | Path,
    points: np.ndarray,
    layers: list[tuple[dict, Callable[[], Engine]]],
    folder: str | Path,
    out: Callable[[str], None] = print,
) -> dict[str, int]:
    """Write a chunk file of exact points, each of which is also kept by itself for other runs.

    Parameters
    ----------
    path : path
        HDF5 file: ``points`` (n, n_parameters), ``predictions`` (n, n_observables), ``ckm`` (n, 4)
        and ``reason`` (n), without chi2: it knows no data. Described by the last layer.
    points : ndarray, shape (n, n_parameters)
    layers : list of (dict, callable)
        Theories that together predict all observables: what each is made from, and what makes it,
        called if a point is not kept.
    folder : path
        Where points are kept, as ``<digest of the theory>/<digest of the point>.h5``.
    out : callable
        Where progress goes.

    Returns
    -------
    dict
        As `write_points`.
    """
    n, found = len(points), len(points)
    ckm, reason = np.full((n, 4), np.nan), np.full(n, "", dtype=object)
    predictions, observables = [np.empty((n, 0))], []
    for description, make in layers:
        kept = kept_in(folder, description)
        computed = _keep(points, description, make, kept, out)
        found = min(found, n - computed)
        parts = [_read_chunk(kept / _kept_name(point), description) for point in points]
        for i, part in enumerate(parts):
            ckm[i], reason[i] = part["ckm"][0], reason[i] or part["reason"][0]
        if parts:
            predictions.append(np.concatenate([part["predictions"] for part in parts]))
            observables += parts[0]["observables"]
    values = np.concatenate(predictions, axis=1)
    values[reason != ""] = np.nan
    save_points(path, points, Evaluation(values, ckm, reason), observables, None, layers[-1][0])
    return _counts(reason, found)


def _keep(
    points: np.ndarray,
    description: dict,
    make: Callable[[], Engine],
    folder: Path,
    out: Callable[[str], None],
) -> int:
    """Compute the points that a folder does not hold; returns their number."""
    missing = [p for p in points if not _is_kept(folder / _kept_name(p), p, description)]
    if not missing:  # smelli takes long to import
        return 0
    progress, engine = Progress(len(missing), out), make()
    for done, point in enumerate(missing, 1):
        result = engine.evaluate(point)
        path = folder / _kept_name(point)
        save_points(path, point[np.newaxis], result, engine.observables, None, description)
        progress(done)
    return len(missing)


def _kept_name(point: np.ndarray) -> str:
    return f"{store.digest(point)[:16]}.h5"


def _is_kept(path: Path, point: np.ndarray, description: dict) -> bool:
    """Whether a file holds a point of this theory, whole and without an error."""
    try:
        part = _read_chunk(path, description)
    except store.StoreError:  # absent, foreign or damaged: made again
        return False
    same = np.array_equal(part["points"], [point])
    return same and part["reason"][0] in ("", CKM_FAILURE)  # errors are tried again


def save_points(
    path: str | Path,
    points: np.ndarray,
    result: Evaluation,
    observables: list,
    data: Likelihood | None,
    description: dict,
) -> None:
    """Write predictions at points as a chunk file, with their chi2 if the observables are all.

    Parameters as for `write_points`; ``result`` has the predictions of the ``observables``.
    """
    arrays = {"predictions": result.predictions}
    if data and list(observables) == data.observables:
        arrays["chi2"] = np.stack(list(data.chi2(result.predictions).values()), axis=1)
    _save(path, points, result.ckm, result.reason, observables, data, description, **arrays)


def _save(
    path: str | Path,
    points: np.ndarray,
    ckm: np.ndarray,
    reason: np.ndarray,
    observables: list,
    data: Likelihood | None,
    description: dict,
    **arrays: np.ndarray,
) -> None:
    # few reasons for many points: each text once, and which of them counts at a point
    number = {text: i for i, text in enumerate(dict.fromkeys(reason.tolist()))}
    numbers = np.fromiter(map(number.__getitem__, reason.tolist()), np.uint32, len(reason))
    arrays = {"points": points, "ckm": ckm, "reason_of_point": numbers, **arrays}
    # messages as any HDF5 string can hold them: a message must not cost the chunk
    texts = [
        str(text).replace("\0", " ").encode("ascii", "backslashreplace").decode() for text in number
    ]
    with store.create(
        path,
        size=sum(values.nbytes for values in arrays.values()) + sum(64 + len(t) for t in texts),
        content=_CHUNK,
        theory=description,
        theory_digest=store.digest(description),
        categories=data.categories if data else [],
        likelihood_digests=data.category_digests if data else {},
        weighed_by=_weighed_by() if data else "",
        observables=categories.dump_observables(observables),
    ) as file:
        for name, values in arrays.items():
            store.write_array(file, name, values)
        file.create_dataset("reason", data=texts, dtype=h5py.string_dtype(), track_times=False)


class Minima(Protocol):
    """What is written of a `profiling.Profiled`."""

    chi2: dict[str, np.ndarray]
    places: dict[str, np.ndarray]
    ckm: np.ndarray
    reason: np.ndarray


def save_profiled(
    path: str | Path,
    grid: Grid,
    result: Minima,
    data: Likelihood,
    observables: list,
    description: dict,
) -> dict[str, int]:
    """Write a `profiling.Profiled` as a chunk file; its range of points is in its name.

    Beside what `write_points` writes, ``best`` (n, categories and global, n_profiled): where each
    minimum is.
    """
    chi2, best = (np.stack(list(x.values()), axis=1) for x in (result.chi2, result.places))
    points = grid.points(*range_of(path))
    about = (observables, data, description)
    _save(path, points, result.ckm, result.reason, *about, chi2=chi2, best=best)
    return _counts(result.reason, 0)


def _find_earlier(
    paths: Iterable[str | Path],
    description: dict,
    points: np.ndarray,
    predictions: np.ndarray,
    ckm: np.ndarray,
    reason: np.ndarray,
) -> np.ndarray:
    """Fill in what files of the same theory hold; returns the rows that are still missing."""
    rows = {point.tobytes(): row for row, point in enumerate(points)}
    for path in paths:
        if not rows:
            break
        try:
            part = _read_chunk(path, description)
        except store.StoreError:  # foreign or damaged: of no use here
            continue
        for i, point in enumerate(part["points"]):
            # errors are tried again
            if (
                part["reason"][i] in ("", CKM_FAILURE)
                and (row := rows.pop(point.tobytes(), None)) is not None
            ):
                predictions[row], ckm[row] = part["predictions"][i], part["ckm"][i]
                reason[row] = part["reason"][i]
    return np.array(sorted(rows.values()), dtype=int)


def _read_chunk(path: str | Path, description: dict) -> dict:
    """Content of a chunk file, if it was made from the described theory."""
    with store.read(path) as file:
        if file.attrs.get("content") != _CHUNK:
            raise store.StoreError(f"{path}: not a malaphoric chunk; {store.REMEDY}")
        if file.attrs["theory_digest"] != store.digest(description):
            theirs = store.parse(file.attrs["theory"])
            differing = [
                k for k in sorted({*theirs, *description}) if theirs.get(k) != description.get(k)
            ]
            details = "; ".join(
                f"{k}: {theirs.get(k)} instead of {description.get(k)}" for k in differing
            )
            raise store.StoreError(f"{path}: made from another theory: {details}; {store.REMEDY}")
        result = {
            name: file[name][:]
            for name in ("points", "chi2", "best", "ckm", "predictions")
            if name in file
        }
        result["reason"] = file["reason"].asstr()[:][file["reason_of_point"][:]]
        result["weighed_by"] = file.attrs["weighed_by"]
        result["likelihood"] = store.parse(file.attrs["likelihood_digests"])
        result["categories"] = store.parse(file.attrs["categories"])
        result["observables"] = categories.parse_observables(file.attrs["observables"])
    return result


def read_points(
    paths: list[str | Path], layers: list[dict], data: Likelihood
) -> dict[str, np.ndarray]:
    """Read the chunk files that together hold some points, and weigh them with the given data.

    Parameters
    ----------
    paths : list of path
        One file a layer.
    layers : list of dict
        Evaluation that each must have been made from.
    data : Likelihood

    Returns
    -------
    dict
        ``points``, ``chi2`` (n, categories and global), ``ckm``, ``reason`` and, if they were
        kept, ``predictions``; ``best`` of profiled points.

    Raises
    ------
    malaphoric.store.StoreError
        If a file is damaged, or was made from another theory, observables, points or data.
    """
    files = list(zip(paths, layers, strict=True))
    parts = [_read_chunk(path, description) for path, description in files]
    result = parts[0]
    for path, part in zip(paths[1:], parts[1:], strict=True):
        if not np.array_equal(part["points"], result["points"]):
            raise store.StoreError(f"{path}: holds other points than {paths[0]}; {store.REMEDY}")
        result["reason"] = np.where(result["reason"] == "", part["reason"], result["reason"])
    if all("predictions" in part for part in parts):
        names = [name for part in parts for name in part["observables"]]
        if names != data.observables and len(result["points"]):
            raise store.StoreError(f"{paths[0]}: made for other observables; {store.REMEDY}")
        predictions = np.concatenate([part["predictions"] for part in parts], axis=1)
        predictions = predictions.reshape(-1, len(data.observables))  # of no point, too
        predictions[result["reason"] != ""] = np.nan
        chi2 = np.stack(list(data.chi2(predictions).values()), axis=1)
        result |= {"predictions": predictions, "chi2": chi2}
    else:
        result["chi2"] = _selected(result, data, paths[0])
    kept = ("points", "chi2", "best", "ckm", "reason", "predictions")
    return {k: result[k] for k in kept if k in result}


def _selected(part: dict, data: Likelihood, path: str | Path) -> np.ndarray:
    """Stored chi2 of the categories that count, and their sum."""
    stored, wanted = part["likelihood"], data.category_digests
    if any(stored.get(category) != digest for category, digest in wanted.items()):
        raise store.StoreError(f"{path}: made with other data; {store.REMEDY}")
    if "best" in part:  # the minimum of the sum is not the sum of the minima
        if part["categories"] != list(wanted):
            raise store.StoreError(f"{path}: made for other categories; {store.REMEDY}")
        return part["chi2"]
    columns = [part["chi2"][:, part["categories"].index(category)] for category in wanted]
    return np.stack([*columns, sum(columns)], axis=1)


def select_points(
    points: np.ndarray, chunks: list[tuple[list, int, int]], layers: list[dict], data: Likelihood
) -> Evaluation:
    """Predictions of points that chunk files hold.

    Raises
    ------
    malaphoric.store.StoreError
        If a point is in none of them.
    """
    rows = {np.ascontiguousarray(point).tobytes(): row for row, point in enumerate(points)}
    n = len(points)
    found = Evaluation(np.empty((n, len(data.observables))), np.empty((n, 4)), np.empty(n, object))
    for paths, _, _ in chunks:
        part = read_points(paths, layers, data)
        for i, point in enumerate(part["points"]):
            if (row := rows.pop(point.tobytes(), None)) is not None:
                found.predictions[row], found.ckm[row] = part["predictions"][i], part["ckm"][i]
                found.reason[row] = part["reason"][i]
        if not rows:
            return found
    raise store.StoreError(f"points {sorted(rows.values())} are in no chunk")
