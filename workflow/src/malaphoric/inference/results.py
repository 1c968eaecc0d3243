"""What scans and fits find: small classes, and how JSON has them.

Nothing is computed here: `statistics` and `fits` make them, reports read them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from malaphoric import store
from malaphoric.data.categories import GLOBAL
from malaphoric.physics.parameters import HATTED

#: How a fit was found that has errors.
MINIMISED = "minimised with iminuit"

#: Sentences that readers must know, and below which kinds of figures and tables each stands: some
#: of `SHOWN`, none if it says nothing of what is drawn there.
Notes = dict[str, tuple[str, ...]]

#: Figure 2; regions in other planes, and maps of them; profiles; planes of C9; pulls; Table 4.
SHOWN = ("fig2", "regions", "profiles", "c9", "pulls", "table4")

#: What the unmixed fit holds fixed.
UNMIXED = {"epsilon_hat": 0.0}

_OF_MINUIT = ("errors", "correlations", "undetermined", "valid", "at_limit")


@dataclass(frozen=True)
class Minimum:
    """A point at which chi2 is smallest, on a grid or nearby.

    Attributes
    ----------
    values : dict of str to float
        By parameter.
    chi2 : dict of str to float
        By category and "global".
    at_limit : list of str or None
        Parameters at a limit of the box; None of points of a grid.
    """

    values: dict[str, float]
    chi2: dict[str, float]
    at_limit: list[str] | None = None

    def as_dict(self) -> dict:
        """Plain data: the values, chi2 and, where it is known, at_limit."""
        known = {} if self.at_limit is None else {"at_limit": self.at_limit}
        return {**self.values, "chi2": self.chi2, **known}

    @classmethod
    def from_dict(cls, data: dict) -> Minimum:
        """The inverse of `as_dict`."""
        return cls(**_with_values(cls, data))


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A best fit: where it is, how well that is known, and how good it is.

    Attributes
    ----------
    method : str
        How it was found; empty for the Standard Model.
    values : dict of str to float
        By parameter.
    errors : dict of str to float
        Of the parameters that chi2 depends on, if it was minimised; NaN where there is none.
    correlations : dict of str to float
        The same by pairs, ``a,b``.
    undetermined : list of str
        Parameters that chi2 does not depend on.
    valid : bool
        False if a minimiser did not converge.
    at_limit : list of str
        Parameters at a limit of the box: errors and Wilks' theorem do not hold for them.
    other_minima : list of Minimum
        Those of chi2 less than 4 above.
    chi2, dchi2 : dict of str to float
        By category and "global"; dchi2 = chi2_SM - chi2.
    parameters : int
        Number of those that were fitted.
    dof : int or None
        Degrees of freedom; None where data were ignored: then there are no p-values.
    AIC, BIC : float or None
        Information criteria of Akaike and Bayes.
    p_value : float or None
        Of the fit; None without a degree of freedom.
    p_value_over : dict of str to float
        Of the improvement over each fit that is nested in it.
    Zprime : dict or None
        Mass in GeV and couplings of the physical boson, see `smeft.zprime`.
    C9 : dict of str to float or None
        Coefficients of `c9.PLANES`.
    """

    method: str = ""
    values: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    correlations: dict[str, float] = field(default_factory=dict)
    undetermined: list[str] = field(default_factory=list)
    valid: bool = True
    at_limit: list[str] = field(default_factory=list)
    other_minima: list[Minimum] = field(default_factory=list)
    chi2: dict[str, float] = field(default_factory=dict)
    dchi2: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    dof: int | None = None
    AIC: float | None = None
    BIC: float | None = None
    p_value: float | None = None
    p_value_over: dict[str, float] = field(default_factory=dict)
    Zprime: dict[str, float | None] | None = None
    C9: dict[str, float] | None = None

    @property
    def minimised(self) -> bool:
        """Whether chi2 was minimised between the nodes of a grid."""
        return self.method == MINIMISED

    def determines(self, names: Iterable[str]) -> bool:
        """Whether it is a minimum, and chi2 depends on the named parameters there."""
        return self.valid and not set(names) & set(self.undetermined)

    def as_dict(self) -> dict:
        """Plain data in the order of the attributes, without what such a fit does not have."""
        whole = self.dof is not None
        has = {name: self.minimised for name in _OF_MINUIT}
        has |= {"method": bool(self.method), "other_minima": self.minimised and whole}
        has["p_value_over"] = bool(self.method) and whole
        result: dict = {}
        for name, value in vars(self).items():
            if name == "values":
                result |= value
            elif has.get(name, value is not None):
                result[name] = value
        if "other_minima" in result:
            result["other_minima"] = [other.as_dict() for other in self.other_minima]
        return result

    @classmethod
    def from_dict(cls, data: dict) -> Fit:
        """The inverse of `as_dict`, also after JSON, which has null for NaN."""
        found = _with_values(cls, data)
        for name in ("errors", "correlations"):
            known = found.get(name, {}).items()
            found[name] = {key: np.nan if value is None else value for key, value in known}
        found["other_minima"] = list(map(Minimum.from_dict, found.get("other_minima", ())))
        return cls(**found)


