"""The theory's uncertainty of additional observables, and how it goes with that of smelli's.

smelli's covariance of its own observables comes with it and stays as it is. What additional ones
have in common with them is found from draws of flavio's parameters, for which both are predicted:
those of smelli's ship with the package (`make table` remakes them), with the parameters. Draws of
measurements are the matter of `measurements`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from malaphoric import store
from malaphoric.data import categories, lep2, predicting
from malaphoric.data.categories import AVERAGED, Observable
from malaphoric.schema import ConfigurationError

_CONTENT, _FORMAT = "malaphoric draws of the theory", 1

#: Draws of smelli's averaged observables with their parameters, and of additional ones: what ships.
PACKAGED, EXTRA = (Path(__file__).parent / f"{name}.h5" for name in ("theory", "extra"))

#: Which observables `EXTRA` has.
ADDITIONAL = Path(__file__).parent / "additional.yml"

#: Draws are made in parts, one job each; the seed is not that of the measurements' draws.
PARTS, _DRAWS, _SEED = 10, 25, 1

#: Points on [-1, 1] and weights of Gauss's rule, for the integrals over q² in draws: flavio's
#: adaptive integration takes five times as long.
_RULE = tuple(x.tolist() for x in np.polynomial.legendre.leggauss(16))

#: What an observable follows is told from noise by so many standard deviations: among 300
#: observables one of fifty sets of pure noise has such a correlation.
_SIGNIFICANT = 4.0

#: Sizes, relative to the largest, that are rounding.
_ROUNDING = 1e-7


@dataclass
class Additional:
    """The theory of additional observables, in terms of smelli's.

    Deviations from the central prediction are ``coefficients @ those of followed`` plus an
    independent rest.

    Attributes
    ----------
    observables : list
    labels : list of str
    sm : ndarray, shape (n,)
        Predictions of the Standard Model, in the observables' units.
    followed : list
        smelli's observables.
    coefficients : ndarray, shape (n, n_followed)
    rest : ndarray, shape (n, n)
        Covariance.
    """

    observables: list
    labels: list[str]
    sm: np.ndarray
    followed: list
    coefficients: np.ndarray
    rest: np.ndarray


@dataclass
class Draws:
    """Predictions of the Standard Model, central and for draws of flavio's parameters.

    Attributes
    ----------
    observables : list
    labels : list of str
        LaTeX, from flavio.
    sm : ndarray, shape (n,)
        For central parameters, in the observables' units; NaN in a part of the draws.
    values : ndarray, shape (n_draws, n)
    parameters : dict of str to ndarray, shape (n_draws,)
        Those that vary; empty where they are those of `PACKAGED`.
    """

    observables: list
    labels: list[str]
    sm: np.ndarray
    values: np.ndarray
    parameters: dict[str, np.ndarray] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write to an HDF5 file."""
        with store.create(
            path,
            content=_CONTENT,
            format=_FORMAT,
            versions=store.versions(),
            observables=categories.dump_observables(self.observables),
            labels=list(self.labels),
            parameters=list(self.parameters),
        ) as file:
            store.write_array(file, "sm", self.sm)
            store.write_array(file, "values", self.values)
            if self.parameters:
                store.write_array(file, "parameters", np.array(list(self.parameters.values())))

    @classmethod
    def load(cls, path: str | Path) -> Draws:
        """Read what `save` wrote.

        Raises
        ------
        malaphoric.store.StoreError
            If the file is damaged or something else, or made with other versions of smelli, flavio
            or wilson than installed.
        """
        with store.read(path) as file:
            store.check_packaged(file, str(path), _CONTENT, _FORMAT)
            names = store.parse(file.attrs["parameters"])
            return cls(
                observables=categories.parse_observables(file.attrs["observables"]),
                labels=store.parse(file.attrs["labels"]),
                sm=file["sm"][:],
                values=file["values"][:],
                parameters=dict(zip(names, file["parameters"][:] if names else [], strict=True)),
            )

    def of(self, observables: list) -> Draws:
        """Some of the observables, or all in another order; with the parameters."""
        place = {name: i for i, name in enumerate(self.observables)}
        columns = [place[name] for name in observables]
        return replace(
            self,
            observables=list(observables),
            labels=[self.labels[i] for i in columns],
            sm=self.sm[columns],
            values=self.values[:, columns],
        )

    def split(self, extra: list) -> tuple[Draws, Draws]:
        """These without, and only, some observables; the latter without the parameters."""
        rest = self.of([name for name in self.observables if name not in extra])
        return rest, replace(self.of(extra), parameters={})


