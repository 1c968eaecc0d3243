"""Coverage of the 68% and 95% levels by toys: python scripts/coverage.py results/b3-l2 [toys].

Pseudo-data are drawn from the prediction at the best fit with the total covariance; the few
measurements that are not normal are treated as normal. Each toy is fitted on the points of the
run's scan that lie within 30 of the minimum and are physical; the truth is inside a region if its
(profiled) chi2 is below the level above the toy's minimum.
"""

import argparse
import sys
from pathlib import Path

from malaphoric import store
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import loading
from malaphoric.inference.results import Fits
from malaphoric.inference.statistics import delta_chi2_level, grid_of
from malaphoric.physics.model import Model
from malaphoric.physics.smeft import M_REFERENCE
from malaphoric.schema import ConfigurationError

import numpy as np

REACH, SEED = 30.0, 1


def compiled_engine(run: Path, theory: dict, data: Likelihood) -> object:
    """The compiled engine of a run; additional observables, if any, are compiled anew.

    Parameters
    ----------
    run : Path
        Folder of the run.
    theory : dict
        What its scan was made from: model, M_X, smeft_accuracy.
    data : Likelihood
        Its observables are those of the theory, the additional ones last.
    """
    setting = (Model.of(theory["model"]), "compiled", theory["M_X"], theory["smeft_accuracy"])
    running = run / "running.h5"
    return loading.engine_of(data.observables, *setting, running if running.exists() else None)


def whitened(data: Likelihood) -> np.ndarray:
    """Matrix that turns predictions into uncorrelated residuals of unit variance."""
    rows = []
    for k in data.constraints:
        covariance = k.arrays.get("covariance", np.diag(k.deviation() ** 2))
        error = np.sqrt(np.diag(covariance))
        inverse = np.linalg.inv(np.linalg.cholesky(covariance / np.outer(error, error)))
        block = np.zeros((len(k.columns), len(data.observables)))
        block[:, k.columns] = inverse / error
        rows.append(block)
    return np.concatenate(rows)


def main(run: Path, toys: int) -> None:
    """Print the fraction of toys whose regions contain the truth, with its error."""
    fit = Fits.read(run / "best_fit.json").main
    with store.read(run / "scan.h5") as file:
        described = store.parse(file.attrs["theory"])
        names = file["category"].asstr()[:].tolist()
        grid = grid_of(file)
        axes = grid.axes
        chi2 = file["chi2"][-1]
    three = len(grid.scanned) == len(axes) == 3
    if fit is None or not three or described["M_X"] is None:
        raise ConfigurationError(
            f"{run}: coverage needs a best fit of three scanned parameters, at a mass"
        )
    data = Likelihood.load(run / "likelihood.h5", names[:-1])
    engine = compiled_engine(run, described, data)
    truth = np.array([fit.values[name] for name in grid.names])

    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    physical = np.abs(mesh[..., 0]) <= M_REFERENCE / described["M_X"]
    points = mesh[(chi2 - np.nanmin(chi2) < REACH) & physical]
    # the profile of the truth's (epsilon_hat, g_hat) needs a line of theta_sb through it
    line = np.repeat(truth[np.newaxis], 200, axis=0)
    line[:, 2] = truth[2] * np.linspace(0.3, 2.0, 200)
    points = np.concatenate([truth[np.newaxis], line, points])
    matrix = whitened(data)
    residuals = (engine.evaluate(points).predictions @ matrix.T).astype(np.float32)
    residuals -= residuals[0].copy()  # relative to the truth
    squares = np.einsum("ni,ni->n", residuals, residuals)
    nothing = np.isnan(squares)  # no CKM elements
    residuals[nothing], squares[nothing] = 0, np.inf

    rng = np.random.default_rng(SEED)
    inside = {(dof, cl): 0 for dof in (3, 2) for cl in (0.68, 0.95)}
    for start in range(0, toys, 100):
        noise = rng.normal(size=(min(100, toys - start), residuals.shape[1])).astype(np.float32)
        # chi2(point) - chi2(truth) for data = truth + noise
        delta = squares - 2 * noise @ residuals.T
        minimum = delta.min(axis=1)
        for (dof, cl), _ in inside.items():
            at_truth = 0.0 if dof == 3 else delta[:, 1:201].min(axis=1)
            level = delta_chi2_level(cl, dof)
            inside[dof, cl] += int(np.sum(at_truth - minimum <= level))
    print(f"{toys} toys, {len(points)} points, truth {truth.round(4).tolist()}")
    for (dof, cl), count in inside.items():
        p = count / toys
        error = (p * (1 - p) / toys) ** 0.5
        x, y, z = grid.names
        what = "three parameters" if dof == 3 else f"{x} and {y}, {z} profiled"
        print(f"{100 * cl:g}% region of {what}: {100 * p:.1f}% +- {100 * error:.1f}%")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a finished run, as results/b3-l2")
    parser.add_argument("toys", type=int, nargs="?", default=2000, help="default: 2000")
    options = parser.parse_args()
    if options.toys < 1:
        parser.error(f"toys: {options.toys} is not accepted; accepted: 1 or more")
    try:
        main(options.run, options.toys)
    except (ConfigurationError, store.StoreError, OSError) as problem:
        sys.exit(str(problem))