def _with_values(cls: type, data: dict) -> dict:
    """Attributes of a class whose values by parameter stand beside the others."""
    own = {attribute.name for attribute in fields(cls)}
    values = {key: value for key, value in data.items() if key not in own}
    return {**{key: value for key, value in data.items() if key in own}, "values": values}


@dataclass(frozen=True, eq=False)
class Curve:
    """The profile of a parameter, where it is known.

    Attributes
    ----------
    values, chi2 : ndarray, shape (n,)
        Ordered by the values of the parameter.
    points : ndarray, shape (n, n_parameters)
        Where it was minimised; empty if that is not known.
    """

    values: np.ndarray
    chi2: np.ndarray
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    def as_dict(self) -> dict[str, list[float]]:
        """Plain data: values and chi2."""
        return {"values": self.values.tolist(), "chi2": self.chi2.tolist()}

    @classmethod
    def from_dict(cls, data: dict) -> Curve:
        """The inverse of `as_dict`."""
        return cls(np.array(data["values"]), np.array(data["chi2"]))


@dataclass(frozen=True, kw_only=True)
class Fits:
    """Best fits of a run, and what they say: of a ``best_fit.json`` what others read.

    Attributes
    ----------
    held : dict of str to dict of str to float
        By the name of each fit the values of the parameters that it holds fixed, in the order of
        `configuration.Configuration.fits`.
    fixed : dict of str to float
        Values of the parameters that no fit varies, because the run has one value of them.
    SM : Fit
        The Standard Model.
    found : dict of str to Fit
        By name, in the same order; without those that no valid point belongs to.
    without_LEP2 : Fit or None
        The main fit of all other data.
    notes : dict of str to tuple of str
        `Notes` on the fits.
    intervals : dict
        By parameter and confidence level, from `statistics.all_intervals`.
    profiles : dict of str to Curve
        By parameter.
    """

    held: dict[str, dict[str, float]] = field(default_factory=dict)
    fixed: dict[str, float] = field(default_factory=dict)
    SM: Fit = field(default_factory=Fit)
    found: dict[str, Fit] = field(default_factory=dict)
    without_LEP2: Fit | None = None
    notes: Notes = field(default_factory=dict)
    intervals: dict[str, dict[str, list]] = field(default_factory=dict)
    profiles: dict[str, Curve] = field(default_factory=dict)

    def notes_below(self, kind: str) -> list[str]:
        """Sentences that stand below a kind of figure or table, one of `SHOWN`."""
        return [note for note, kinds in self.notes.items() if kind in kinds]

    @property
    def main(self) -> Fit | None:
        """The fit that holds nothing fixed; None without one."""
        return self._holding({})

    @property
    def unmixed(self) -> Fit | None:
        """The fit that holds epsilon_hat = 0 and nothing else; None without one."""
        return self._holding(UNMIXED)

    def _holding(self, held: dict[str, float]) -> Fit | None:
        return next((fit for name, fit in self.found.items() if self.held[name] == held), None)

    def nested_in(self, name: str) -> list[str]:
        """Fits that hold fixed what the named one does, and more; ``SM`` where no coupling is."""
        held = self.held[name]
        values = {**self.fixed, **held}
        sm = ["SM"] if all(values.get(coupling, 0) == 0 for coupling in HATTED) else []
        return [*sm, *(other for other, more in self.held.items() if held.items() < more.items())]

    def known_in(self, name: str) -> dict[str, Fit]:
        """By name, those of `nested_in` that there are."""
        every = {"SM": self.SM, **self.found}
        return {other: every[other] for other in self.nested_in(name) if other in every}

    def points(self, names: Iterable[str]) -> np.ndarray:
        """Points of the fits, shape (n, n_parameters), by the named columns."""
        columns = list(names)
        rows = [[fit.values[name] for name in columns] for fit in self.found.values()]
        return np.array(rows).reshape(-1, len(columns))

    def as_dict(self) -> dict:
        """Plain data, as the first keys of a ``best_fit.json``."""
        fits: dict[str, Fit | None] = {"SM": self.SM}
        fits |= {name: self.found.get(name) for name in self.held}
        if self.without_LEP2:
            fits[_key_without_lep2(self.held)] = self.without_LEP2
        return {
            **{name: fit.as_dict() if fit else None for name, fit in fits.items()},
            "fits": self.held,
            "fixed": self.fixed,
            "notes": self.notes,
            "intervals": self.intervals,
            "profiles": {name: curve.as_dict() for name, curve in self.profiles.items()},
        }

    @classmethod
    def from_dict(cls, data: dict) -> Fits:
        """The inverse of `as_dict`; other keys are passed over."""
        held = data["fits"]
        other = data.get(_key_without_lep2(held))
        return cls(
            held=held,
            fixed=data.get("fixed", {}),  # which older files do not have
            SM=Fit.from_dict(data["SM"]),
            found={name: Fit.from_dict(data[name]) for name in held if data[name]},
            without_LEP2=Fit.from_dict(other) if other else None,
            notes=data["notes"],
            intervals=data["intervals"],
            profiles={name: Curve.from_dict(x) for name, x in data["profiles"].items()},
        )

    @classmethod
    def read(cls, path: str | Path) -> Fits:
        """Read a ``best_fit.json``.

        Raises
        ------
        StoreError
            If it is no JSON.
        """
        return cls.from_dict(store.parse(Path(path).read_text(encoding="utf-8")))


