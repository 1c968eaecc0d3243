"""Command line: ``python -m malaphoric point``, ``box``, ``model`` and ``check``.

Scans are run by Snakemake; here is what is asked of a point, of a model before its first scan, or
of a configuration alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from malaphoric import __version__, load_likelihood
from malaphoric.atlas import flavour
from malaphoric.data.categories import CATEGORIES
from malaphoric.data.measurements import Measurements, doubts, read_overlay
from malaphoric.data.theory import check as check_draws
from malaphoric.engines.loading import ModelLikelihood
from malaphoric.engines.running import check_tables
from malaphoric.inference import box
from malaphoric.physics import facts
from malaphoric.physics.model import Model
from malaphoric.physics.parameters import KNOWN, MASS, Parameter
from malaphoric.report import point
from malaphoric.schema import ConfigurationError, load_yaml, read_yaml_in_c
from malaphoric.store import StoreError, strict_json
from malaphoric.workflow.configuration import AtlasConfiguration, Configuration, configured

#: Squares of it are finite in any unit.
_LARGEST = 1e9


def _finite(text: str) -> float:
    if not abs(value := float(text)) <= _LARGEST:
        accepted = f"accepted: a number, of {_LARGEST:g} at most"
        raise argparse.ArgumentTypeError(f"{text} is not accepted; {accepted}")
    return value


#: What the parameters of every model are.
_HELP = {"epsilon_hat": "epsilon (3 TeV / M_X)", "g_hat": "g_X (3 TeV / M_X)"}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _assigned(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        return name, _finite(value if equals else "")
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text} is not accepted; accepted: NAME=VALUE, a parameter and a number"
        ) from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--model", nargs="?")
    name = first.parse_known_args(arguments)[0].model
    parser = _parser(KNOWN)
    try:
        if name:  # the other options are its parameters
            parser = _parser(Model.load(name).records)
        options = parser.parse_args(arguments)
        options.run(options)
        sys.stdout.flush()
    except (ConfigurationError, StoreError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except BrokenPipeError:  # of `| head`: what Python flushes at its end has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _parser(parameters: dict[str, Parameter]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m malaphoric", description=__doc__)
    parser.add_argument("--version", action="version", version=f"malaphoric {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    more = "Further parameters of the model are options likewise: --theta-sb of b3-l2 (rad)."
    one = commands.add_parser("point", help="everything about one point", epilog=more)
    one.set_defaults(run=_point)
    one.add_argument("--model", required=True, help="name in config/models, or path to a YAML file")
    for name in (name for name in parameters if name != MASS):
        unit = f", in {parameters[name].unit}" if parameters[name].unit else ""
        text = _HELP.get(name, f"{name} of the model{unit}")
        one.add_argument(_flag(name), dest=name, type=_finite, required=True, help=text)
    one.add_argument("--engine", choices=("compiled", "exact"), default="compiled")
    one.add_argument("--rows", type=int, default=12, help="rows of the long lists (default: 12)")
    one.add_argument("--wcxf", help="write the SMEFT coefficients to this WCxf file")
    one.add_argument("--json", action="store_true", help="print plain data as JSON instead of text")
    where = commands.add_parser("box", help="propose the grid of a scan, to be pasted into a file")
    where.set_defaults(run=_box)
    where.add_argument("model", help="name in config/models, or path to a YAML file")
    where.add_argument("--engine", choices=("compiled",), default="compiled")
    bare = commands.add_parser("model", help="anomalies, Yukawa couplings and width of a model")
    bare.set_defaults(run=_model)
    bare.add_argument("model", help="name in config/models, or path to a YAML file")
    bare.add_argument(
        "--set",
        metavar="NAME=VALUE",
        type=_assigned,
        nargs="+",
        action="extend",
        default=[],
        help="all parameters of a point (angles in rad), for mass, width and decays of the Z'; or "
        "those of the charges alone, for anomalies and Yukawa couplings",
    )
    bare.add_argument("--json", action="store_true", help="print plain data as JSON")
    for command in (one, where, bare):
        command.add_argument("--M-X", type=_finite, default=3000.0, help="in GeV (default: 3000)")
    for command in (one, where):
        command.add_argument("--lep2-set", choices=("paper", "full"), default="paper")
        command.add_argument("--data", help="likelihood.h5 of a run (default: the paper's data)")
        some: dict[str, Any] = {"nargs": "+", "choices": CATEGORIES, "default": CATEGORIES}
        command.add_argument("--categories", help="that count (default: all)", **some)
    check = commands.add_parser("check", help="say whether a run configuration is accepted")
    check.set_defaults(run=_check)
    check.add_argument("file", help="YAML file; nothing in it is executed")
    quick = (
        "leave out what a run says by itself: remarks, and values of overlays, which flavio reads"
    )
    check.add_argument("--quick", action="store_true", help=quick)
    return parser


def _likelihood(options: argparse.Namespace) -> ModelLikelihood:
    return load_likelihood(
        options.model,
        engine=options.engine,
        M_X=options.M_X,
        lep2_set=options.lep2_set,
        categories=options.categories,
        data=options.data,
    )


def _point(options: argparse.Namespace) -> None:
    likelihood = _likelihood(options)
    place = {name: getattr(options, name) for name in likelihood.parameters}
    description = point.describe(likelihood, **place)
    if options.wcxf:
        point.write_wcxf(description, options.wcxf)
    print(strict_json(description) if options.json else point.text(description, options.rows))


def _box(options: argparse.Namespace) -> None:
    likelihood = _likelihood(options)
    print(f"# {likelihood.model.name}, M_X = {likelihood.M_X:g} GeV, compiled engine")
    if not (found := box.propose(likelihood)):
        print("# no valid point in all that is physical")
        return
    dchi2 = likelihood.chi2_sm["global"] - found.best.chi2["global"]
    place = ", ".join(f"{name} = {value:.3g}" for name, value in found.best.values.items())
    print(f"# best fit: {place}, chi2_SM - chi2 = {dchi2:.2f}")
    for name, ends in found.region.items():
        low, high = ("the physical limit" if end is None else f"{end:.3g}" for end in ends)
        where = "all that is physical" if ends == [None, None] else f"from {low} to {high}"
        print(f"# 95% region (two parameters): {name} {where}")
    for name in found.best.undetermined:
        print(f"# chi2 does not depend on {name}")
    for other in found.best.other_minima:
        place = ", ".join(f"{name} = {value:.3g}" for name, value in other.values.items())
        higher = other.chi2["global"] - found.best.chi2["global"]
        print(f"# another minimum, chi2 {higher:.2f} higher: {place}")
    for name, points in found.cut.items():
        print(
            f"# the 95% region goes on beyond the axis of {name}, in a narrow valley: all of it "
            f"would need {points} points of {name} with the same steps"
        )
    asked = {"run": "box", "model": options.model, "parameters": found.grid}
    print(f"# {Configuration(asked).cost}")
    print(box.text(found.grid))


def _model(options: argparse.Namespace) -> None:
    found = facts.facts(options.model, **{"M_X": options.M_X, **dict(options.set)})
    print(strict_json(found) if options.json else facts.text(found))


def _check(options: argparse.Namespace) -> None:
    run = configured(load_yaml(Path(options.file)), options.file)
    if isinstance(run, AtlasConfiguration):
        check_tables()
        number = f"{len(run.models)} models; left by each filter:\n{flavour.text(run.left)}"
        print(f"{options.file}: accepted, {number}")
        return
    run.model.check_latex()
    if run["engine"] == "compiled":
        check_tables()
    if run.selection.extra:
        check_draws()
    overlays = [] if options.quick else run.selection.overlays
    if overlays:  # values are flavio's to read
        print(f"flavio reads {len(overlays)} overlays, in half a minute or less", file=sys.stderr)
    for path in overlays:
        read_overlay(path)
    print(f"{options.file}: accepted, {run.cost}")
    for note in [] if options.quick else [*run.remarks, *run.grid.notes, *_doubts(run)]:
        print(note)


def _doubts(run: Configuration) -> dict[str, bool]:
    """Notes on the data, as far as the measurements that come with the package tell."""
    if not run.packaged_measurements:
        return {}
    base = Measurements.load(run.packaged_measurements)
    return doubts(base, run.likelihood()["selection"], run.selection.overlays)


if __name__ == "__main__":
    read_yaml_in_c()
    sys.exit(main())
