"""Command line: ``python -m malaphoric point --model b3-l2 --epsilon-hat ... ``.

Scans are run by Snakemake; here is what is asked of a single point.
"""

from __future__ import annotations

import argparse
import json
import sys

from malaphoric import load_likelihood, point
from malaphoric.schema import ConfigurationError


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m malaphoric", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("point", help="everything about one point of parameter space")
    one.add_argument("--model", required=True, help="name in config/models, or path to a YAML file")
    one.add_argument("--epsilon-hat", type=float, required=True, help="epsilon (3 TeV / M_X)")
    one.add_argument("--g-hat", type=float, required=True, help="g_X (3 TeV / M_X)")
    one.add_argument("--theta-sb", type=float, required=True, help="mixing angle in rad")
    one.add_argument("--M-X", type=float, default=3000.0, help="mass in GeV (default: 3000)")
    one.add_argument("--engine", choices=("compiled", "exact"), default="compiled")
    one.add_argument("--lep2-set", choices=("paper", "full"), default="paper")
    one.add_argument("--data", help="likelihood.h5 of a run (default: made once and cached)")
    one.add_argument("--rows", type=int, default=12, help="rows of the long lists (default: 12)")
    one.add_argument("--wcxf", help="write the SMEFT coefficients to this WCxf file")
    one.add_argument("--json", action="store_true", help="print plain data as JSON instead of text")
    options = parser.parse_args(arguments)
    try:
        likelihood = load_likelihood(
            options.model,
            engine=options.engine,
            M_X=options.M_X,
            lep2_set=options.lep2_set,
            data=options.data,
        )
    except ConfigurationError as error:
        parser.error(str(error))
    description = point.describe(likelihood, options.epsilon_hat, options.g_hat, options.theta_sb)
    if options.wcxf:
        point.write_wcxf(description, options.wcxf)
    print(
        json.dumps(description, indent=2) if options.json else point.text(description, options.rows)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