def _key_without_lep2(held: dict[str, dict[str, float]]) -> str:
    """The name in JSON of the main fit that ignores LEP2."""
    return f"{next((name for name, own in held.items() if not own), '')}_without_LEP2"


@dataclass(frozen=True, kw_only=True)
class ScanResult:
    """What a stored scan says by itself: a ``best_grid.json``, where fits start.

    Attributes
    ----------
    all : dict of str to Minimum
        By category, the best physical point.
    fits : dict of str to Minimum
        By the name of a fit that holds parameters fixed at values of the grid, its best point.
    lines : dict of str to list
        By parameter of the grid, where its global profile is, shape (n, n_parameters).
    unmixed_edges : list of (str, float, float)
        Parameter, value and smallest global chi2 above the minimum, at the edges of the part with
        epsilon_hat = 0.
    minimum : float or None
        Of the global profile in the first plane.
    columns : list of str
        Those of the lines: parameters of the grid, then those that were profiled.
    steps : dict of str to float
        Of the axes.
    census : dict of str to int
        Numbers of points: all, physical ones, and of these those that failed, and why.
    notes : dict of str to tuple of str
        `Notes` on the scan.
    """

    all: dict[str, Minimum] = field(default_factory=dict)
    fits: dict[str, Minimum] = field(default_factory=dict)
    lines: dict[str, list[list[float]]] = field(default_factory=dict)
    unmixed_edges: list[tuple[str, float, float]] = field(default_factory=list)
    minimum: float | None = None
    columns: list[str] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)
    census: dict[str, int] = field(default_factory=dict)
    notes: Notes = field(default_factory=dict)

    @property
    def best(self) -> Minimum | None:
        """The best point of all data; None without one."""
        return self.all.get(GLOBAL)

    def as_dict(self) -> dict:
        """Plain data in the order of the attributes."""
        points = {name: getattr(self, name) for name in ("all", "fits")}
        return vars(self) | {
            name: {key: point.as_dict() for key, point in found.items()}
            for name, found in points.items()
        }

    @classmethod
    def read(cls, path: str | Path) -> ScanResult:
        """Read a ``best_grid.json``.

        Raises
        ------
        StoreError
            If it is no JSON.
        """
        data = store.parse(Path(path).read_text(encoding="utf-8"))
        found = {attribute.name: data[attribute.name] for attribute in fields(cls)}
        for name in ("all", "fits"):
            found[name] = {key: Minimum.from_dict(x) for key, x in found[name].items()}
        return cls(**found)
