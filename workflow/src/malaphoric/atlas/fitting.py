"""Best fits of many models, unmixed and with all parameters free, and files of them.

Which models there are is in `flavour`, their order in `ranking`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from malaphoric import store
from malaphoric.atlas.flavour import Models
from malaphoric.data.categories import GLOBAL
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines.compiled import Table
from malaphoric.engines.loading import ModelLikelihood, load_engine
from malaphoric.inference import box, c9, fits
from malaphoric.inference.results import Fit
from malaphoric.inference.statistics import summary
from malaphoric.physics import facts

#: Fits of every model, by what they hold fixed; models are ranked by the last.
FITS: fits.Fixed = {"unmixed": {"epsilon_hat": 0.0}, "mixed": {}}

#: Parameters of every model.
PARAMETERS = ("epsilon_hat", "g_hat", "theta_sb")

#: Coefficients of b → s l l that are said of every fit.
COEFFICIENTS = ("C9_bsee", "C9_bsmumu", "C10_bsee", "C10_bsmumu")

#: What is said of every fit, and by what it is counted; "category": those that count, and "global".
COLUMNS: dict[str, tuple[str, ...]] = {
    "values": PARAMETERS,
    "errors": PARAMETERS,
    "at_limit": PARAMETERS,
    "chi2": ("category",),
    "dchi2": ("category",),
    "coefficients": COEFFICIENTS,
    "AIC": (),
    "p_value": (),
    "width_over_mass": (),
    "perturbative": (),
    "converged": (),
}

_CONTENT = "malaphoric fits of models"

# Random points that are looked at, and how many of them are followed down: more of both have found
# no lower minimum, see docs/atlas.md.
_LOOKS, _FOLLOWED = 512, 5


@dataclass(frozen=True, eq=False)
class Fitted:
    """What was found for models.

    Attributes
    ----------
    models : Models
    categories : list of str
        Those that count, and "global".
    reason : ndarray of str, shape (n,)
        Why a model has no fit; else empty.
    columns : dict of str to ndarray, shape (n, ...)
        By ``<fit>/<column>``, of `FITS` and `COLUMNS`; yes is 1 and no is 0; NaN where there is
        no fit, and for errors of parameters that chi2 does not depend on.
    """

    models: Models
    categories: list[str]
    reason: np.ndarray
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.reason)

    @classmethod
    def empty(cls, models: Models, categories: list[str]) -> Fitted:
        """Nothing known yet."""
        every = [*categories, GLOBAL]
        columns = {}
        for fit in FITS:
            for name, counted in COLUMNS.items():
                number = [len(every if counted == ("category",) else counted)] if counted else []
                columns[f"{fit}/{name}"] = np.full((len(models), *number), np.nan)
        return cls(models, every, np.full(len(models), "", dtype=object), columns)

    def taken(self, rows: np.ndarray) -> Fitted:
        """Some of the models, in another order."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return Fitted(self.models.taken(rows), self.categories, self.reason[rows], columns)

    def save(self, path: str | Path, **attributes: Any) -> None:
        """Write an HDF5 file: ``charges``, ``higgs``, ``reason`` and a group for each fit."""
        counted = {name: list(x) for name, x in COLUMNS.items()}
        size = sum(x.nbytes for x in self.columns.values()) + 1024 * len(self)
        about = {"content": _CONTENT, "categories": self.categories, "columns": counted}
        with store.create(path, size=size, **about, **attributes) as file:
            store.write_array(file, "charges", self.models.charges)
            store.write_array(file, "higgs", self.models.higgs)
            for name, values in self.columns.items():
                store.write_array(file, name, values)
            text = h5py.string_dtype()
            file.create_dataset("reason", data=self.reason, dtype=text, track_times=False)

    @classmethod
    def load(cls, path: str | Path, recipe: str | None = None) -> Fitted:
        """Read such a file.

        Raises
        ------
        StoreError
            If it is damaged or foreign, or does not have the mark of the recipe.
        """
        with store.read(path) as file:
            if file.attrs.get("content") != _CONTENT:
                raise store.StoreError(f"{path}: has no fits of models; {store.REMEDY}")
            if recipe is not None and file.attrs.get("recipe") != recipe:
                raise store.StoreError(f"{path}: made by another recipe; {store.REMEDY}")
            columns = {f"{fit}/{name}": file[fit][name][:] for fit in FITS for name in COLUMNS}
            models = Models(file["charges"][:], file["higgs"][:])
            categories = store.parse(file.attrs["categories"])
            return cls(models, categories, file["reason"].asstr()[:], columns)