def check() -> None:
    """Refuse the draws that come with the package as `Draws.load` would, in milliseconds.

    Raises
    ------
    malaphoric.store.StoreError
    """
    for path in (PACKAGED, EXTRA):
        with store.read(path) as file:
            store.check_packaged(file, str(path), _CONTENT, _FORMAT)


def shipped() -> list[Observable]:
    """Additional observables whose draws and table come with the package; none while remade."""
    if not EXTRA.exists():
        return []
    with store.read(EXTRA) as file:
        return categories.parse_observables(file.attrs["observables"])


def make_part(observables: list, part: int, progress: Callable[[str], None]) -> Draws:
    """Draw parameters, and predict smelli's averaged observables and others for them (minutes).

    Parameters
    ----------
    observables : list
        Additional observables.
    part : int
        One of `PARTS`: each has parameters of its own.
    progress : callable
        Called with a line of text now and then.
    """
    ours = [*categories.observables_by_category()[AVERAGED], *observables]
    return _predicted(ours, _draw([_SEED, part], _DRAWS), progress)


def make_extra(observables: list, progress: Callable[[str], None] = lambda _: None) -> Draws:
    """Predict additional observables for the parameters that come with the package.

    Parameters as for `make_part`.

    Raises
    ------
    malaphoric.store.StoreError
        As `Draws.load`.
    malaphoric.schema.ConfigurationError
        If flavio has no finite prediction, in a bin outside the phase space, say.
    """
    parameters = Draws.load(PACKAGED).parameters
    sm = predicting.standard_model(observables)
    for observable, value in zip(observables, sm, strict=True):
        if not np.isfinite(value):
            raise ConfigurationError(
                f"{categories.observable_key(observable)}: flavio's Standard Model is {value}; "
                "accepted: an observable with a finite one, in its phase space"
            )
    return replace(_predicted(observables, parameters, progress), sm=sm, parameters={})


def join(parts: list[Draws]) -> Draws:
    """All draws of the parts, and the central predictions."""
    names, observables = list(parts[0].parameters), parts[0].observables
    return Draws(
        observables=observables,
        labels=parts[0].labels,
        sm=predicting.standard_model(observables),
        values=np.concatenate([part.values for part in parts]),
        parameters={name: np.concatenate([p.parameters[name] for p in parts]) for name in names},
    )


def _draw(seed: list[int], number: int) -> dict[str, np.ndarray]:
    """Random values of the parameters that smelli varies, in flavio's units, shape (number,).

    In single precision, which is 10⁻⁷ of a parameter: files hold what predictions are made for.
    """
    covariance = categories.smelli_likelihood(AVERAGED).sm_covariance
    with predicting.seeded(seed):
        drawn = covariance.par_obj.get_random_all(size=number)
    varied = {name: drawn[name] for name in covariance.vary_parameters if np.ptp(drawn[name]) > 0}
    return {name: np.asarray(values, dtype=np.float32) for name, values in varied.items()}


