"""From a model to chi2: an engine and the data together, chunk files, and their merge.

The engines are in `exact` and `compiled`, the data in `likelihood`.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
import platformdirs

from malaphoric import arithmetic, categories, store
from malaphoric.exact import Theory
from malaphoric.grid import AXES, BLOCK, Grid
from malaphoric.likelihood import Likelihood
from malaphoric.measurements import make_likelihood
from malaphoric.model import Model
from malaphoric.schema import validate

_CHUNK = "malaphoric chunk"
_SCAN = "malaphoric scan"

# points that a fit asks for at a time
_FEW = 16

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
        return self.theory.evaluate(_three_columns(points)).predictions

    def chi2(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """chi2 by category and "global" at points.

        Parameters
        ----------
        points : array_like, shape (n, 3)
            epsilon_hat, g_hat, theta_sb (rad).

        Returns
        -------
        dict of str to ndarray, shape (n,)
            NaN where a point cannot be computed: the CKM extraction fails there, or a
            coordinate is not finite.
        """
        points = _three_columns(points)
        names = [*self.data.categories, categories.GLOBAL]
        result = {name: np.empty(len(points)) for name in names}
        for start in range(0, len(points), BLOCK):  # bounded memory, whatever the number of points
            block = slice(start, start + BLOCK)
            for name, values in self.data.chi2(self.predictions(points[block])).items():
                result[name][block] = values
        return result

    def chi2_of_few(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """As `chi2` of the compiled engine, quick for the few points of a fit; other last bits."""
        predictions = self.theory.evaluate(points, block=_FEW).predictions
        return self.data.chi2(predictions, _FEW)


def _three_columns(points: np.ndarray) -> np.ndarray:
    points = np.atleast_2d(np.asarray(points, dtype=float))
    if points.ndim != 2 or points.shape[1] != len(AXES):
        raise ValueError(f"points: shape {points.shape}; accepted: (n, 3), of {', '.join(AXES)}")
    return points


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

    Raises
    ------
    malaphoric.schema.ConfigurationError
        If an argument is not accepted, as in a run configuration.

    Warns
    -----
    UserWarning
        If numpy was imported before malaphoric, see `malaphoric.arithmetic`.
    """
    arithmetic.warn_if_late()
    settings = {"engine": engine, "M_X": M_X, "smeft_accuracy": smeft_accuracy}
    settings |= {"lep2_set": lep2_set} | (
        {} if categories is None else {"categories": list(categories)}
    )
    validate(settings, "config", "load_likelihood", partial=True)
    model = model if isinstance(model, Model) else Model.load(model)
    if data is None:
        settings = {"nexp": 100_000, "seed": 1, "lep2_set": lep2_set}
        key = store.digest(settings, store.versions(), data_code())
        data = Path(platformdirs.user_cache_dir("malaphoric")) / f"likelihood-{key[:16]}.h5"
        if not data.exists():
            make_likelihood(**settings).save(data)
    likelihood = Likelihood.load(data, categories)
    theory = load_theory(model, engine, M_X, smeft_accuracy)
    if additional := likelihood.observables[len(theory.observables) :]:
        more = load_theory(model, engine, M_X, smeft_accuracy, additional=additional)
        theory = Joined([theory, more])
    return ModelLikelihood(model, M_X, theory, likelihood)


def data_code() -> str:
    """Digest of the code that makes the data half."""
    return store.room_digest(
        "measurements", "likelihood", "categories", "lep2", "exact", "arithmetic"
    )


class Joined:
    """Theories of different observables at the same points, as one theory.

    Parameters
    ----------
    theories : list of ExactTheory or CompiledTheory
        Of one model at one mass.
    """

    def __init__(self, theories: list) -> None:
        self.theories = theories
        self.observables = [name for theory in theories for name in theory.observables]

    def evaluate(
        self, points: np.ndarray, progress: Callable[[int], None] | None = None, **block: int
    ) -> Theory:
        """As `CompiledTheory.evaluate`."""
        first, *others = [theory.evaluate(points, **block) for theory in self.theories]
        for other in others:
            first.reason = np.where(first.reason == "", other.reason, first.reason)
            first.predictions = np.concatenate([first.predictions, other.predictions], axis=1)
        first.predictions[first.reason != ""] = np.nan
        if progress:
            progress(len(first.predictions))
        return first