def fitted(
    models: Models, M_X: float, data: Likelihood, progress: Callable[[int], None] = lambda _: None
) -> Fitted:
    """Fit models; one that fails is recorded with its reason.

    Parameters
    ----------
    models : Models
    M_X : float
        Mass of the X boson in GeV.
    data : Likelihood
        Of the categories that count.
    progress : callable
        Told how many are done.

    Raises
    ------
    StoreError
        If the compiled engine's table cannot be read.
    """
    result = Fitted.empty(models, list(data.categories))
    Table.load()  # what is wrong with it is wrong with no model
    for row in range(len(models)):
        try:
            own = models.model(row)
            likelihood = ModelLikelihood(own, M_X, load_engine(own, "compiled", M_X), data)
            found = best_fits(likelihood)
            for name, fit in found.items():
                for column, values in _described(likelihood, fit).items():
                    result.columns[f"{name}/{column}"][row] = values
            missing = [name for name in FITS if name not in found]
            result.reason[row] = f"no valid point: {', '.join(missing)}" if missing else ""
        except (MemoryError, store.StoreError):  # no property of a model
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {error}".replace("\0", " ")
            result.reason[row] = said.encode("ascii", "backslashreplace").decode()
        progress(row + 1)
    return result


def best_fits(likelihood: ModelLikelihood) -> dict[str, Fit]:
    """Best fits of a model in all that is physical, by `FITS`; without one that no point has.

    Parameters
    ----------
    likelihood : ModelLikelihood
        With the compiled engine.
    """
    wide, about = box.physical(likelihood), likelihood.model.records
    result: dict[str, Fit] = {}
    for name, held in FITS.items():
        inner = {**wide, **{key: (x, x) for key, x in held.items()}}
        lowest = box.minima(likelihood.chi2_of_few, inner, _LOOKS, _FOLLOWED)[:1]
        starts = [*box.named(lowest, inner), *(fit.values for fit in result.values())]
        if found := fits.minimise(starts, inner, likelihood.chi2_of_few, about=about):
            result[name] = summary(found, likelihood.chi2_sm, likelihood.n_obs)
    return result


def _described(likelihood: ModelLikelihood, fit: Fit) -> dict[str, Any]:
    """`COLUMNS` of a fit."""
    engine, M_X = likelihood.engine, likelihood.M_X
    point = np.array([[fit.values[name] for name in PARAMETERS]])
    ckm = engine.evaluate(point).ckm
    (place,) = c9.at(engine, point, ckm, COEFFICIENTS)  # type: ignore[arg-type]
    boson = facts.boson(likelihood.model, M_X, fit.values)  # type: ignore[arg-type]
    numbers = {
        "AIC": fit.AIC,
        "p_value": fit.p_value,
        "width_over_mass": boson["width_over_mass"],
        "perturbative": bool(boson["perturbative"]),  # at |epsilon| = 1 there is no Z'
    }
    return {
        "values": point[0],
        "errors": [fit.errors.get(name, np.nan) for name in PARAMETERS],
        "at_limit": [name in fit.at_limit for name in PARAMETERS],
        "chi2": list(fit.chi2.values()),
        "dchi2": list(fit.dchi2.values()),
        "coefficients": list(place.values()),
        "converged": fit.valid,
        **{name: np.nan if x is None else x for name, x in numbers.items()},
    }
