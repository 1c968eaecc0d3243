"""The theory of additional observables: python scripts/correlations.py CONFIGURATION (a minute).

Prints how the draws that ship agree with smelli's covariance, what each additional observable
follows, and the best fits of the configuration's model with and without the correlations of the
additional observables with smelli's.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace

from malaphoric.data import theory
from malaphoric.data.categories import GLOBAL, observable_key
from malaphoric.data.likelihood import Likelihood
from malaphoric.data.measurements import Measurements, combine
from malaphoric.engines import loading
from malaphoric.engines.basis import parameters
from malaphoric.inference import fits
from malaphoric.schema import ConfigurationError
from malaphoric.store import StoreError
from malaphoric.workflow.configuration import Configuration, load_configuration

import numpy as np


def correlation(covariance: np.ndarray) -> np.ndarray:
    """Correlation of a covariance."""
    error = np.sqrt(np.diag(covariance))
    return covariance / np.outer(error, error)


def agreement(base: Measurements, smelli: theory.Draws) -> None:
    """Print how the covariance of the draws compares with smelli's."""
    place = {name: i for i, name in enumerate(base.observables)}
    error = np.sqrt(np.diag(base.theory_covariance))
    smelli = smelli.of([name for name in smelli.observables if error[place[name]] > 0])
    columns = [place[name] for name in smelli.observables]
    theirs, ours = base.theory_covariance[np.ix_(columns, columns)], np.cov(smelli.values.T)
    ratio = np.sqrt(np.diag(ours) / np.diag(theirs))
    low, middle, high = np.percentile(ratio, [5, 50, 95])
    print(f"errors over smelli's: median {middle:.3f}, 90% from {low:.3f} to {high:.3f}")
    far = np.argsort(-abs(np.log(ratio)))[:8]
    which = (f"{observable_key(smelli.observables[i])} {ratio[i]:.2f}" for i in far)
    print("farthest:", "; ".join(which))
    pairs = np.triu_indices(len(ours), 1)
    r, difference = correlation(theirs)[pairs], (correlation(ours) - correlation(theirs))[pairs]
    noise = np.sqrt(np.mean((1 - r**2) ** 2) / len(smelli.values))
    rms = np.sqrt(np.mean(difference**2))
    print(f"correlations: rms difference {rms:.3f}, of the draws' noise {noise:.3f}, ", end="")
    print(f"largest {abs(difference).max():.2f}")


def halves(smelli: theory.Draws, draws: theory.Draws) -> np.ndarray:
    """Share of each observable's variance in half of the draws that the other half leaves."""
    middle = len(draws.values) // 2
    shares = []
    for one, other in ((slice(middle), slice(middle, None)), (slice(middle, None), slice(middle))):
        found = theory.follow(*(replace(x, values=x.values[one]) for x in (smelli, draws)))
        x, y = (z.values[other] - z.values[other].mean(axis=0) for z in (smelli, draws))
        shares.append(np.var(y - x @ found.coefficients.T, axis=0) / np.var(y, axis=0))
    return np.mean(shares, axis=0)


def followed(
    extra: theory.Additional, smelli: theory.Draws, draws: theory.Draws, joined: np.ndarray
) -> None:
    """Print what every additional observable follows, and how its error compares with its draws'.

    joined: covariance of the additional observables.
    """
    print("\nobservable: followed, own share of its variance, the same of other draws, ", end="")
    print("error over the draws'")
    error, other = draws.values.std(axis=0, ddof=1), halves(smelli, draws)
    for i, name in enumerate(extra.observables):
        n = np.count_nonzero(extra.coefficients[i])
        own, ratio = extra.rest[i, i] / error[i] ** 2, np.sqrt(joined[i, i]) / error[i]
        print(f"{observable_key(name)}: {n}, {own:.4f}, {other[i]:.4f}, {ratio:.2f}")


def likelihoods(
    run: Configuration, base: Measurements, extra: theory.Additional, draws: theory.Draws
) -> Iterator[tuple[str, Likelihood]]:
    """Likelihoods of the run with and without correlations."""
    alone = replace(
        extra, coefficients=0 * extra.coefficients, rest=np.atleast_2d(np.cov(draws.values.T))
    )
    given = run.likelihood()
    for name, x in (("with correlations", extra), ("without", alone)):
        data = combine(base, given["lep2_set"], given["selection"], run.selection.overlays, x)
        yield name, data.of(run.categories)


def main(path: str) -> None:
    """Print all of it."""
    run = load_configuration(path)
    if not run.selection.extra or not run.packaged_measurements or run.mass is None:
        raise ConfigurationError(f"{path}: additional observables, default draws and a mass needed")
    smelli, wanted = theory.Draws.load(theory.PACKAGED), run.selection.extra
    draws = theory.Draws.load(theory.EXTRA) if run.shipped else theory.make_extra(wanted)
    draws = draws.of(wanted)
    base, extra = Measurements.load(run.packaged_measurements), theory.follow(smelli, draws)
    agreement(base, smelli)
    n = len(base.observables)
    joined = base.joined(extra)
    followed(extra, smelli, draws, joined.theory_covariance[n:, n:])
    engine = loading.engine_of(
        joined.observables, run.model, "compiled", run.mass, run["smeft_accuracy"]
    )
    box = fits.physical_box(run.grid, run.mass, run.profiled, parameters(run.model, run.mass))
    print("\ndata: chi2 of the Standard Model by category; best fit; chi2_SM - chi2")
    for name, data in likelihoods(run, base, extra, draws):
        likelihood = loading.ModelLikelihood(run.model, run.mass, engine, data)
        middle = {key: sum(ends) / 2 for key, ends in box.items()}
        best = fits.minimise(
            [middle], box, likelihood.chi2_of_few, about=run.model.records, everywhere=True
        )
        said = [f"{c} {data.chi2_sm[c]:.1f} ({data.n_obs[c]})" for c in data.chi2_sm]
        print(f"{name}: {', '.join(said)}", end="; ")
        if best:
            place = [f"{key} {best.values[key]:.4g} ± {best.errors.get(key, 0):.2g}" for key in box]
            gain = {c: data.chi2_sm[c] - best.chi2[c] for c in data.chi2_sm}
            print(", ".join(place), end="; ")
            print(f"{gain[GLOBAL]:.2f} ({', '.join(f'{c} {x:.2f}' for c, x in gain.items())})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configuration", help="with additional observables")
    try:
        main(parser.parse_args().configuration)
    except (ConfigurationError, StoreError, OSError) as problem:
        sys.exit(str(problem))