def load_theory(
    model: Model,
    engine: str,
    M_X: float,
    smeft_accuracy: str = "leadinglog",
    running: str | Path | None = None,
    additional: list | None = None,
    table: str | Path | None = None,
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
    additional : list, optional
        Only these observables, which the categories do not have by themselves.
    table : path, optional
        For the compiled engine: their stored table (default: made now).

    Raises
    ------
    ValueError
        If the engine is unknown.
    """
    if engine == "exact":
        from malaphoric.exact import ExactTheory

        return ExactTheory(model, M_X, smeft_accuracy, additional)
    if engine == "compiled":
        from malaphoric.compiled import CompiledTheory, Running, Table

        if additional and table is None:
            from malaphoric import compiling

            with tempfile.TemporaryDirectory() as folder:
                compiling.compile_extra(additional, Path(folder) / "table.h5")
                loaded = Table.load(Path(folder) / "table.h5")
        else:
            loaded = Table.load(table)
        if running is None:
            from malaphoric import compiling

            return CompiledTheory(loaded, compiling.run(model, M_X, smeft_accuracy, loaded))
        return CompiledTheory(loaded, Running.load(running))
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


def write_points(
    path: str | Path,
    points: np.ndarray,
    theory: object,
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
        HDF5 file: ``points`` (n, 3), ``chi2`` (n, categories and global) unless the theory has
        only some of the observables, ``ckm`` (n, 4), ``reason`` (n) and, if kept, ``predictions``
        (n, n_observables).
    points : ndarray, shape (n, 3)
    theory : ExactTheory, CompiledTheory or Joined
    data : Likelihood
    description : dict
        What the theory was made from; files of different descriptions are never merged.
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
    """
    n = len(points)
    chi2 = np.empty((n, len(data.categories) + 1))
    ckm, reason = np.empty((n, 4)), np.full(n, "", dtype=object)
    predictions = np.empty((n, len(theory.observables))) if keep_predictions else None
    missing, size, folder = np.arange(n), BLOCK, Path(path).with_suffix(".parts")
    if keep_predictions:
        size, before = _KEEP_AFTER, [*earlier, *sorted(folder.glob("*.h5"))]
        missing = _find_earlier(before, description, points, predictions, ckm, reason)
    found = n - len(missing)
    if found:
        out(f"{found} of {n} points were computed before")
    progress = Progress(len(missing), out)
    for start in range(0, len(missing), size):
        rows = missing[start : start + size]
        result = theory.evaluate(points[rows], lambda done, first=start: progress(first + done))
        ckm[rows], reason[rows] = result.ckm, result.reason
        if keep_predictions and len(missing) > size:  # another attempt finds it
            part = folder / f"{store.digest(points[rows])[:16]}.h5"
            save_points(part, points[rows], result, theory.observables, data, description)
        if keep_predictions:
            predictions[rows] = result.predictions
        else:
            for column, values in enumerate(data.chi2(result.predictions).values()):
                chi2[rows, column] = values
    if keep_predictions:
        save_points(
            path, points, Theory(predictions, ckm, reason), theory.observables, data, description
        )
    else:
        _save(path, points, ckm, reason, theory.observables, data, description, chi2=chi2)
    shutil.rmtree(folder, ignore_errors=True)
    failed = int(np.sum(reason == "ckm"))
    errors = int(np.sum(reason != "")) - failed
    return {"points": n, "found": found, "ckm": failed, "errors": errors}


def save_points(
    path: str | Path,
    points: np.ndarray,
    result: Theory,
    observables: list,
    data: Likelihood,
    description: dict,
) -> None:
    """Write predictions at points as a chunk file, with their chi2 if the observables are all.

    Parameters as for `write_points`; ``result`` has the predictions of the ``observables``.
    """
    arrays = {"predictions": result.predictions}
    if list(observables) == data.observables:
        arrays["chi2"] = np.stack(list(data.chi2(result.predictions).values()), axis=1)
    _save(path, points, result.ckm, result.reason, observables, data, description, **arrays)


def _save(
    path: str | Path,
    points: np.ndarray,
    ckm: np.ndarray,
    reason: np.ndarray,
    observables: list,
    data: Likelihood,
    description: dict,
    **arrays: np.ndarray,
) -> None:
    with store.create(
        path,
        content=_CHUNK,
        theory=description,
        theory_digest=store.digest(description),
        likelihood_digest=data.digest,
        categories=[*data.categories, categories.GLOBAL],
        observables=categories.dump_observables(observables),
    ) as file:
        for name, values in {"points": points, "ckm": ckm, **arrays}.items():
            store.write_array(file, name, values)
        _write_reason(file, reason)


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
                part["reason"][i] in ("", "ckm")
                and (row := rows.pop(point.tobytes(), None)) is not None
            ):
                predictions[row], ckm[row] = part["predictions"][i], part["ckm"][i]
                reason[row] = part["reason"][i]
    return np.array(sorted(rows.values()), dtype=int)


