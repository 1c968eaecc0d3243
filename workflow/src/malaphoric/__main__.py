"""Command line: ``python -m malaphoric point --model b3-l2 --epsilon-hat ... ``, and ``check``.

Scans are run by Snakemake; here is what is asked of a single point, or of a configuration alone.
"""

from __future__ import annotations

import argparse
import math
import sys

from malaphoric import load_likelihood, point
from malaphoric.compiled import check_table
from malaphoric.configuration import load_configuration
from malaphoric.measurements import read_overlay
from malaphoric.schema import ConfigurationError
from malaphoric.store import StoreError, strict_json


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise argparse.ArgumentTypeError(f"{text} is not accepted; accepted: a number")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m malaphoric", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("point", help="everything about one point of parameter space")
    check = commands.add_parser("check", help="say whether a run configuration is accepted")
    check.add_argument("file", help="YAML file; nothing in it is executed")
    one.add_argument("--model", required=True, help="name in config/models, or path to a YAML file")
    one.add_argument("--epsilon-hat", type=_finite, required=True, help="epsilon (3 TeV / M_X)")
    one.add_argument("--g-hat", type=_finite, required=True, help="g_X (3 TeV / M_X)")
    one.add_argument("--theta-sb", type=_finite, required=True, help="mixing angle in rad")
    one.add_argument("--M-X", type=_finite, default=3000.0, help="mass in GeV (default: 3000)")
    one.add_argument("--engine", choices=("compiled", "exact"), default="compiled")
    one.add_argument("--lep2-set", choices=("paper", "full"), default="paper")
    one.add_argument("--data", help="likelihood.h5 of a run (default: made once and cached)")
    one.add_argument("--rows", type=int, default=12, help="rows of the long lists (default: 12)")
    one.add_argument("--wcxf", help="write the SMEFT coefficients to this WCxf file")
    one.add_argument("--json", action="store_true", help="print plain data as JSON instead of text")
    options = parser.parse_args(arguments)
    try:
        if options.command == "check":
            run = load_configuration(options.file)
            run.model.check_title()
            if run["engine"] == "compiled":
                check_table()
            for path in run.selection.overlays:  # values are flavio's to read
                read_overlay(path)
            print(f"{options.file}: accepted, {run.grid.size} points")
        else:
            _point(options)
    except (ConfigurationError, StoreError) as error:
        parser.error(str(error))
    return 0


def _point(options: argparse.Namespace) -> None:
    """Print a point, and write its coefficients if that is asked for."""
    likelihood = load_likelihood(
        options.model,
        engine=options.engine,
        M_X=options.M_X,
        lep2_set=options.lep2_set,
        data=options.data,
    )
    description = point.describe(likelihood, options.epsilon_hat, options.g_hat, options.theta_sb)
    if options.wcxf:
        point.write_wcxf(description, options.wcxf)
    print(strict_json(description) if options.json else point.text(description, options.rows))


if __name__ == "__main__":
    sys.exit(main())
