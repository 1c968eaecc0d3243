"""Which measurement moves what: python scripts/leave_out.py CONFIGURATION.

Each overlay and each included measurement of the configuration is left out in turn, and what it
replaces is put back; prints the Standard Model's chi2 and the best fit of the model each time.
"""

import argparse
import sys

from malaphoric.data import theory
from malaphoric.data.categories import GLOBAL
from malaphoric.data.likelihood import Likelihood
from malaphoric.data.measurements import Measurements, brought, combine, without
from malaphoric.engines import loading
from malaphoric.engines.basis import parameters
from malaphoric.inference import fits
from malaphoric.inference.results import Fit
from malaphoric.report import tables
from malaphoric.schema import ConfigurationError
from malaphoric.store import StoreError
from malaphoric.workflow.configuration import Configuration, load_configuration


def likelihoods(run: Configuration) -> dict[str, Likelihood]:
    """By what is left out, the likelihood of the run."""
    base = Measurements.load(run.packaged_measurements)
    wanted, extra = run.selection.extra, None
    if wanted:
        draws = theory.Draws.load(theory.EXTRA) if run.shipped else theory.make_extra(wanted)
        extra = theory.follow(theory.Draws.load(theory.PACKAGED), draws.of(wanted))
    given = run.likelihood()
    whole = nothing = given["selection"], run.selection.overlays
    found = {"nothing": whole}
    for name in brought(*whole):
        found[name] = without(name, *whole)
        nothing = without(name, *nothing)
    found["all of these"] = nothing
    return {
        name: combine(base, given["lep2_set"], *chosen, extra).of(run.categories)
        for name, chosen in found.items()
    }


def put_back(data: Likelihood, whole: Likelihood) -> str:
    """Measurements that count in a likelihood and not in the whole one."""
    names = [set().union(*x.settings["measurements"].values()) for x in (data, whole)]
    return ", ".join(sorted(names[0] - names[1]))


def row(name: str, data: Likelihood, whole: Likelihood, best: Fit) -> dict:
    """What is left out and put back, the Standard Model, the best fit, and what it gains."""
    gain = {c: data.chi2_sm[c] - best.chi2[c] for c in data.chi2_sm}
    place = {
        key: f"{value:.3f} ± {best.errors[key]:.3f}" if key in best.errors else f"{value:.3f}"
        for key, value in best.values.items()
    }
    return {
        "left out": name,
        "put back": put_back(data, whole),
        "observations": data.n_obs[GLOBAL],
        "chi2_SM": f"{data.chi2_sm[GLOBAL]:.2f}",
        **place,
        **{f"dchi2_{c}": f"{value:.2f}" for c, value in gain.items()},
    }


def main(path: str) -> None:
    """Print the table."""
    run = load_configuration(path)
    if not run.packaged_measurements or run.mass is None:
        raise ConfigurationError(f"{path}: the package's draws and seed, and a mass needed")
    every, rows = likelihoods(run), []
    whole = every["nothing"]
    setting = (run.model, "compiled", run.mass, run["smeft_accuracy"])
    engine = loading.engine_of(whole.observables, *setting)
    box = fits.physical_box(run.grid, run.mass, run.profiled, parameters(run.model, run.mass))
    start = {key: sum(ends) / 2 for key, ends in box.items()}
    for name, data in every.items():
        chi2 = loading.ModelLikelihood(run.model, run.mass, engine, data).chi2_of_few
        best = fits.minimise([start], box, chi2, about=run.model.records, everywhere=True)
        if best is None:
            raise ConfigurationError(f"{path}: no valid point in the box")
        rows.append(row(name, data, whole, best))
        start = best.values
    foot = "dchi2: chi2_SM - chi2 at the best fit."
    print(tables.markdown(f"{run['run']}: measurements left out in turn", rows, foot))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configuration", help="with overlays or included measurements")
    try:
        main(parser.parse_args().configuration)
    except (ConfigurationError, StoreError, OSError) as problem:
        sys.exit(str(problem))
