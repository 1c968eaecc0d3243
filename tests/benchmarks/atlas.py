"""What fits of an atlas cost, and whether more starts find lower minima.

    python tests/benchmarks/atlas.py [MODELS [TOYS]]

fits random models (default: 20) of those of config/atlas.yaml, and the first of them to toys
(default: 50), with the starts of the package and with many more. CPU seconds are of this process.
"""

import sys
import time
from pathlib import Path

from malaphoric.atlas import fitting, toys
from malaphoric.data.measurements import make_likelihood
from malaphoric.schema import load_yaml
from malaphoric.workflow.configuration import AtlasConfiguration

CONFIG = Path(__file__).parents[2] / "config/atlas.yaml"


def timed(function, *about):
    """What a function returns, and its CPU seconds."""
    start = time.process_time()
    found = function(*about)
    return found, time.process_time() - start


def with_more(module, function, *about):
    """The same with many more starts."""
    few = module._LOOKS, module._FOLLOWED
    module._LOOKS, module._FOLLOWED = 8192, 48
    try:
        return function(*about)
    finally:
        module._LOOKS, module._FOLLOWED = few


def main(number: int = 20, pseudo_data: int = 50) -> None:
    run, data = AtlasConfiguration(load_yaml(CONFIG)), make_likelihood()
    models = run.models.taken(toys.chosen(len(run.models), number, 5))
    fitting.fitted(models.taken([0]), run.mass, data)  # reads the tables
    ours, seconds = timed(fitting.fitted, models, run.mass, data)
    truth = with_more(fitting, fitting.fitted, models, run.mass, data)
    print(f"{len(models)} models: {seconds / len(models):.2f} s of CPU each")
    for fit in fitting.FITS:
        missed = (truth.columns[f"{fit}/dchi2"] - ours.columns[f"{fit}/dchi2"])[:, -1]
        print(f"{fit}: more starts find chi2 lower by {missed.max():.1g} at most", flush=True)
    some = models.taken(slice(0, 2))
    found, seconds = timed(toys.improvements, some, run.mass, data, pseudo_data, 1)
    truth = with_more(toys, toys.improvements, some, run.mass, data, pseudo_data, 1)
    missed = truth - found
    each = seconds / len(some)
    print(f"{pseudo_data} toys: {each:.2f} s of CPU a model, mean {found.mean():.2f}")
    print(
        f"more starts: {truth.mean():.2f}, lower by more than 0.01 in {(missed > 0.01).mean():.0%}"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
