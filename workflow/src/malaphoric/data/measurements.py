"""Making the data half: from flavio's measurements, LEP2 data and overlays to a `Likelihood`.

The slow part (drawing covariances, the Standard Model) is stored as `Measurements`, which come with
the package for the default draws and seed; what a configuration selects, and what overlays add or
replace, is put together in seconds.
"""

from __future__ import annotations

import re
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from malaphoric import store
from malaphoric.data import categories, lep2, predicting
from malaphoric.data.categories import AVERAGED, CATEGORIES, Observable, observable_key
from malaphoric.data.likelihood import (
    ASYMMETRIC,
    GAMMA,
    HALF_NORMAL,
    NORMAL,
    NUMERICAL,
    Constraint,
    Likelihood,
    read_constraints,
    write_constraints,
)
from malaphoric.data.overlays import MOST, read
from malaphoric.data.theory import Additional, label
from malaphoric.schema import ROOT, ConfigurationError, load_yaml

_CONTENT = "malaphoric measurements"

#: Those of the default draws and seed, which come with the package (`make table` remakes them).
PACKAGED = Path(__file__).parent / "measurements.h5"

#: Standard deviations, or a factor, off the Standard Model: beyond, a value is doubted.
_FAR = 20.0

# Overlays that come with the project, and where what is doubted of them is answered.
_ANSWERED, _ANSWER = ROOT / "config" / "data" / "2026", "answered in docs/data-2026.md"

#: flavio's distributions whose mean and covariance are everything.
_NORMALS = ("NormalDistribution", "MultivariateNormalDistribution")

#: Nodes of a tabulated density: fewer than the first become the second.
_COARSE, _FINE = 50, 1000


