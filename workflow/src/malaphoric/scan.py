"""From a model to chi2: an engine and the data together, chunk files, and their merge.

The engines are in `exact` and `compiled`, the data in `likelihood`.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import platformdirs

from malaphoric import categories, store
from malaphoric.exact import Theory
from malaphoric.grid import AXES, BLOCK, Grid
from malaphoric.likelihood import Likelihood, make_likelihood
from malaphoric.model import Model

_CHUNK = "malaphoric chunk"
_SCAN = "malaphoric scan"

#: Exact points after which a job of many keeps what it has: some five minutes of work.
_KEEP_AFTER = 32

#: Meaning of the data set ``status`` of a scan.
STATUS = {"ok": 0, "ckm": 1, "error": 2}


class ModelLikelihood:
    """Likelihood of one model as a function of (epsilon_hat, g_hat, theta_sb).

    Attributes
    ----------
    model : Model
    M_X : float
        In GeV.
    observables : list
        flavio observables, the columns of `predictions`.
    chi2_sm : dict of str to float
        chi2 of the Standard Model by category, and "global".
    n_obs : dict of str to int
        Number of observations by category, and "global".
    """

    def __init__(self, model: Model, M_X: float, theory: object, data: Likelihood) -> None:
        if list(theory.observables) != list(data.observables):
            raise ValueError("theory and data list different observables")
        self.model, self.M_X, self.theory, self.data = model, float(M_X), theory, data
        self.observables = list(data.observables)
        self.chi2_sm, self.n_obs = data.chi2_sm, data.n_obs

    def predictions(self, points: np.ndarray) -> np.ndarray:
        """Predictions at points (n, 3), shape (n, n_observables); NaN where the CKM fails."""
        return self.theory.evaluate(np.atleast_2d(points)).predictions

    def chi2(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """chi2 by category and "global" at points.

        Parameters
        ----------
        points : array_like, shape (n, 3)
            epsilon_hat, g_hat, theta_sb (rad).

        Returns
        -------
        dict of str to ndarray, shape (n,)
            NaN where the CKM extraction fails.
        """
        points = np.atleast_2d(np.asarray(points, dtype=float))
        names = [*self.data.categories, categories.GLOBAL]
        result = {name: np.empty(len(points)) for name in names}
        for start in range(0, len(points), BLOCK):  # bounded memory, whatever the number of points
            block = slice(start, start + BLOCK)
            for name, values in self.data.chi2(self.predictions(points[block])).items():
                result[name][block] = values
        return result


def load_likelihood(
    model: Model | str,
    engine: str = "compiled",
    M_X: float = 3000.0,
    categories: tuple[str, ...] | None = None,
    smeft_accuracy: str = "leadinglog",
    lep2_set: str = "paper",
    data: str | Path | None = None,
) -> ModelLikelihood:
    """Likelihood of a model, ready to be called.

    Parameters
    ----------
    model : Model or str
        A model, its name in ``config/models`` or the path of its YAML file.
    engine : {"exact", "compiled"}
        smelli point by point, or tables made from it.
    M_X : float
        Mass of the X boson in GeV.
    categories : tuple of str, optional
        Categories that count (default: all four).
    smeft_accuracy : {"leadinglog", "integrate"}
        Accuracy of the SMEFT running.
    lep2_set : {"paper", "full"}
        148 or 153 entries of LEP2.
    data : path, optional
        A ``likelihood.h5`` of a run. By default one is made (half a minute) and kept in the
        user's cache folder.

    Returns
    -------
    ModelLikelihood
    """
    model = model if isinstance(model, Model) else Model.load(model)
    if data is None:
        settings = {"nexp": 100_000, "seed": 1, "lep2_set": lep2_set}
        key = store.digest(settings, store.versions(), data_code())
        data = Path(platformdirs.user_cache_dir("malaphoric")) / f"likelihood-{key[:16]}.h5"
        if not data.exists():
            make_likelihood(**settings).save(data)
    theory = load_theory(model, engine, M_X, smeft_accuracy)
    return ModelLikelihood(model, M_X, theory, Likelihood.load(data, categories))


def data_code() -> str:
    """Digest of the code that makes the data half."""
    return store.room_digest("likelihood", "categories", "lep2", "exact")


def load_theory(
    model: Model,
    engine: str,
    M_X: float,
    smeft_accuracy: str = "leadinglog",
    running: str | Path | None = None,
) -> object:
    """The engine's theory of a model.

    Parameters
    ----------
    model : Model
    engine : {"exact", "compiled"}
    M_X : float
        Mass of the X boson in GeV.
    smeft_accuracy : {"leadinglog", "integrate"}
    running : path, optional
        For the compiled engine: stored running of the model's coefficients (default: made now).

    Raises
    ------
    ValueError
        If the engine is unknown.
    """
    if engine == "exact":
        from malaphoric.exact import ExactTheory

        return ExactTheory(model, M_X, smeft_accuracy)
    if engine == "compiled":
        from malaphoric.compiled import CompiledTheory, Running, Table

        table = Table.load()
        if running is None:
            from malaphoric import compiling

            return CompiledTheory(table, compiling.run(model, M_X, smeft_accuracy, table))
        return CompiledTheory(table, Running.load(running))
    raise ValueError(f"engine: {engine!r}; accepted: exact, compiled")


class Progress:
    """Points done, rate and time left, a line whenever half a minute has passed."""

    def __init__(self, total: int, out: Callable[[str], None], every: float = 30.0) -> None:
        self.total, self.out, self.every = total, out, every
        self.start = self.last = time.monotonic()

    def __call__(self, done: int) -> None:
        """Report that `done` points are finished."""
        now = time.monotonic()
        if done < self.total and now - self.last < self.every:
            return
        self.last = now
        elapsed = max(now - self.start, 1e-9)
        rate = done / elapsed
        left = (self.total - done) / rate
        self.out(
            f"{done}/{self.total} points, {elapsed:.0f} s, "
            + (f"{rate:.0f} points/s" if rate > 10 else f"{1 / rate:.1f} s/point")
            + f", {left:.0f} s left"
        )


class _Resumable:
    """A theory that keeps finished parts in a folder, where another attempt finds them."""

    def __init__(self, theory: object, folder: Path, description: dict) -> None:
        self.theory, self.folder, self.description = theory, folder, description

    def evaluate(self, points: np.ndarray, progress: Callable[[int], None]) -> Theory:
        """As `ExactTheory.evaluate`, part by part."""
        parts = []
        for start in range(0, len(points), _KEEP_AFTER):
            part = points[start : start + _KEEP_AFTER]
            path = self.folder / f"{store.digest(self.description, part)[:16]}.h5"
            result = None
            with contextlib.suppress(store.StoreError), store.read(path) as file:
                reason = file["reason"].asstr()[:].astype(object)
                result = Theory(file["predictions"][:], file["ckm"][:], reason)
            if result is None:
                result = self.theory.evaluate(part, lambda n, first=start: progress(first + n))
                with store.create(path) as file:
                    store.write_array(file, "predictions", result.predictions)
                    store.write_array(file, "ckm", result.ckm)
                    _write_reason(file, result.reason)
            parts.append(result)
        names = [field.name for field in fields(Theory)]
        return Theory(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def write_points(
    path: str | Path,
    points: np.ndarray,
    theory: object,
    data: Likelihood,
    description: dict,
    keep_predictions: bool,
    out: Callable[[str], None] = print,
) -> dict[str, int]:
    """Evaluate points and write a chunk file.

    Many points with predictions are kept part by part in a folder beside the file until it is
    whole: an interrupted job goes on where it was.

    Parameters
    ----------
    path : path
        HDF5 file: ``points`` (n, 3), ``chi2`` (n, categories and global), ``ckm`` (n, 4),
        ``reason`` (n) and, if kept, ``predictions`` (n, n_observables).
    points : ndarray, shape (n, 3)
    theory : ExactTheory or CompiledTheory
    data : Likelihood
    description : dict
        What the theory was made from; files of different descriptions are never merged.
    keep_predictions : bool
        Whether predictions are written, so that new data can re-weigh them.
    out : callable
        Where progress goes.

    Returns
    -------
    dict
        Number of points, of CKM failures and of errors.
    """
    progress = Progress(len(points), out)
    names = [*data.categories, categories.GLOBAL]
    folder = Path(path).with_suffix(".parts")
    if keep_predictions and len(points) > _KEEP_AFTER:
        theory = _Resumable(theory, folder, description)
    chi2 = np.empty((len(points), len(names)))
    ckm, reason = np.empty((len(points), 4)), np.empty(len(points), dtype=object)
    predictions = np.empty((len(points), len(data.observables))) if keep_predictions else None
    for start in range(0, len(points), BLOCK):
        block = slice(start, min(start + BLOCK, len(points)))
        result = theory.evaluate(points[block], lambda done, first=start: progress(first + done))
        for column, values in enumerate(data.chi2(result.predictions).values()):
            chi2[block, column] = values
        ckm[block], reason[block] = result.ckm, result.reason
        if keep_predictions:
            predictions[block] = result.predictions
    with store.create(
        path,
        content=_CHUNK,
        theory=description,
        theory_digest=store.digest(description),
        likelihood_digest=data.digest,
        categories=names,
        observables=categories.dump_observables(data.observables),
    ) as file:
        store.write_array(file, "points", points)
        store.write_array(file, "chi2", chi2)
        store.write_array(file, "ckm", ckm)
        _write_reason(file, reason)
        if keep_predictions:
            store.write_array(file, "predictions", predictions)
    shutil.rmtree(folder, ignore_errors=True)
    failed = int(np.sum(reason == "ckm"))
    return {"points": len(points), "ckm": failed, "errors": int(np.sum(reason != "")) - failed}


def _write_reason(file: h5py.File, reason: np.ndarray) -> None:
    """Messages as any HDF5 string can hold them: a message must not cost the chunk."""
    texts = [
        str(text).replace("\0", " ").encode("ascii", "backslashreplace").decode() for text in reason
    ]
    file.create_dataset("reason", data=texts, dtype=h5py.string_dtype(), track_times=False)


def read_points(path: str | Path, description: dict, data: Likelihood) -> dict[str, np.ndarray]:
    """Read a chunk file and weigh it with the given data.

    Returns
    -------
    dict
        ``points``, ``chi2`` (n, categories and global), ``ckm``, ``reason`` and, if they were
        kept, ``predictions``.

    Raises
    ------
    malaphoric.store.StoreError
        If the file is damaged, or was made from another theory, observables or data.
    """
    with store.read(path) as file:
        if file.attrs.get("content") != _CHUNK:
            raise store.StoreError(f"{path}: not a malaphoric chunk")
        if file.attrs["theory_digest"] != store.digest(description):
            theirs = store.parse(file.attrs["theory"])
            differing = [
                k for k in sorted({*theirs, *description}) if theirs.get(k) != description.get(k)
            ]
            details = "; ".join(
                f"{k}: {theirs.get(k)} instead of {description.get(k)}" for k in differing
            )
            raise store.StoreError(f"{path}: made from another theory: {details}")
        result = {
            name: file[name][:] for name in ("points", "chi2", "ckm", "predictions") if name in file
        }
        result["reason"] = file["reason"].asstr()[:]
        same_data = file.attrs["likelihood_digest"] == data.digest
        stored = categories.parse_observables(file.attrs["observables"])
    if "predictions" in result:
        if stored != data.observables:
            raise store.StoreError(f"{path}: made for other observables")
        result["chi2"] = np.stack(list(data.chi2(result["predictions"]).values()), axis=1)
    elif not same_data:
        raise store.StoreError(f"{path}: made with other data")
    return result


def merge(
    path: str | Path,
    grid: Grid,
    chunks: list[tuple[str, int, int]],
    description: dict,
    data: Likelihood,
    configuration: dict,
) -> dict[str, int]:
    """Merge chunk files into one scan, a slab of epsilon_hat at a time.

    Parameters
    ----------
    path : path
        HDF5 file with ``chi2`` (category, epsilon_hat, g_hat, theta_sb), ``status`` and
        ``gamma`` (epsilon_hat, g_hat, theta_sb), and the axes as dimension scales.
    grid : Grid
    chunks : list of (path, start, stop)
        Files and the ranges of points they must hold, in order.
    description : dict
        What the theory was made from.
    data : Likelihood
    configuration : dict
        The run configuration, for the record.

    Returns
    -------
    dict
        Number of points, of CKM failures and of errors.

    Raises
    ------
    malaphoric.store.StoreError
        If a chunk is damaged, foreign, or there is a hole.
    """
    names = [*data.categories, categories.GLOBAL]
    counts = dict.fromkeys(STATUS, 0)
    errors: list[str] = []
    with store.create(
        path,
        content=_SCAN,
        configuration=configuration,
        configuration_digest=store.digest(configuration),
        theory=description,
        theory_digest=store.digest(description),
        model=description["model"],
        versions=store.provenance(),
        likelihood_digest=data.digest,
        likelihood=data.settings,
        chi2_sm=data.chi2_sm,
        n_obs=data.n_obs,
        status_values=STATUS,
    ) as file:
        _write_scales(file, names, grid)
        shape = grid.shape
        chi2 = file.create_dataset("chi2", (len(names), *shape), "f8", track_times=False)
        gamma = file.create_dataset("gamma", shape, "f8", track_times=False)
        status = file.create_dataset("status", shape, "u1", track_times=False)
        for dataset, dims in ((chi2, ("category", *AXES)), (gamma, AXES), (status, AXES)):
            for number, name in enumerate(dims):
                dataset.dims[number].attach_scale(file[name])
        slab = shape[1] * shape[2]
        for i, part in enumerate(_slabs(grid, chunks, description, data, slab)):
            codes = np.where(part["reason"] == "", 0, np.where(part["reason"] == "ckm", 1, 2))
            for name, code in STATUS.items():
                counts[name] += int(np.sum(codes == code))
            errors += [
                f"{tuple(point)}: {reason}"
                for point, reason in zip(
                    part["points"][codes == 2].tolist(), part["reason"][codes == 2], strict=True
                )
            ][: max(0, 100 - len(errors))]
            chi2[:, i] = part["chi2"].T.reshape(len(names), *shape[1:])
            gamma[i] = part["ckm"][:, 3].reshape(shape[1:])
            status[i] = codes.reshape(shape[1:])
        file.attrs["counts"] = store.canonical(counts)
        file.attrs["errors"] = store.canonical(errors)
    return {"points": grid.size, "ckm": counts["ckm"], "errors": counts["error"]}


def _write_scales(file: h5py.File, names: list[str], grid: Grid) -> None:
    file.create_dataset("category", data=names, dtype=h5py.string_dtype(), track_times=False)
    for name, axis in zip(AXES, grid.axes, strict=True):
        store.write_array(file, name, axis, units="rad" if name == "theta_sb" else "1")
    for name in ("category", *AXES):
        file[name].make_scale(name)


def _slabs(
    grid: Grid, chunks: list[tuple[str, int, int]], description: dict, data: Likelihood, size: int
) -> Iterator[dict[str, np.ndarray]]:
    """Regroup the chunks' points into slabs of `size` points; never holds more than a few."""
    keys = ("points", "chi2", "ckm", "reason")
    rest = None
    position = 0
    for path, start, stop in chunks:
        if start != position:
            raise store.StoreError(f"{path}: starts at point {start} where {position} is next")
        position = stop
        part = read_points(path, description, data)
        if not np.array_equal(part["points"], grid.points(start, stop)):
            raise store.StoreError(f"{path}: holds other points than {start}-{stop} of the grid")
        rest = part if rest is None else {k: np.concatenate([rest[k], part[k]]) for k in keys}
        while len(rest["points"]) >= size:
            yield {k: rest[k][:size] for k in keys}
            rest = {k: rest[k][size:] for k in keys}
    if position != grid.size:
        raise store.StoreError(f"the chunks hold {position} of {grid.size} points")
