"""What a scan of any size costs, from what its parts cost: python tests/benchmarks/scale.py

Measures disk, time and memory of chunk files and their merge, for a stand-in theory that costs
nothing, and prints them with the table of docs/cluster.md. CPU seconds a point are those of
`make bench`. Wants OMP_NUM_THREADS=1, 2 GB of disk in the current folder, and a few minutes.

    scale.py table                    the table alone, at once
    scale.py small LIKELIHOOD.h5      the measurement with some hundred points, to see that it runs
"""

import argparse
import math
import multiprocessing
import resource
import sys
import tempfile
from pathlib import Path

from malaphoric.data.likelihood import Likelihood
from malaphoric.data.measurements import make_likelihood
from malaphoric.engines.protocol import Evaluation
from malaphoric.inference import statistics
from malaphoric.scan import chunks, merging
from malaphoric.scan.grid import Grid
from malaphoric.workflow.configuration import SECONDS_PER_POINT, Configuration

import numpy as np

START = {"exact": 12, "compiled": 1}  # seconds until the first point
OTHERS = {"exact": 15, "compiled": 18}  # jobs beside the chunks
REST = 50  # seconds of data half, best fits and exact checks


class Free:
    """A theory that costs nothing."""

    def __init__(self, data: Likelihood) -> None:
        self.data, self.observables = data, data.observables

    def extract(self, points):
        n = len(points)
        return Evaluation(np.empty((n, 0)), np.full((n, 4), 0.2), np.full(n, "", dtype=object))

    def evaluate(self, points, progress=None, ckm=None):
        n = len(points)
        if progress:
            progress(n)
        predictions = np.tile(self.data.sm, (n, 1))
        return Evaluation(predictions, np.full((n, 4), 0.2), np.full(n, "", dtype=object))


def grid(per_axis: int) -> dict:
    axes = {"epsilon_hat": (-1.0, 0.3), "g_hat": (0.0, 0.3), "theta_sb": (-0.6, 0.6)}
    return {name: {"min": a, "max": b, "points": per_axis} for name, (a, b) in axes.items()}


def measured(work, *args) -> tuple[float, float]:
    """CPU seconds and peak memory in GiB of a piece of work, in a process of its own."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def run():
        work(*args)
        use = resource.getrusage(resource.RUSAGE_SELF)
        queue.put((use.ru_utime + use.ru_stime, use.ru_maxrss / 2**20))

    process = context.Process(target=run)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)
    return queue.get()


def files(engine: str, per_axis: int, per_chunk: int, data: Likelihood, folder: Path) -> None:
    """Print what chunks, merge and profile cost."""
    the_grid, free = Grid.from_dict(grid(per_axis)), Free(data)
    description = {"engine": engine, "model": {"name": "none"}, "M_X": 3000.0}
    ranges = the_grid.chunks(per_chunk)
    paths = [folder / f"{start}.h5" for start, _ in ranges]

    def write():
        for path, (start, stop) in zip(paths, ranges, strict=True):
            points = the_grid.points(start, stop)
            chunks.write_points(
                path, points, free, data, description, engine == "exact", lambda text: None
            )

    def merge():
        chunks = [([path], *ends) for path, ends in zip(paths, ranges, strict=True)]
        merging.merge(folder / "scan.h5", the_grid, chunks, [description], data, {})

    def profile():
        statistics.profile(folder / "scan.h5", folder / "profile.h5")

    for name, work in {"chunks": write, "merge": merge, "profile": profile}.items():
        seconds, peak = measured(work)
        made = (
            paths if name == "chunks" else [folder / {"merge": "scan.h5"}.get(name, "profile.h5")]
        )
        size = sum(path.stat().st_size for path in made)
        print(
            f"{engine}, {the_grid.size:.2g} points in {len(ranges)} chunks: {name}: "
            f"{1e6 * seconds / the_grid.size:.1f} µs and {size / the_grid.size:.1f} bytes a point, "
            f"peak {peak:.2f} GiB",
            flush=True,
        )
    for path in [*paths, folder / "scan.h5", folder / "profile.h5"]:
        path.unlink()


def words(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.{0 if seconds > 10 * size else 1}f} {unit}"
    return f"{seconds:.0f} s"


def table(bytes_a_point: dict, merge: dict) -> None:
    """Print the table of docs/cluster.md."""
    print("| points | engine | cores | wall time | disk | jobs |\n|---|---|---|---|---|---|")
    for engine, powers in {"compiled": (6, 8, 9), "exact": (4, 6, 8)}.items():
        for power in powers:
            per_axis = round(10 ** (power / 3))
            for cores, minutes in ((2, 3), (100, 60), (10_000, 60)):
                run = Configuration(
                    {"run": "x", "model": "b3-l2", "engine": engine, "parameters": grid(per_axis)}
                    | {"chunk_minutes": minutes}
                )
                number = len(run.chunks)
                chunk = START[engine] + SECONDS_PER_POINT[engine] * run.grid.size / number
                wall = REST + math.ceil(number / cores) * chunk + merge[engine] * run.grid.size
                disk = bytes_a_point[engine] * run.grid.size / 1e9
                disk = f"{disk:.{0 if disk > 10 else 2}f} GB"
                size, on = f"10{'⁰¹²³⁴⁵⁶⁷⁸⁹'[power]}", "10⁴" if cores == 10_000 else cores
                cells = (size, engine, on, words(wall), disk, number + OTHERS[engine])
                print(f"| {' | '.join(map(str, cells))} |")


def measure(small: str | None = None) -> None:
    """Print what chunks, merge and profile cost; `small`: with the likelihood in this file."""
    with tempfile.TemporaryDirectory(dir=".") as name:
        path = Path(small or Path(name) / "likelihood.h5")
        if not small:  # in a process of its own, or its memory would count
            measured(lambda: make_likelihood(nexp=5000, seed=1, lep2_set="paper").save(path))
        likelihood = Likelihood.load(path)
        files("compiled", 8 if small else 216, 200 if small else 4_000_000, likelihood, Path(name))
        files("exact", 4 if small else 46, 25 if small else 25_000, likelihood, Path(name))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("all", "table", "small"), default="all")
    parser.add_argument("likelihood", nargs="?", help="likelihood.h5, for small")
    options = parser.parse_args()
    if (options.what == "small") != (options.likelihood is not None):
        parser.error("small, and nothing else, needs the path of a likelihood.h5")
    if options.what != "table":
        measure(options.likelihood)
    # as measured above: chunks and scan.h5
    table({"compiled": 149, "exact": 4230}, {"compiled": 0.4e-6, "exact": 13e-6})
