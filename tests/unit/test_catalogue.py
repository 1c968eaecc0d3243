"""The models that come with the package: free of anomalies, with a box and an engine that hold."""

import numpy as np
import pytest
from scipy.optimize import differential_evolution

from malaphoric import Model, load_likelihood
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines.exact import ExactEngine
from malaphoric.inference import box, fits
from malaphoric.inference.results import Minimum, ScanResult
from malaphoric.inference.validation import compare
from malaphoric.physics.facts import anomalies
from malaphoric.schema import ROOT
from malaphoric.workflow.configuration import load_configuration

MODELS = sorted(path.stem for path in (ROOT / "config" / "models").glob("*.yaml"))

#: Where the compiled engine is held against smelli: best fits of `python -m malaphoric box`,
#: rounded.
POINTS = {
    "3b3-l": (0.9, 0.6, -0.025),
    "b-l": (0.9, 0.38),
    "deformed-hypercharge": (0.9, 0.042, 0.31, 0.1),
    "lmu-ltau": (0.88, 0.2, -0.07),
    "third-family-hypercharge": (-0.59, 0.047, -0.3),
}


@pytest.mark.parametrize("name", MODELS)
def test_anomalies_cancel(name):
    """Truth: the six sums, where three right-handed neutrinos may take part in the last two."""
    found = anomalies(Model.load(name))["with_neutrinos"]
    assert len(found) == 6
    assert set(found.values()) == {"0"}
    assert Model.load(name).reference


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_box_holds_the_best_fit(name):
    """Truth: `box`, which minimises in all that is physical."""
    path = ROOT / "config" / ("config.yaml" if name == "b3-l2" else f"{name}.yaml")
    run = load_configuration(path)
    assert run.model.name == name
    likelihood = load_likelihood(run.model)
    found = box.propose(likelihood)
    for parameter, axis in run.grid.named.items():
        assert axis[0] <= found.best.values[parameter] <= axis[-1]
    assert set(run.profiled) <= {"theta_sb", "theta_R"}


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
def test_compiled_engine_holds(name):
    """Truth: smelli at the best fit, within the bounds that every checked run has."""
    likelihood = load_likelihood(name)
    points = np.array([POINTS[name]])
    data: Likelihood = likelihood.data
    exact = ExactEngine(Model.load(name)).evaluate(points)
    values = np.stack(list(data.chi2(exact.predictions).values()), axis=1)
    given = {"points": points, "chi2": values, "ckm": exact.ckm, "reason": exact.reason}
    given["predictions"] = exact.predictions
    ours = likelihood.engine.evaluate(points)
    assert compare(given, ours, data, values[0, -1]).failures == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["b3-l2", "3b3-l", "3b3-le-2lmu", "third-family-hypercharge", "deformed-hypercharge"],
)
def test_fits_are_global(name):
    """Truth: differential evolution in the box of the model's run; ours start from a bad point."""
    run = load_configuration(ROOT / "config" / f"{'config' if name == 'b3-l2' else name}.yaml")
    likelihood = load_likelihood(run.model)
    limits = fits.physical_box(run.grid, run.mass, run.profiled, likelihood.parameters)
    low, high = fits.limits_of(limits)
    anywhere = np.random.default_rng(2).uniform(low, high, (256, len(low)))
    worst = np.nanargmax(likelihood.chi2(anywhere)["global"])
    start = Minimum(dict(zip(limits, anywhere[worst].tolist(), strict=True)), {})
    grid = ScanResult(all={"global": start})
    about = (grid, likelihood.chi2_sm, likelihood.n_obs, limits)
    found = fits.best_fits(*about, run.fits, likelihood.chi2_of_few)
    for fit, held in run.fits.items():
        free = np.array([parameter not in held for parameter in limits])

        def height(x, free=free):
            points = np.zeros((x.shape[1], len(free)))
            points[:, free] = x.T
            return np.nan_to_num(likelihood.chi2_of_few(points)["global"], nan=1e6)

        assert set(held.values()) <= {0.0}
        bounds = np.stack([low, high], axis=1)[free]
        settings = {"popsize": 20, "tol": 1e-6, "seed": 1, "polish": False}
        theirs = differential_evolution(
            height, bounds, vectorized=True, updating="deferred", **settings
        )
        assert found.found[fit].chi2["global"] < theirs.fun + 0.01
