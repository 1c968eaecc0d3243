"""Benchmarks, each a ratio measured side by side in one run: `make bench` prints the table.

Not a test: speeds depend on the machine, ratios hardly.
"""

import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

from malaphoric import Model
from malaphoric.data.likelihood import Likelihood
from malaphoric.data.measurements import make_likelihood
from malaphoric.engines import loading, running
from malaphoric.inference import fits

import numpy as np

MODEL = "b3-l2"
M_X = 3000.0
_FLOOR = 1024  # points of a block of the floor: the same for ever, so that ratios can be compared
NEAR = np.array([-0.92, 0.078, -0.17])  # around the best fit, where no point fails


def near(n: int, seed: int) -> np.ndarray:
    """Random points near the best fit, shape (n, 3)."""
    return NEAR * np.random.default_rng(seed).uniform(0.8, 1.2, (n, 3))


def exact_against_smelli(data: Likelihood, n: int = 6) -> tuple[float, float]:
    """CPU seconds per point of the exact engine and of bare smelli, alternating."""
    from malaphoric.data import categories
    from malaphoric.engines.exact import ExactEngine

    engine, gl = ExactEngine(Model.load(MODEL), M_X), categories.global_likelihood()
    ours, bare = [], []
    for i, point in enumerate(near(n + 1, 1)):
        start = time.process_time()
        data.chi2(engine.evaluate(point[np.newaxis]).predictions)
        ours.append(time.process_time() - start)
        w = engine.wilson(point * 1.001)  # another point, so that nothing is remembered
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gl.parameter_point(w).chi2_dict()
        bare.append(time.process_time() - start)
        print(f"  exact engine {ours[i]:.2f} s, smelli {bare[i]:.2f} s", file=sys.stderr)
    return float(np.mean(ours[1:])), float(np.mean(bare[1:]))  # the first pays for caches


def _worker(barrier, queue, n: int, seed: int) -> None:
    from malaphoric.engines.exact import ExactEngine

    engine = ExactEngine(Model.load(MODEL), M_X)
    engine.evaluate(near(1, 99))
    barrier.wait()
    start = time.monotonic()
    engine.evaluate(near(n, seed))
    queue.put(time.monotonic() - start)


def two_cores(n: int = 4) -> float:
    """Efficiency of two exact workers against one: wall time of one over that of two."""
    context = multiprocessing.get_context("spawn")

    def run(workers: int) -> float:
        barrier, queue = context.Barrier(workers), context.Queue()
        processes = [
            context.Process(target=_worker, args=(barrier, queue, n, 7)) for _ in range(workers)
        ]
        for process in processes:
            process.start()
        times = [queue.get() for _ in processes]
        for process in processes:
            process.join()
        return max(times)

    return run(1) / run(2)


#: Angles and a phase of a model with eight parameters.
EIGHT = {
    "V_dL": [
        {"plane": 12, "angle": "theta_ds"},
        {"plane": 13, "angle": "theta_bd"},
        {"plane": 23, "angle": "theta_sb", "phase": "phi_sb"},
    ],
    "V_dR": [{"plane": 23, "angle": "theta_R"}],
    "V_uR": [{"plane": 23, "angle": "theta_ct"}],
}


