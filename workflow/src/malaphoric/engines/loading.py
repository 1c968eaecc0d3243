"""Which engine predicts, and an engine together with the data: the likelihood of a model.

The engines are in `exact` and `compiled`, the data in `likelihood`, files of points in `chunks`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from malaphoric import arithmetic, store
from malaphoric.arithmetic import BLOCK
from malaphoric.data import categories
from malaphoric.data.categories import observable_tuple
from malaphoric.data.likelihood import Likelihood
from malaphoric.data.measurements import make_likelihood
from malaphoric.data.theory import shipped
from malaphoric.engines.basis import parameters
from malaphoric.engines.compiled import check_table
from malaphoric.engines.protocol import Engine, Evaluation, weigh
from malaphoric.physics.model import Model
from malaphoric.physics.parameters import MASS
from malaphoric.schema import ConfigurationError, validate

if TYPE_CHECKING:
    from malaphoric.engines.compiled import CompiledEngine
    from malaphoric.engines.exact import ExactEngine

# points that a fit asks for at a time, at most; fewer are rounded up to a power of two
_SOME = 256


class ModelLikelihood:
    """Likelihood of one model as a function of its parameters.

    Attributes
    ----------
    model : Model
    M_X : float or None
        In GeV; None where it is a parameter.
    parameters : tuple of str
        Names of the columns of points: the model's parameters (angles and phases in rad), and
        "M_X" in GeV where it is one of them.
    observables : list
        flavio observables, the columns of `predictions`.
    chi2_sm : dict of str to float
        chi2 of the Standard Model by category, and "global".
    n_obs : dict of str to int
        Number of observations by category, and "global".
    """

    def __init__(self, model: Model, M_X: float | None, engine: Engine, data: Likelihood) -> None:
        if list(engine.observables) != list(data.observables):
            raise store.StoreError("data: made for other observables than the engine has")
        self.model, self.engine, self.data = model, engine, data
        self.M_X = None if M_X is None else float(M_X)
        self.parameters = parameters(model, M_X)
        self.observables = list(data.observables)
        self.chi2_sm, self.n_obs = data.chi2_sm, data.n_obs

    def predictions(self, points: np.ndarray) -> np.ndarray:
        """Predictions at points (n, n_parameters), shape (n, n_observables); NaN where none are."""
        return self.engine.evaluate(self._columns(points)).predictions

    def chi2(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """chi2 by category and "global" at points.

        Parameters
        ----------
        points : array_like, shape (n, n_parameters)
            The `parameters`.

        Returns
        -------
        dict of str to ndarray, shape (n,)
            NaN where a point cannot be computed: the CKM extraction fails there, or a
            coordinate is not finite.
        """
        return weigh(self.engine, self.data, self._columns(points))[0]

    def log_likelihood(self, x: np.ndarray) -> float | np.ndarray:
        """-chi2/2 for samplers and minimisers: log of the likelihood, up to a constant.

        Parameters
        ----------
        x : array_like, shape (n_parameters,) or (n, n_parameters)
            One point or many.

        Returns
        -------
        float, or ndarray of shape (n,)
            -inf where a point cannot be computed.
        """
        points = self._columns(x)
        quick = self.chi2_of_few if len(points) <= _SOME else self.chi2
        chi2 = quick(points)[categories.GLOBAL]
        result = np.where(np.isfinite(chi2), -chi2 / 2, -np.inf)
        return float(result[0]) if np.ndim(x) == 1 else result

    def _columns(self, points: np.ndarray) -> np.ndarray:
        points = np.atleast_2d(np.asarray(points, dtype=float))
        if points.ndim != 2 or points.shape[1] != len(self.parameters):
            raise ValueError(
                f"points: shape {points.shape}; accepted: (n, {len(self.parameters)}), of "
                f"{', '.join(self.parameters)}"
            )
        return points

    def chi2_of_few(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """As `chi2` of the compiled engine, quick for the few points of a fit; other last bits."""
        size = block_of(len(points), _SOME)
        predictions = self.engine.evaluate(points, block=size).predictions
        return self.data.chi2(predictions, size)


def block_of(n: int, most: int = BLOCK) -> int:
    """How many points are best evaluated together where n are asked for: a power of two."""
    return min(most, 1 << (n - 1).bit_length())


def load_likelihood(
    model: Model | str,
    engine: str = "compiled",
    M_X: float | None = 3000.0,
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
    M_X : float or None
        Mass of the X boson in GeV; None makes it a parameter, the last.
    categories : tuple of str, optional
        Categories that count (default: all four).
    smeft_accuracy : {"leadinglog", "integrate"}
        Accuracy of the SMEFT running.
    lep2_set : {"paper", "full"}
        148 or 153 entries of LEP2.
    data : path, optional
        A ``likelihood.h5`` of a run (default: the one that the paper's data make).

    Returns
    -------
    ModelLikelihood

    Raises
    ------
    malaphoric.schema.ConfigurationError
        If an argument is not accepted, as in a run configuration.
    malaphoric.store.StoreError
        If ``data`` cannot be read, or the compiled engine's table is of other versions.

    Warns
    -----
    UserWarning
        If numpy was imported before malaphoric, see `malaphoric.arithmetic`.
    """
    arithmetic.warn_if_late()
    settings: dict[str, Any] = {"engine": engine, "smeft_accuracy": smeft_accuracy}
    settings["lep2_set"] = lep2_set
    settings |= {} if M_X is None else {"parameters": {MASS: M_X}}
    settings |= {} if categories is None else {"categories": list(categories)}
    validate(settings, "config", "load_likelihood", partial=True)
    if engine == "compiled":
        check_table()
    model = model if isinstance(model, Model) else Model.load(model)
    if data is None:
        likelihood = _papers_data(lep2_set).of(categories)
    else:
        likelihood = Likelihood.load(data, categories)
    made = engine_of(likelihood.observables, model, engine, M_X, smeft_accuracy)
    return ModelLikelihood(model, M_X, made, likelihood)