def _predicted(
    observables: list, parameters: dict[str, np.ndarray], progress: Callable[[str], None]
) -> Draws:
    """Predictions for parameters; those that do not vary are smelli's. Without ``sm``."""
    import flavio

    lep2.register()
    central = categories.smelli_likelihood(AVERAGED).sm_covariance.par_obj.get_central_all()
    number, wc, values = len(next(iter(parameters.values()))), flavio.WilsonCoefficients(), []
    quick = (flavio.math.integrate, "nintegrate", _integrate)
    with warnings.catch_warnings(), predicting.replaced([quick]):
        warnings.simplefilter("ignore")
        for i in range(number):
            drawn = {name: float(x[i]) for name, x in parameters.items()}
            values.append(predicting.predict(observables, central | drawn, wc))
            if i % 10 == 9:
                progress(f"{i + 1}/{number} draws")
    return Draws(
        observables=list(observables),
        labels=[label(name) for name in observables],
        sm=np.full(len(observables), np.nan),
        values=np.array(values),
        parameters=parameters,
    )


def _integrate(function: Callable, a: float, b: float, **_: object) -> float:
    """In place of flavio's ``nintegrate``."""
    half, (nodes, weights) = (b - a) / 2, _RULE
    return half * sum(w * function(a + half * (1 + x)) for x, w in zip(nodes, weights, strict=True))


def label(observable: Observable) -> str:
    """Flavio's LaTeX label with the arguments, e.g. the bin in q2 (GeV^2), in square brackets."""
    import flavio

    lep2.register()
    name, *arguments = (observable,) if isinstance(observable, str) else observable
    tex = flavio.Observable[name].tex.replace("_ ", "_")  # flavio writes A_e as "A_ e"
    return tex + (f" [{', '.join(f'{x:g}' for x in arguments)}]" if arguments else "")


def follow(smelli: Draws, extra: Draws) -> Additional:
    """What additional observables follow of smelli's, and what is their own.

    Each is regressed on those of smelli's that tell something of it: an observable that is one of
    smelli's follows it alone, with the coefficient 1 and without rest. All of them at once would
    fit noise, because there are more observables than draws.

    Parameters
    ----------
    smelli, extra : Draws
        For the same parameters.
    """
    x = smelli.values - smelli.values.mean(axis=0)
    # one by one, so that nothing depends on which others are asked for
    y = [values - values.mean() for values in np.ascontiguousarray(extra.values.T)]
    coefficients, rest = [_regressed(column, x) for column in y], []
    for column, b in zip(y, coefficients, strict=True):
        # as many degrees of freedom less as it follows others
        freedom = len(x) - 1 - np.count_nonzero(b)
        rest.append((column - x @ b) / np.sqrt(freedom))
    return Additional(
        observables=extra.observables,
        labels=extra.labels,
        sm=extra.sm,
        followed=smelli.observables,
        coefficients=np.array(coefficients),
        rest=np.array([[one @ other for other in rest] for one in rest]),
    )


def _regressed(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Coefficients of the columns of x that y depends on, zero for the others, shape (k,).

    Columns are taken one by one, first the one that explains most of what is left of y, as long as
    that is significant (orthogonal least squares: Chen, Billings and Luo, Int. J. Control 50 (1989)
    1873).

    Parameters
    ----------
    y : ndarray, shape (n,)
    x : ndarray, shape (n, k)
        Both with mean zero.
    """
    result, scale = np.zeros(x.shape[1]), np.sqrt((x**2).sum(axis=0))
    size = np.sqrt(y @ y)
    free = x / np.where(scale > 0, scale, 1)  # what is not explained by the columns taken
    left = y / (size or 1)
    taken: list[int] = []
    while (length := np.sqrt(left @ left)) > _ROUNDING:
        own = np.sqrt((free**2).sum(axis=0))
        usable = own > np.sqrt(_ROUNDING)
        correlation = np.where(usable, left @ free / np.where(usable, own * length, 1), 0)
        best = int(np.argmax(abs(correlation)))
        r2 = min(correlation[best] ** 2, 1.0)
        if r2 * (len(y) - 2 - len(taken)) <= _SIGNIFICANT**2 * (1 - r2):
            break
        taken.append(best)
        unit = free[:, best] / own[best]
        left = left - unit * (unit @ left)
        free = free - np.outer(unit, unit @ free)
    if taken:
        solution = np.linalg.lstsq(x[:, taken] / scale[taken], y, rcond=None)[0]
        result[taken] = solution / scale[taken]
    return result
