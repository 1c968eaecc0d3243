"""Two finished runs of a model side by side: python scripts/compare.py OLD NEW [FOLDER].

Writes Tables 1 and 4 (`table1`, `table4`, as CSV and Markdown), and as PDF and PNG the global
regions in every plane that both runs have (`regions-<x>-<y>`: OLD as outlines, NEW filled), those
of each category alone (`categories-<x>-<y>`), and the pulls in the Standard Model and at the best
fit of each (`pulls`: what is of interest in NEW).
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from malaphoric import store
from malaphoric.inference.results import Fits
from malaphoric.inference.statistics import grid_of, planes_of
from malaphoric.physics.model import Model
from malaphoric.report import figures, tables
from malaphoric.schema import ConfigurationError


def records(folders: list[Path]) -> dict[str, dict]:
    """What was kept of each run, by its name; refuses runs that cannot be compared."""
    texts = ((folder / "record.json").read_text(encoding="utf-8") for folder in folders)
    every = list(map(store.parse, texts))
    for folder, record in zip(folders, every, strict=True):
        if "model" not in record.get("theory", {}):  # an atlas
            raise ConfigurationError(
                f"{folder} is not accepted; accepted: a finished run of a model"
            )
    found = {record["configuration"]["run"]: record for record in every}
    theories = [[record["theory"][key] for key in ("model", "M_X")] for record in every]
    if theories[0] != theories[1] or len(found) < 2:
        raise ConfigurationError(
            f"{folders[0]} and {folders[1]} cannot be compared; accepted: two runs of different "
            "names, of one model and M_X"
        )
    return found


def planes(folder: Path) -> list[tuple[str, str]]:
    """Planes that a run has."""
    with store.read(folder / "profile.h5") as file:
        return planes_of(grid_of(file))


def of_interest(folder: Path, observables: list[str]) -> list[dict]:
    """Pulls of a run, as far as it has them, in the order of the observables."""
    found = {row["observable"]: row for row in store.read_csv(folder / "tables/pulls.csv")}
    return [found[key] for key in observables if key in found]


def main(old: Path, new: Path, out: Path) -> None:
    """Write tables and figures."""
    found = records([old, new])
    runs = dict(zip(found, (old, new), strict=True))
    *_, record = found.values()
    drawn = record["recipes"]["figures_pulls"]["settings"]
    fits = {run: Fits.read(folder / "best_fit.json") for run, folder in runs.items()}
    before, after = fits.values()
    notes = {f"{run}: {note}": k for run, own in fits.items() for note, k in own.notes.items()}
    out.mkdir(parents=True, exist_ok=True)

    title = " and ".join(runs)
    for number, compared in ((1, tables.compared_table1), (4, tables.compared_table4)):
        name = f"table{number}"
        both = {run: store.read_csv(folder / f"tables/{name}.csv") for run, folder in runs.items()}
        files = [out / f"{name}.{form}" for form in ("csv", "md")]
        tables.write(compared(both), *files, f"Table {number}: {title}", tables.COMPARED)

    shown = replace(after, notes=notes)
    common = (tuple(drawn["levels"]), shown, Model.of(drawn["model"]).records)
    page = figures.Page(drawn["title"], drawn["M_X"], *common, drawn["fixed"])
    profiles = {run: folder / "profile.h5" for run, folder in runs.items()}
    for pair in planes(new):
        if pair in planes(old):
            files = [out / f"regions-{'-'.join(pair)}.{form}" for form in ("pdf", "png")]
            figures.compared_regions(profiles, before, page, *files, pair)
            files = [out / f"categories-{'-'.join(pair)}.{form}" for form in ("pdf", "png")]
            figures.compared_categories(profiles, page, *files, pair)
    pulls = {run: of_interest(folder, drawn["observables"]) for run, folder in runs.items()}
    figures.compared_pulls(pulls, page, out / "pulls.pdf", out / "pulls.png")
    print(f"{out}: tables, regions and pulls of {title}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path, help="folder of a finished run, as results/b3-l2")
    parser.add_argument("new", type=Path, help="of another, as results/b3-l2-2026")
    parser.add_argument("out", type=Path, nargs="?", help="default: results/OLD-and-NEW")
    options = parser.parse_args()
    folder = options.out or options.new.parent / f"{options.old.name}-and-{options.new.name}"
    try:
        main(options.old, options.new, folder)
    except (ConfigurationError, store.StoreError, OSError) as problem:
        sys.exit(str(problem))