@cache
def _papers_data(lep2_set: str) -> Likelihood:
    """Read once per process: the next model costs its running alone."""
    return make_likelihood(lep2_set=lep2_set)


class Joined:
    """Engines of different observables at the same points, as one engine.

    Parameters
    ----------
    engines : list of ExactEngine or CompiledEngine
        Of one model at one mass.
    observables : list, optional
        Those of their observables that are wanted (default: all, in their order).
    """

    def __init__(self, engines: list, observables: list | None = None) -> None:
        self.engines = engines
        every = [name for engine in engines for name in engine.observables]
        self.observables = every if observables is None else list(observables)
        place = {name: column for column, name in enumerate(self.observables)}
        self._columns = []  # of each engine: those that are wanted, and where
        for engine in engines:
            own = [i for i, name in enumerate(engine.observables) if name in place]
            self._columns.append((own, [place[engine.observables[i]] for i in own]))

    def evaluate(
        self,
        points: np.ndarray,
        progress: Callable[[int], None] | None = None,
        block: int = BLOCK,
        ckm: np.ndarray | None = None,
    ) -> Evaluation:
        """As `CompiledEngine.evaluate`."""
        first, *others = self.engines
        found = first.evaluate(points, block=block, ckm=ckm)
        every = [found, *(other.evaluate(points, block=block, ckm=found.ckm) for other in others)]
        predictions = np.empty((len(self.observables), len(found.ckm)))  # rows are quick to fill
        for part, (own, where) in zip(every, self._columns, strict=True):
            predictions[where] = part.predictions.T[own]
            found.reason = np.where(found.reason == "", part.reason, found.reason)
        predictions[:, found.reason != ""] = np.nan
        found.predictions = predictions.T
        if progress:
            progress(len(predictions.T))
        return found

    def extract(self, points: np.ndarray) -> Evaluation:
        """As `CompiledEngine.extract`."""
        return self.engines[0].extract(points)

    def of(self, observables: Iterable) -> Joined:
        """As `CompiledEngine.of`."""
        wanted = set(observables)
        return Joined([engine.of(wanted) for engine in self.engines], self.observables)

    def coefficients(self, *about: object) -> np.ndarray:
        """As `CompiledEngine.coefficients`."""
        return self.engines[0].coefficients(*about)