@dataclass
class Measurements:
    """Observables with their Standard Model and everything measured of them.

    Attributes
    ----------
    observables : list
        flavio observables, the columns of the predictions.
    category : list of str
        Category of each observable; empty for additional ones, which a configuration assigns.
    sm : ndarray, shape (n_observables,)
        Predictions of the Standard Model.
    theory_covariance : ndarray, shape (n_observables, n_observables)
        Of the Standard Model predictions; zero where the likelihood has none.
    labels : list of str
        LaTeX labels, from flavio.
    constraints : list of Constraint
        One or more a measurement; those of `AVERAGED` replaced by normal distributions with the
        mean and covariance of random draws.
    settings : dict
        ``nexp`` draws, ``seed`` and versions.
    """

    observables: list
    category: list[str]
    sm: np.ndarray
    theory_covariance: np.ndarray
    labels: list[str]
    constraints: list[Constraint] = field(default_factory=list)
    settings: dict = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write to an HDF5 file."""
        with store.create(
            path,
            content=_CONTENT,
            observables=categories.dump_observables(self.observables),
            category=list(self.category),
            labels=list(self.labels),
            settings=self.settings,
        ) as file:
            store.write_array(file, "sm", self.sm)
            store.write_array(file, "theory_covariance", self.theory_covariance)
            write_constraints(file, self.constraints)

    @classmethod
    def load(cls, path: str | Path) -> Measurements:
        """Read what `save` wrote.

        Raises
        ------
        malaphoric.store.StoreError
            If the file is damaged or something else.
        """
        with store.read(path) as file:
            if file.attrs.get("content") != _CONTENT:
                raise store.StoreError(f"{path}: not a file of {_CONTENT}")
            return cls(
                observables=categories.parse_observables(file.attrs["observables"]),
                category=store.parse(file.attrs["category"]),
                sm=file["sm"][:],
                theory_covariance=file["theory_covariance"][:],
                labels=store.parse(file.attrs["labels"]),
                constraints=read_constraints(file),
                settings=store.parse(file.attrs["settings"]),
            )

    def joined(self, extra: Additional | None) -> Measurements:
        """These with additional observables, which have no category yet, nor measurements.

        smelli's covariance C of its own observables stays as it is; additional ones that follow
        them with the coefficients B have B C with them and B C B^T + their rest among themselves,
        which is positive definite whatever B.
        """
        if extra is None:
            return self
        column = {name: number for number, name in enumerate(self.observables)}
        b = np.zeros((len(extra.observables), len(self.observables)))
        b[:, [column[name] for name in extra.followed]] = extra.coefficients
        both = b @ self.theory_covariance
        own = both @ b.T
        return replace(
            self,
            observables=[*self.observables, *extra.observables],
            category=[*self.category, *[""] * len(extra.observables)],
            sm=np.concatenate([self.sm, extra.sm]),
            theory_covariance=np.block(
                [[self.theory_covariance, both.T], [both, (own + own.T) / 2 + extra.rest]]
            ),
            labels=[*self.labels, *extra.labels],
        )


def packaged(nexp: int = 100_000, seed: int = 1) -> Path | None:
    """The measurements that come with the package, if they are of these draws and this seed.

    None, too, if they were made with other versions of smelli, flavio or wilson than installed, or
    for other categories.
    """
    if not PACKAGED.exists():  # while they are remade
        return None
    with store.read(PACKAGED) as file:
        settings, own = (store.parse(file.attrs[name]) for name in ("settings", "category"))
    wanted = {"nexp": nexp, "seed": seed, "versions": store.versions()}
    return PACKAGED if settings == wanted and set(own) == set(CATEGORIES) else None


def make_measurements(nexp: int = 100_000, seed: int = 1) -> Measurements:
    """Collect the measurements of smelli's likelihoods.

    Parameters
    ----------
    nexp : int
        Number of random draws behind the experimental covariance of the quarks.
    seed : int
        Seed of the draws; each measurement has a stream of its own, so that adding one changes
        no other.

    Returns
    -------
    Measurements

    Notes
    -----
    LEP2 is not among the constraints: its data need no flavio, see `combine`.
    """
    by_category = categories.observables_by_category()
    observables = categories.observables()
    column = {name: number for number, name in enumerate(observables)}
    covariance = np.zeros((len(observables), len(observables)))
    constraints = []
    for category, names in by_category.items():
        if category == "LEP2":
            continue
        likelihood = categories.smelli_likelihood(category)
        if category == AVERAGED:
            columns = np.array([column[name] for name in likelihood.observables])
            theory = likelihood.sm_covariance.get(force=False)
            covariance[np.ix_(columns, columns)] = theory
            likelihood = likelihood.full_measurement_likelihood
        else:
            likelihood = likelihood.measurement_likelihood
        wanted = {name: column[name] for name in names}
        measurements = likelihood.get_measurements
        constraints += _constraints(category, measurements, wanted, nexp, seed, _draw)
    return Measurements(
        observables=observables,
        category=[category for category, names in by_category.items() for _ in names],
        sm=predicting.standard_model(),
        theory_covariance=covariance,
        labels=[label(name) for name in observables],
        constraints=constraints,
        settings={"nexp": nexp, "seed": seed, "versions": store.versions()},
    )


def make_likelihood(nexp: int = 100_000, seed: int = 1, lep2_set: str = "paper") -> Likelihood:
    """The default likelihood: ten seconds of smelli and flavio where nothing is `packaged`.

    Parameters as for `make_measurements` and `combine`.
    """
    path = packaged(nexp, seed)
    return combine(Measurements.load(path) if path else make_measurements(nexp, seed), lep2_set)


def combine(
    base: Measurements,
    lep2_set: str = "paper",
    selection: dict | None = None,
    overlays: Iterable[Path] = (),
    extra: Additional | None = None,
) -> Likelihood:
    """Put the likelihood of a run together.

    Parameters
    ----------
    base : Measurements
        From `make_measurements`.
    lep2_set : {"paper", "full"}
        148 or 153 entries of LEP2.
    selection : dict, optional
        By category ``measurements`` and ``observables``, each with lists ``include`` and
        ``exclude``.
    overlays : iterable of Path
        Files of measurements in flavio's format: they replace measurements of the same name.
    extra : Additional, optional
        From `theory.follow`: additional observables.

    Returns
    -------
    Likelihood

    Raises
    ------
    malaphoric.schema.ConfigurationError
        If an overlay cannot be read, or nothing is left of a category or an included observable.

    Notes
    -----
    quarks is smelli's fast likelihood: a normal distribution with the sum of the experimental
    covariance (drawn from each measurement, weighted average) and smelli's covariance of the
    theory in the SM. EWPOs, LEP2 and LFU are the measurements as they are.
    """
    selection, base = selection or {}, base.joined(extra)
    observables, covariance = base.observables, base.theory_covariance
    column = {name: number for number, name in enumerate(observables)}
    by_key = {observable_key(name): name for name in observables}
    overlaid = [name for path in overlays for name in read_overlay(path)]
    nexp, seed = base.settings["nexp"], base.settings["seed"]
    constraints, measurements = [], {}
    for category in CATEGORIES:
        rule = _Rule(category, selection.get(category, {}))
        wanted = {
            name: column[name]
            for name, own in zip(base.observables, base.category, strict=True)
            if own == category and observable_key(name) not in rule.without_observables
        }
        wanted |= {by_key[key]: column[by_key[key]] for key in rule.with_observables}
        own = [k for k in base.constraints if k.category == category]
        if category == "LEP2" and lep2.OBSERVABLES[0] in column:
            own = _lep2_constraints(lep2_set, column)
        gone, columns = {*rule.without_measurements, *overlaid}, set(wanted.values())
        kept = (_restrict(k, columns) for k in own if k.measurement not in gone)
        own = [k for k in kept if k is not None]
        if added := rule.added(overlaid):
            own += _constraints(category, added, wanted, nexp, seed, _moments)
        rule.check({observable_key(observables[c]) for k in own for c in k.columns})
        measurements[category] = sorted({k.measurement for k in own})
        if category == AVERAGED and own:
            own = [_average(own, covariance)]
        constraints += own
    likelihood = Likelihood(
        observables=observables,
        constraints=constraints,
        sm=base.sm,
        theory_uncertainty=_uncertainty(constraints, covariance),
        labels=base.labels,
        settings={
            **base.settings,
            "lep2_set": lep2_set,
            "selection": selection,
            "measurements": measurements,
        },
    )
    _check_standard_model(likelihood)
    return likelihood


def _check_standard_model(likelihood: Likelihood) -> None:
    """Refuse distributions that vanish there."""
    for k in likelihood.constraints:
        if k.kind != NORMAL and not np.isfinite(k.chi2(likelihood.sm[np.newaxis])[0]):
            name = observable_key(likelihood.observables[k.columns[0]])
            raise ConfigurationError(
                f"{k.measurement}: {name}: a distribution that vanishes at the Standard Model is "
                "not accepted, because results are relative to it; accepted: one that does not"
            )


def doubts(
    base: Measurements,
    selection: dict | None = None,
    overlays: Iterable[Path] = (),
    extra: Additional | None = None,
) -> dict[str, bool]:
    """Sentences on overlaid values that may be in wrong units, and on what may count twice.

    Parameters as for `combine`. A value is doubted if it is 20 standard deviations (with the
    theory's) or a factor of 20 off the Standard Model: the whole interval of one standard
    deviation, and where the Standard Model is nearly zero, relative to the theory's uncertainty.
    Observables that neither `base` nor `extra` has are passed over.

    Returns
    -------
    dict of str to bool
        Sentences, and whether the project's own pages answer them: they say which events overlays
        that come with it share with others, but no value is above doubt, because it may be edited.
    """
    overlays = list(overlays)
    overlaid = [name for path in overlays for name in read_overlay(path)]
    answered = {name for path in overlays if path.parent == _ANSWERED for name in read(path)}
    base = base.joined(extra)
    deviations = np.sqrt(np.diag(base.theory_covariance))
    theory = dict(zip(base.observables, zip(base.sm, deviations, strict=True), strict=True))
    result: dict[str, bool] = {}
    for category in CATEGORIES:
        rule = _Rule(category, (selection or {}).get(category, {}))
        if not (added := rule.added(overlaid)):
            continue
        own = {o for o, c in zip(base.observables, base.category, strict=True) if c == category}
        counting = {*map(observable_key, own)} - rule.without_observables
        counting |= set(rule.with_observables)
        gone = {*rule.without_measurements, *overlaid}
        measured: dict[str, list[Observable]] = {}
        for k in base.constraints:
            if k.category == category and k.measurement not in gone:
                names = [base.observables[c] for c in k.columns]
                measured[k.measurement] = measured.get(k.measurement, []) + names
        for name in added:
            result |= dict.fromkeys(_far_off(name, theory, counting), False)
            answer = f" ({_ANSWER})" if name in answered else ""
            for sentence in _counted_twice(name, measured, counting):
                result[sentence + answer] = bool(answer)
            measured[name] = _observables(name)
    return result


def brought(selection: dict, overlays: Iterable[Path]) -> dict[str, list[str]]:
    """Measurements beyond smelli's, by what brings them: the name of an overlay, or their own.

    Parameters as for `combine`.
    """
    rules = [_Rule(category, rule) for category, rule in selection.items()]
    found = {path.stem: read_overlay(path) for path in overlays}
    return found | {name: [name] for rule in rules for name in rule.with_measurements}


def without(name: str, selection: dict, overlays: Iterable[Path]) -> tuple[dict, list[Path]]:
    """Selection and overlays without an overlay or an included measurement.

    Excluded measurements count again if the same experiment has measured the same in overlapping
    bins in what is left out, and not in what is left; included observables that nothing measures
    any more are dropped.

    Parameters
    ----------
    name : str
        One of `brought`.
    selection, overlays
        As for `combine`.
    """
    lep2.register()  # its measurements may be excluded, too
    overlays = list(overlays)
    left = brought(selection, overlays)
    gone = left.pop(name)
    kept = [measurement for names in left.values() for measurement in names]
    measured = {observable_key(o) for measurement in kept for o in _observables(measurement)}

    def stays(what: str, how: str, entry: Any) -> bool:
        if (what, how) == ("measurements", "exclude"):
            return not _replace(gone, entry) or _replace(kept, entry)
        if (what, how) == ("observables", "include"):
            return observable_key(entry) in measured
        return entry != name

    result = {
        category: {
            what: {how: [x for x in names if stays(what, how, x)] for how, names in lists.items()}
            for what, lists in rule.items()
        }
        for category, rule in selection.items()
    }
    return result, [path for path in overlays if path.stem != name]


def _replace(names: Iterable[str], other: str) -> bool:
    """Whether the experiment of a measurement has measured the same in one of those named."""
    theirs = _observables(other)
    return any(
        _experiments(name) & _experiments(other)
        and any(_overlap(o, p) for o in _observables(name) for p in theirs)
        for name in names
    )


def _observables(measurement: str) -> list[Observable]:
    import flavio

    return list(flavio.Measurement[measurement].all_parameters)


def _far_off(measurement: str, theory: dict, counting: set[str]) -> list[str]:
    """Sentences on values that are far off the Standard Model, of observables that count."""
    import flavio

    result = []
    for distribution, observables in flavio.Measurement[measurement]._constraints:
        wanted = [o in theory and observable_key(o) in counting for o in observables]
        if not any(wanted) or hasattr(distribution, "xi"):  # tabulated in several dimensions
            continue
        errors = distribution.error_left, distribution.error_right
        numbers = np.array([np.atleast_1d(x) for x in (distribution.central_value, *errors)])
        for observable, (central, left, right) in zip(observables, numbers.T, strict=True):
            if not wanted[observables.index(observable)]:
                continue
            sm, uncertainty = theory[observable]
            error = left if central > sm else right
            far = abs(central - sm) > _FAR * np.hypot(error, uncertainty)
            scale = max(abs(sm), uncertainty)
            large = abs(central) - error > _FAR * scale > 0
            small = abs(central) + error < scale / _FAR
            if far or large or small:
                result.append(
                    f"{measurement}: {observable_key(observable)}: {central:.6g} ± {error:.2g} is "
                    f"far off the Standard Model's {sm:.6g}: is it in flavio's units (GeV) and of "
                    "flavio's sign and normalisation?"
                )
    return result


def _counted_twice(name: str, measured: dict, counting: set[str]) -> list[str]:
    """Sentences on observables that one experiment measured in overlapping bins, where both count.

    Who names no experiment may be anybody.

    Parameters
    ----------
    name : str
        A measurement of an overlay, or an included one.
    measured : dict
        Observables of the other measurements of the category.
    counting : set of str
        Keys of the observables that count.
    """
    result = []
    own = [o for o in _observables(name) if observable_key(o) in counting]
    if inside := [o for i, o in enumerate(own) if any(_overlap(o, p) for p in own[:i])]:
        result.append(
            f"{name}: {observable_key(inside[0])} overlaps with another of its bins: without their "
            "correlation events count twice"
        )
    mine = _experiments(name)
    others: dict[bool, list[str]] = {True: [], False: []}  # whether both name one experiment
    for other, theirs in measured.items():
        theirs = [o for o in theirs if observable_key(o) in counting]
        both = [observable_key(o) for o in own if any(_overlap(o, p) for p in theirs)]
        experiments = _experiments(other)
        named = bool(mine & experiments)
        if both and (named or not mine or not experiments):
            others[named].append(f"{other!r} ({both[0]}, ...)")
    for named, who in (
        (True, "the same experiment measured the same"),
        (False, "it may be that the same experiment, which is not named, measured the same"),
    ):
        if found := others[named]:
            result.append(
                f"{name}: {who} in overlapping bins in {', '.join(found)}: these are to be "
                "excluded unless their events are others"
            )
    return result


def _experiments(measurement: str) -> set[str]:
    """Experiments of a measurement: texts are as "ATLAS, CMS", "LHCb (9 fb-1)" and "Belle II"."""
    import flavio

    text = re.sub(r"\(.*?\)", "", flavio.Measurement[measurement].experiment or "")
    text = re.sub(r"\s+(?=ii\b)", "-", text.casefold())
    return set(re.split(r"[\s,]+", text)) - {"", "collaboration"}


def _overlap(one: Observable, other: Observable) -> bool:
    """Whether two observables are the same, in bins that have more than an edge in common."""
    if one == other or isinstance(one, str) or len(one) != 3:
        return one == other
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


class _Rule:
    """What is included in and excluded from a category."""

    def __init__(self, category: str, rule: dict) -> None:
        def names(what: str, how: str) -> list:
            return rule.get(what, {}).get(how, [])

        self._category = category
        self.with_measurements = names("measurements", "include")
        self.without_measurements = names("measurements", "exclude")
        self.with_observables = [observable_key(x) for x in names("observables", "include")]
        self.without_observables = {observable_key(x) for x in names("observables", "exclude")}

    def added(self, overlaid: list[str]) -> list[str]:
        """Measurements beyond smelli's: overlaid ones, and those that are included by name."""
        added = [m for m in overlaid if m not in self.without_measurements]
        return added + [m for m in self.with_measurements if m not in added]

    def check(self, measured: set[str]) -> None:
        """Refuse an included observable that is not among the measured ones."""
        for key in self.with_observables:
            if key not in measured:
                raise ConfigurationError(
                    f"data.{self._category}.observables.include: {key!r} is not accepted: no "
                    "measurement of it is included; accepted: an observable that an overlay or "
                    f"data.{self._category}.measurements.include measures"
                )


def read_overlay(path: Path) -> list[str]:
    """Let flavio read an overlay; returns the names of its measurements.

    Raises
    ------
    malaphoric.schema.ConfigurationError
        If a value is not accepted, naming the measurement.
    """
    import flavio

    read(path)
    lep2.register()
    try:
        return flavio.measurements.read_file(str(path))
    except Exception as error:
        raise ConfigurationError(f"{path}{_culprit(path)}: {error}") from error


def _culprit(path: Path) -> str:
    """The measurement that flavio cannot read, if it is one."""
    import flavio

    data = load_yaml(path, MOST)
    for name, content in data.items() if isinstance(data, dict) else ():
        with tempfile.TemporaryDirectory() as folder:
            alone = Path(folder) / "alone.yml"
            alone.write_text(yaml.safe_dump({name: content}), encoding="utf-8")
            try:
                flavio.measurements.read_file(str(alone))
            except Exception:
                return f": {name}"
    return ""


def _constraints(
    category: str,
    measurements: Iterable[str],
    wanted: dict,
    nexp: int,
    seed: int,
    averaged: Callable[..., dict[str, np.ndarray]],
) -> list[Constraint]:
    """Constraints of flavio's measurements on the wanted observables (and their columns).

    ``averaged`` finds mean and covariance where measurements are averaged.
    """
    import flavio

    result = []
    # flavio keeps measurements in a set: sort, so that every process sums in the same order
    for measurement in sorted(measurements):
        instance = flavio.Measurement[measurement]
        if category == AVERAGED:
            ours = [name for name in instance.all_parameters if name in wanted]
            if ours:
                arrays = averaged(instance, ours, nexp, seed)
                if not np.all(np.diag(arrays["covariance"]) > 0):
                    raise ConfigurationError(
                        f"the measurement {measurement!r} has no error; accepted: as in "
                        "1.2 ± 0.3 e-5"
                    )
                columns = np.array([wanted[name] for name in ours])
                result.append(Constraint(category, measurement, NORMAL, columns, arrays))
            continue
        for distribution, keep, columns in _parts(instance, wanted):
            kind, arrays = _distribution(measurement, distribution, keep)
            result.append(Constraint(category, measurement, kind, columns, arrays))
    return result


def _parts(measurement: Any, wanted: dict) -> Iterator[tuple[Any, list[int], np.ndarray]]:
    """Distributions of a measurement, those of their dimensions that are wanted, and columns."""
    for distribution, parameters in measurement._constraints:
        keep = [
            i
            for i, name in enumerate(parameters)
            if name in wanted and measurement._parameters.get(name) == (i, distribution)
        ]
        if keep:
            yield distribution, keep, np.array([wanted[parameters[i]] for i in keep])


def _distribution(
    measurement: str, distribution: Any, keep: list[int]
) -> tuple[str, dict[str, np.ndarray]]:
    """Kind and parameters of a flavio distribution, reduced to the dimensions in `keep`."""
    name = type(distribution).__name__
    central = np.atleast_1d(np.asarray(distribution.central_value, dtype=float))
    if name == "MultivariateNormalDistribution":
        covariance = np.asarray(distribution.covariance)[np.ix_(keep, keep)]
        return NORMAL, {"central": central[keep], "covariance": covariance}
    if name == "NormalDistribution":
        variance = float(distribution.standard_deviation) ** 2
        return NORMAL, {"central": central, "covariance": np.array([[variance]])}
    if name in ("HalfNormalDistribution", "GaussianUpperLimit"):
        deviation = np.asarray(float(distribution.standard_deviation))
        return HALF_NORMAL, {"central": central[0], "deviation": deviation}
    if name == "AsymmetricNormalDistribution":
        left, right = distribution.left_deviation, distribution.right_deviation
        return ASYMMETRIC, {
            "central": central[0],
            "left": np.asarray(float(left)),
            "right": np.asarray(float(right)),
        }
    if np.ndim(getattr(distribution, "x", 0)) == 1:  # numerical, and what is derived from it
        x, pdf = (np.asarray(v, dtype=float) for v in (distribution.x, distribution.y_norm))
        if x.size < _COARSE:  # the same function; its moments are sums over the nodes
            fine = np.union1d(x, np.linspace(x[0], x[-1], _FINE))
            x, pdf = fine, np.interp(fine, x, pdf)
        if not np.interp(central[0], x, pdf) > 0:
            raise ConfigurationError(
                f"the measurement {measurement!r}: a {name} that vanishes at its central value is "
                "not accepted; accepted: one that is largest there"
            )
        return NUMERICAL, {"x": x, "pdf": pdf, "central": central[0]}
    if hasattr(distribution, "scipy_dist") and distribution.a >= 1:  # the gamma distributions
        positive = name != "GammaDistribution"
        return GAMMA, {
            "central": central[0],
            "lower": np.asarray(0.0 if positive else float(distribution.loc)),
            "loc": np.asarray(float(distribution.loc)),
            "a": np.asarray(float(distribution.a)),
            "scale": np.asarray(float(distribution.scale)),
        }
    raise ConfigurationError(
        f"the measurement {measurement!r}: a {name} is not accepted outside {AVERAGED}; accepted: "
        "another measurement"
    )


def _draw(measurement: Any, observables: list, nexp: int, seed: int) -> dict[str, np.ndarray]:
    """Mean and covariance of random draws from a measurement, as smelli's, but seeded."""
    with predicting.seeded([seed, zlib.crc32(measurement.name.encode())]):
        draws = measurement.get_random_all(size=nexp)
    sample = np.array([draws[name] for name in observables])
    return {"central": sample.mean(axis=1), "covariance": np.atleast_2d(np.cov(sample))}


def _moments(measurement: Any, observables: list, nexp: int, seed: int) -> dict[str, np.ndarray]:
    """Mean and covariance of a measurement: as they are if it is normal, else those of draws.

    In draws of rates (1e-8) together with angular observables (1) rounding would drown the rates.
    """
    places = {name: place for place, name in enumerate(observables)}
    parts = list(_parts(measurement, places))
    normal = [part for part in parts if type(part[0]).__name__ in _NORMALS]
    if len(normal) < len(parts):
        found = _draw(measurement, observables, nexp, seed)
    else:
        found = {"central": np.zeros(len(places)), "covariance": np.zeros((len(places),) * 2)}
    for distribution, keep, columns in normal:
        _, exact = _distribution(measurement.name, distribution, keep)
        found["central"][columns] = exact["central"]
        found["covariance"][columns] = 0
        found["covariance"][:, columns] = 0
        found["covariance"][np.ix_(columns, columns)] = exact["covariance"]
    return found


def _average(constraints: list[Constraint], theory: np.ndarray) -> Constraint:
    """Weighted average of normal constraints, with the theory's covariance added.

    Parameters
    ----------
    constraints : list of Constraint
        All normal and of one category, uncorrelated between each other.
    theory : ndarray, shape (n_observables, n_observables)
    """
    columns = np.unique(np.concatenate([k.columns for k in constraints]))
    weight, weighted = np.zeros((columns.size, columns.size)), np.zeros(columns.size)
    for k in constraints:
        error = np.sqrt(np.diag(k.arrays["covariance"]))
        scale = np.outer(error, error)  # scaled first, because variances span many orders
        inverse = np.linalg.inv(k.arrays["covariance"] / scale) / scale
        index = np.searchsorted(columns, k.columns)
        weight[np.ix_(index, index)] += inverse
        weighted[index] += inverse @ k.arrays["central"]
    scale = np.sqrt(np.outer(np.diag(weight), np.diag(weight)))
    covariance = np.linalg.inv(weight / scale) / scale
    total = (covariance + covariance.T) / 2 + theory[np.ix_(columns, columns)]
    arrays = {"central": covariance @ weighted, "covariance": total}
    return Constraint(AVERAGED, "average of all measurements", NORMAL, columns, arrays)


def _restrict(constraint: Constraint, columns: set[int]) -> Constraint | None:
    """A constraint without the columns that are not wanted (marginalised), None if none is."""
    keep = np.array([i for i, c in enumerate(constraint.columns) if c in columns], dtype=int)
    if len(keep) == len(constraint.columns):
        return constraint
    if not len(keep):
        return None
    arrays = {
        "central": constraint.arrays["central"][keep],
        "covariance": constraint.arrays["covariance"][np.ix_(keep, keep)],
    }
    return Constraint(
        constraint.category, constraint.measurement, NORMAL, constraint.columns[keep], arrays
    )


def _uncertainty(constraints: list[Constraint], covariance: np.ndarray) -> np.ndarray:
    """Standard deviation of the theory where the likelihood includes it."""
    included = np.zeros(len(covariance), dtype=bool)
    for k in constraints:
        included[k.columns] |= k.category == AVERAGED
    return np.where(included, np.sqrt(np.diag(covariance)), 0.0)


def _lep2_constraints(lep2_set: str, column: dict) -> list[Constraint]:
    return [
        Constraint(
            "LEP2",
            name,
            NORMAL,
            np.array([column[o] for o in observables]),
            {"central": np.asarray(central), "covariance": np.asarray(covariance)},
        )
        for name, (observables, central, covariance) in zip(
            lep2.MEASUREMENTS, lep2.measurements(lep2_set), strict=True
        )
    ]
