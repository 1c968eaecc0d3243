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

from malaphoric import Model, engines, running
from malaphoric.grid import BLOCK
from malaphoric.likelihood import Likelihood
from malaphoric.measurements import make_likelihood

import numpy as np

MODEL = "b3-l2"
M_X = 3000.0
NEAR = np.array([-0.92, 0.078, -0.17])  # around the best fit, where no point fails


def near(n: int, seed: int) -> np.ndarray:
    """Random points near the best fit, shape (n, 3)."""
    return NEAR * np.random.default_rng(seed).uniform(0.8, 1.2, (n, 3))


def exact_against_smelli(data: Likelihood, n: int = 6) -> tuple[float, float]:
    """CPU seconds a point of the exact engine and of bare smelli, alternating."""
    from malaphoric import categories
    from malaphoric.exact import ExactTheory

    theory, gl = ExactTheory(Model.load(MODEL), M_X), categories.global_likelihood()
    ours, bare = [], []
    for i, point in enumerate(near(n + 1, 1)):
        start = time.process_time()
        data.chi2(theory.evaluate(point[np.newaxis]).predictions)
        ours.append(time.process_time() - start)
        w = theory.wilson(point * 1.001)  # another point, so that nothing is remembered
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gl.parameter_point(w).chi2_dict()
        bare.append(time.process_time() - start)
        print(f"  exact engine {ours[i]:.2f} s, smelli {bare[i]:.2f} s", file=sys.stderr)
    return float(np.mean(ours[1:])), float(np.mean(bare[1:]))  # the first pays for caches


def _worker(barrier, queue, n: int, seed: int) -> None:
    from malaphoric.exact import ExactTheory

    theory = ExactTheory(Model.load(MODEL), M_X)
    theory.evaluate(near(1, 99))
    barrier.wait()
    start = time.monotonic()
    theory.evaluate(near(n, seed))
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


def compiled_against_floor(data: Likelihood, n: int = 100_000) -> tuple[float, float]:
    """Seconds a point of the compiled engine with chi2, and of the bare arithmetic.

    The floor is what no implementation with these tables can avoid: predictions as a matrix product
    of features and coefficients, and the quadratic forms of the four categories, in BLAS.
    """
    theory = engines.load_theory(Model.load(MODEL), "compiled", M_X)
    lh = engines.ModelLikelihood(Model.load(MODEL), M_X, theory, data)
    points = near(n, 3)
    lh.chi2(points[:BLOCK])
    start = time.process_time()
    lh.chi2(points)
    compiled = (time.process_time() - start) / n

    rng = np.random.default_rng(0)
    features, coefficients = rng.normal(size=(BLOCK, 60)), rng.normal(size=(60, 510))
    squares = [(rng.normal(size=(BLOCK, k)), rng.normal(size=(k, k))) for k in (306, 148, 31, 24)]
    start = time.process_time()
    for _ in range(n // BLOCK):
        features @ coefficients
        for residual, whitening in squares:
            r = residual @ whitening
            np.einsum("ni,ni->n", r, r)
    floor = (time.process_time() - start) / (n // BLOCK * BLOCK)
    return compiled, floor


_MILLION = """
import resource, sys, time
from malaphoric import Model, chunks, engines, scan
from malaphoric.grid import Grid
from malaphoric.likelihood import Likelihood
data = Likelihood.load(sys.argv[1])
theory = engines.load_theory(Model.load("b3-l2"), "compiled", 3000.0, running=sys.argv[2])
grid = Grid.from_dict({
    "epsilon_hat": {"min": -1.2, "max": 0.3, "points": 100},
    "g_hat": {"min": 0, "max": 0.25, "points": 100},
    "theta_sb": {"min": -0.4, "max": 0.4, "points": 100},
})
start = time.process_time()
description = {"model": {}}
chunks.write_points(sys.argv[3] + "/chunk.h5", grid.points(), theory, data, description, False,
                  out=lambda text: None)
scan.merge(sys.argv[3] + "/scan.h5", grid, [([sys.argv[3] + "/chunk.h5"], 0, grid.size)],
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
    """Measure everything and print the table of the README."""
    data = make_likelihood()
    ours, bare = exact_against_smelli(data)
    exact_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    efficiency = two_cores()
    compiled, floor = compiled_against_floor(data)
    start = time.process_time()
    running.run(Model.load(MODEL), M_X)
    new_model = time.process_time() - start
    seconds, memory = million_points(data)
    rows = [
        ("exact engine over bare smelli, CPU a point", f"{ours:.2f} s / {bare:.2f} s", ours / bare),
        ("efficiency of 2 cores over 1, exact engine", "wall time", efficiency),
        ("smelli over compiled engine, CPU a point", f"{compiled * 1e6:.1f} µs", bare / compiled),
        ("compiled engine over its arithmetic floor", f"{floor * 1e6:.1f} µs", compiled / floor),
        (
            "10⁶ points with files, 1 core (ratio: to a minute)",
            f"{seconds:.0f} s, {memory:.2f} GiB",
            seconds / 60,
        ),
        ("new model for the compiled engine (running)", f"{new_model:.2f} s", new_model / bare),
        ("memory of an exact worker", f"{exact_memory:.2f} GiB", exact_memory / memory),
    ]
    print("| what | measured | ratio |\n|---|---|---|")
    for name, measured, ratio in rows:
        print(f"| {name} | {measured} | {ratio:.3g} |")


if __name__ == "__main__":
    main()