def compiled_against_floor(
    data: Likelihood, n: int = 51_200, alone: int = 200, repeat: int = 5
) -> tuple[float, float, float, float]:
    """CPU seconds per point of the compiled engine with chi2, with three and eight parameters and
    with one point per call, as a sampler makes it, and of the bare arithmetic; in turns, the best
    of each.

    The floor is what no implementation with these tables can avoid: predictions as a matrix product
    of features and coefficients, and the quadratic forms of the four categories, in BLAS.
    """
    content = {**Model.load(MODEL).as_dict(), "title": "eight", "mixing": EIGHT}
    points = near(n, 3)
    angles = np.random.default_rng(4).uniform(-1, 1, (n, 6)) * [1e-3, 2e-3, 0.2, 1, 0.02, 0.2]
    likelihoods = []
    for model in (Model.load(MODEL), Model.from_dict(content)):
        engine = loading.load_engine(model, "compiled", M_X)
        likelihoods.append(loading.ModelLikelihood(model, M_X, engine, data))
    rng = np.random.default_rng(0)
    features, coefficients = rng.normal(size=(_FLOOR, 60)), rng.normal(size=(60, 510))
    squares = [(rng.normal(size=(_FLOOR, k)), rng.normal(size=(k, k))) for k in (306, 148, 31, 24)]

    def floor() -> None:
        for _ in range(n // _FLOOR):
            features @ coefficients
            for residual, whitening in squares:
                r = residual @ whitening
                np.einsum("ni,ni->n", r, r)

    first, second = likelihoods
    works = (
        (n, lambda: first.chi2(points)),
        (n, lambda: second.chi2(np.concatenate([points[:, :2], angles], axis=1))),
        (alone, lambda: [first.log_likelihood(point) for point in points[:alone]]),
        (n, floor),
    )
    return tuple(np.min([[_cpu(work) / m for m, work in works] for _ in range(repeat)], axis=0))


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def best_fit(lh: loading.ModelLikelihood) -> float:
    """CPU seconds of a best fit of three parameters with its covariance."""
    box = {"epsilon_hat": (-1.0, 0.3), "g_hat": (0.0, 0.3), "theta_sb": (-0.6, 0.1)}
    start = {"epsilon_hat": -0.8, "g_hat": 0.09, "theta_sb": -0.2}
    fits.minimise([start], box, lh.chi2_of_few)
    return _cpu(lambda: fits.minimise([start], box, lh.chi2_of_few))


_LOADING = """
import time
from malaphoric import load_likelihood
load_likelihood("b3-l2")
first = time.process_time()
load_likelihood("3b3-le-2lmu")
print(first, time.process_time() - first)
"""


def load_times() -> tuple[float, float]:
    """CPU seconds of `load_likelihood` in a fresh process, with imports, and of the next model."""
    out = subprocess.run(
        [sys.executable, "-c", _LOADING], capture_output=True, text=True, check=True
    )
    first, following = map(float, out.stdout.split())
    return first, following


_MILLION = """
import resource, sys, time
from malaphoric import Model
from malaphoric.engines import loading
from malaphoric.scan import chunks, merging
from malaphoric.scan.grid import Grid
from malaphoric.data.likelihood import Likelihood
data = Likelihood.load(sys.argv[1])
theory = loading.load_engine(Model.load("b3-l2"), "compiled", 3000.0, running=sys.argv[2])
grid = Grid.from_dict({
    "epsilon_hat": {"min": -1.2, "max": 0.3, "points": 100},
    "g_hat": {"min": 0, "max": 0.25, "points": 100},
    "theta_sb": {"min": -0.4, "max": 0.4, "points": 100},
})
start = time.process_time()
description = {"model": {}}
chunks.write_points(sys.argv[3] + "/chunk.h5", grid.points(), theory, data, description, False,
                  out=lambda text: None)
merging.merge(sys.argv[3] + "/scan.h5", grid, [([sys.argv[3] + "/chunk.h5"], 0, grid.size)],
           [description], data, {})
print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def million_points(data: Likelihood) -> tuple[float, float]:
    """CPU seconds and peak memory (GiB) of a scan of 10^6 points with its files."""
    with tempfile.TemporaryDirectory() as folder:
        data.save(f"{folder}/likelihood.h5")
        running.run(Model.load(MODEL), M_X).save(f"{folder}/running.h5")
        out = subprocess.run(
            [
                sys.executable,
                "-c",
                _MILLION,
                f"{folder}/likelihood.h5",
                f"{folder}/running.h5",
                folder,
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    seconds, gib = map(float, out.stdout.split())
    return seconds, gib


def main() -> None:
    """Measure everything and print the table of docs/engines.md."""
    data = make_likelihood()
    # before smelli is imported, as in the jobs of a compiled run
    compiled, eight, single, floor = compiled_against_floor(data)
    fit = best_fit(loading.load_likelihood(MODEL))
    ours, bare = exact_against_smelli(data)
    exact_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    efficiency = two_cores()
    first, following = load_times()
    seconds, memory = million_points(data)
    us, ms = 1e6, 1e3
    rows = [
        ("exact engine over smelli, CPU per point", f"{ours:.2f} s / {bare:.2f} s", ours / bare),
        ("efficiency of 2 cores over 1, exact engine", "wall time", efficiency),
        ("smelli over compiled engine, CPU per point", f"{compiled * us:.1f} µs", bare / compiled),
        ("compiled engine over its arithmetic floor", f"{floor * us:.1f} µs", compiled / floor),
        ("eight parameters over three", f"{eight * us:.1f} µs", eight / compiled),
        ("one point per call over the floor", f"{single * ms:.2f} ms", single / floor),
        ("best fit, 3 parameters, covariance, over smelli", f"{fit:.2f} s", fit / bare),
        ("`load_likelihood`, new process, over smelli", f"{first:.2f} s", first / bare),
        ("`load_likelihood`, next model, over smelli", f"{following:.2f} s", following / bare),
        (
            "10⁶ points with files, over a minute",
            f"{seconds:.0f} s, {memory:.2f} GiB",
            seconds / 60,
        ),
        ("memory of an exact worker", f"{exact_memory:.2f} GiB", exact_memory / memory),
    ]
    print("| what | measured | ratio |\n|---|---|---|")
    for name, measured, ratio in rows:
        print(f"| {name} | {measured} | {ratio:.3g} |")


if __name__ == "__main__":
    main()