def _write_reason(file: h5py.File, reason: np.ndarray) -> None:
    """Messages as any HDF5 string can hold them: a message must not cost the chunk."""
    texts = [
        str(text).replace("\0", " ").encode("ascii", "backslashreplace").decode() for text in reason
    ]
    file.create_dataset("reason", data=texts, dtype=h5py.string_dtype(), track_times=False)


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
            name: file[name][:] for name in ("points", "chi2", "ckm", "predictions") if name in file
        }
        result["reason"] = file["reason"].asstr()[:]
        result["likelihood"] = file.attrs["likelihood_digest"]
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
        Theory that each must have been made from.
    data : Likelihood

    Returns
    -------
    dict
        ``points``, ``chi2`` (n, categories and global), ``ckm``, ``reason`` and, if they were
        kept, ``predictions``.

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
        if [name for part in parts for name in part["observables"]] != data.observables:
            raise store.StoreError(f"{paths[0]}: made for other observables; {store.REMEDY}")
        predictions = np.concatenate([part["predictions"] for part in parts], axis=1)
        predictions[result["reason"] != ""] = np.nan
        chi2 = np.stack(list(data.chi2(predictions).values()), axis=1)
        result |= {"predictions": predictions, "chi2": chi2}
    elif result["likelihood"] != data.digest:
        raise store.StoreError(f"{paths[0]}: made with other data; {store.REMEDY}")
    return {k: result[k] for k in ("points", "chi2", "ckm", "reason", "predictions") if k in result}


def select_points(
    points: np.ndarray, chunks: list[tuple[list, int, int]], layers: list[dict], data: Likelihood
) -> Theory:
    """Predictions of points that chunk files hold.

    Raises
    ------
    malaphoric.store.StoreError
        If a point is in none of them.
    """
    rows = {np.ascontiguousarray(point).tobytes(): row for row, point in enumerate(points)}
    n = len(points)
    theory = Theory(np.empty((n, len(data.observables))), np.empty((n, 4)), np.empty(n, object))
    for paths, _, _ in chunks:
        part = read_points(paths, layers, data)
        for i, point in enumerate(part["points"]):
            if (row := rows.pop(point.tobytes(), None)) is not None:
                theory.predictions[row], theory.ckm[row] = part["predictions"][i], part["ckm"][i]
                theory.reason[row] = part["reason"][i]
        if not rows:
            return theory
    raise store.StoreError(f"points {sorted(rows.values())} are in no chunk")


def merge(
    path: str | Path,
    grid: Grid,
    chunks: list[tuple[list, int, int]],
    layers: list[dict],
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
    chunks : list of (paths, start, stop)
        Files, one a layer, and the ranges of points they must hold, in order.
    layers : list of dict
        What the theory of the files was made from.
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
        theory=layers[-1],
        theory_digest=store.digest(layers[-1]),
        model=layers[-1]["model"],
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
        for i, part in enumerate(_slabs(grid, chunks, layers, data, slab)):
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
    grid: Grid, chunks: list[tuple[list, int, int]], layers: list[dict], data: Likelihood, size: int
) -> Iterator[dict[str, np.ndarray]]:
    """Regroup the chunks' points into slabs of `size` points; never holds more than a few."""
    keys = ("points", "chi2", "ckm", "reason")
    rest = None
    position = 0
    for paths, start, stop in chunks:
        if start != position:
            raise store.StoreError(f"{paths[0]}: starts at point {start} where {position} is next")
        position = stop
        part = read_points(paths, layers, data)
        if not np.array_equal(part["points"], grid.points(start, stop)):
            raise store.StoreError(
                f"{paths[0]}: holds other points than {start}-{stop} of the grid; {store.REMEDY}"
            )
        rest = part if rest is None else {k: np.concatenate([rest[k], part[k]]) for k in keys}
        while len(rest["points"]) >= size:
            yield {k: rest[k][:size] for k in keys}
            rest = {k: rest[k][size:] for k in keys}
    if position != grid.size:
        raise store.StoreError(f"the chunks hold {position} of {grid.size} points")