def exact_engine(settings: dict) -> ExactEngine:
    """The exact engine of a job: of its additional observables alone, if there are any."""
    from malaphoric.engines.exact import ExactEngine

    extra = list(map(observable_tuple, settings["extra"]))
    setting = (Model.of(settings["model"]), settings["M_X"], settings["smeft_accuracy"])
    return ExactEngine(*setting, extra or None)


def compiled_engine(settings: dict, given: Any) -> CompiledEngine | Joined:
    """The compiled engine of a job, from its files, with the additional observables if any.

    Parameters
    ----------
    settings : dict
        Of the job; its ``extra`` are the additional observables.
    given : object
        Of Snakemake, with the paths ``running`` and, if needed, ``extra_running`` and
        ``extra_table``, the last if the package has no table of them.
    """
    from malaphoric.engines.compiled import EXTRA, CompiledEngine, Running, Table

    engine = CompiledEngine(Table.load(), Running.load(given.running))
    if not settings["extra"]:
        return engine
    table = Table.load(given.get("extra_table") or EXTRA)
    more = CompiledEngine(table, Running.load(given.extra_running))
    wanted = map(observable_tuple, settings["extra"])
    return Joined([engine, more], [*engine.observables, *wanted])


def engine_of(
    observables: list,
    model: Model,
    engine: str,
    M_X: float | None,
    smeft_accuracy: str = "leadinglog",
    running: str | Path | None = None,
    table: str | Path | None = None,
) -> Engine:
    """The engine of all observables of a likelihood: smelli's, then additional ones.

    Parameters as for `load_engine`; ``table`` is that of the additional observables.
    """
    first = load_engine(model, engine, M_X, smeft_accuracy, running)
    if not (more := observables[len(first.observables) :]):
        return first
    setting = (model, engine, M_X, smeft_accuracy)
    return Joined([first, load_engine(*setting, additional=more, table=table)], observables)


def load_engine(
    model: Model,
    engine: str,
    M_X: float | None,
    smeft_accuracy: str = "leadinglog",
    running: str | Path | None = None,
    additional: list | None = None,
    table: str | Path | None = None,
) -> Engine:
    """The engine of a model.

    Parameters
    ----------
    model : Model
    engine : {"exact", "compiled"}
    M_X : float or None
        Mass of the X boson in GeV; None where it is a parameter.
    smeft_accuracy : {"leadinglog", "integrate"}
    running : path, optional
        For the compiled engine: stored running of the model's coefficients (default: made now).
    additional : list, optional
        Only these observables, which the categories do not have by themselves; the compiled engine
        has all those of their table.
    table : path, optional
        For the compiled engine: their stored table (default: that of the package if it has them,
        or made now).

    Raises
    ------
    malaphoric.schema.ConfigurationError
        If the engine is unknown.
    """
    if engine == "exact":
        from malaphoric.engines.exact import ExactEngine

        return ExactEngine(model, M_X, smeft_accuracy, additional)
    if engine == "compiled":
        from malaphoric.engines.compiled import EXTRA, CompiledEngine, Running, Table

        if additional and table is None and set(additional) <= set(shipped()):
            table = EXTRA
        if additional and table is None:
            from malaphoric.engines import compiling

            with tempfile.TemporaryDirectory() as folder:
                compiling.compile_extra(additional, Path(folder) / "table.h5")
                loaded = Table.load(Path(folder) / "table.h5")
        else:
            loaded = Table.load(table)
        if running is None:
            from malaphoric.engines.running import run

            return CompiledEngine(loaded, run(model, M_X, smeft_accuracy, loaded))
        return CompiledEngine(loaded, Running.load(running))
    raise ConfigurationError(f"engine: {engine!r} is not accepted; accepted: exact, compiled")
