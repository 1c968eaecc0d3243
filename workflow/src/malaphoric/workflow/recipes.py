"""Recipes: all that the result of a job depends on, as plain data, for every rule of a run.

Which files a job reads and writes is said in ``workflow/rules``. A script is given its recipe and
nothing else of the configuration; files carry its digest, and whoever reads one checks it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from malaphoric import report, source, store
from malaphoric.data import lep2, theory
from malaphoric.data.categories import observable_key
from malaphoric.data.overlays import Selection
from malaphoric.physics.model import Model
from malaphoric.physics.parameters import MASS
from malaphoric.report.paper import TABLE4
from malaphoric.schema import checkout, load_yaml
from malaphoric.workflow.configuration import (
    EXTRA_TABLE,
    RUNNING,
    TABLE,
    AtlasConfiguration,
    Configuration,
    DataConfiguration,
)

#: The code of chunks and exact points is in the description of their theory.
_IN_LAYERS = {"code": "", "versions": {}}

#: Masses of the rule ``masses``, in GeV.
MASSES = (1000, 2000, 3000, 5000, 10000)


@dataclass(frozen=True)
class Recipe:
    """What a job's result depends on.

    Attributes
    ----------
    settings : dict
        What its script is given of the configuration.
    inputs : dict of str to str
        By the name of an input: digest of the recipe that it must have been made by.
    files : list of str
        Digests of the other files it reads.
    code : str
        Digest of its script and of all modules of the package that it imports.
    versions : dict of str to str
        Of the packages that these import.
    """

    settings: dict
    inputs: dict[str, str]
    files: list[str]
    code: str
    versions: dict[str, str]

    @cached_property
    def text(self) -> str:
        """Canonical JSON."""
        return store.canonical(asdict(self))

    @cached_property
    def digest(self) -> str:
        """What files made by it carry."""
        return store.digest(self.text)


class DataRecipes(dict):
    """Recipes by the name of the rule: what every kind of run makes of its data.

    Parameters
    ----------
    run : DataConfiguration
    """

    def __init__(self, run: DataConfiguration) -> None:
        super().__init__()
        self.run = run
        self._data()

    def _add(
        self,
        name: str,
        settings: dict,
        inputs: dict[str, str] | None = None,
        files: Iterable[Path] = (),
        code: dict | None = None,
    ) -> None:
        """Add a recipe; inputs are given by the name of the rule that makes them."""
        digests = {key: self[rule].digest for key, rule in (inputs or {}).items() if rule in self}
        code = code or source.code(checkout("scripts", f"{name.split('-')[0]}.py"))
        content = list(filter(None, map(self.run.digest, files)))
        self[name] = Recipe(dict(settings), digests, content, **code)

    def _data(self) -> None:
        run = self.run
        if not run.packaged_measurements:
            self._add("measurements", run.measurements())
        extra, files = _lists(run.selection.extra), []
        if extra:
            files = [theory.PACKAGED, *([theory.EXTRA] if run.shipped else [])]
        if extra and not run.shipped:
            self._add("extra", {"observables": extra}, files=files)
        inputs = {"measurements": "measurements", "extra": "extra"}
        files += [*filter(None, [run.packaged_measurements]), *run.selection.overlays, *lep2.DATA]
        self._add("likelihood", {**run.likelihood(), "extra": extra}, inputs, files)

    def _record(self, model: Path | None = None, **about: object) -> None:
        """What all was made from, and its export; after all other recipes of results."""
        run = self.run
        recipes = {name: asdict(recipe) for name, recipe in self.items()}
        settings = {"configuration": run.portable, "categories": run.categories, **about}
        settings |= {"recipes": recipes}
        self._add("record", settings, {"likelihood": "likelihood"})
        files = [*filter(None, [model]), *run.selection.overlays]
        paths = {"model": model and str(model), "overlays": list(map(str, run.selection.overlays))}
        self._add("export", {"configuration": run.portable, **paths}, {"record": "record"}, files)


class Recipes(DataRecipes):
    """Recipes of a run by the name of the rule (``mass-1000``: of that mass).

    Parameters
    ----------
    run : Configuration
    """

    run: Configuration

    def __init__(self, run: Configuration) -> None:
        super().__init__(run)
        self._theory()
        self._statistics()
        self._results()
        self._masses()
        about = {"theory": run.layers()[-1], "check": run.check, "chunks": self.chunks}
        self._record(run.model_file, **about)
        self._page()
        self._tables_that_ship()

    @cached_property
    def prefixes(self) -> list[str]:
        """By what the names of chunks begin, one a layer: theory, grid, compiled engine: data."""
        inputs, run = self["chunk-0"].inputs, self.run
        about = [run.axes, inputs]
        if run.profiled:
            about += [self._grid, run.categories, self["chunk-0"].code]
        return [store.digest(layer, *about)[:16] for layer in run.layers()]

    @property
    def chunks(self) -> list[str]:
        """Names of the chunks' files: prefix and range of points."""
        return [f"{p}-{start}-{stop}" for start, stop in self.run.chunks for p in self.prefixes]

    def of_chunk(self, name: str) -> Recipe:
        """The recipe of a chunk."""
        return self[f"chunk-{self.prefixes.index(name.split('-')[0])}"]

    @property
    def _model(self) -> dict:
        """What engines need to know; of the model its physics alone."""
        run = self.run
        return {
            "model": run.model.as_dict(),
            "M_X": run.mass,
            "smeft_accuracy": run["smeft_accuracy"],
        }

    @property
    def _grid(self) -> dict:
        """What is on the grid, and what is minimised at its points."""
        run = self.run
        return {"grid": run.axes, "profiled": {k: list(v) for k, v in run.profiled.items()}}

    @property
    def _points(self) -> dict:
        """What readers of points need to know."""
        run = self.run
        return {"layers": run.layers(), "categories": run.categories}

    @property
    def _fits(self) -> dict:
        """Fits and what they hold fixed, in their order, which a mapping would lose."""
        return {"fits": list(map(list, self.run.fits.items()))}

    @cached_property
    def figures(self) -> list[str]:
        """Figures that the configuration lists, or all of ours that the run allows.

        A plane needs two axes, Fig. 2 also epsilon_hat = 0.
        """
        run, grid = self.run, self.run.grid
        if "figures" in run.data:
            planes = [name for name in run.c9_planes if name in run["figures"]]
            return [*run.figures, "fig4", *planes]
        others = [name for name in grid.scanned if name != "epsilon_hat"]
        unmixed = len(others) > 1 and grid.unmixed is not None
        mixed = len(grid.scanned) > 1 and not (unmixed and len(others) == len(grid.scanned))
        allowed = {
            "fig2": unmixed,
            "fig3_left": mixed,
            "fig3_right": mixed and len(grid.scanned) + len(run.profiled) > 2,
            "profiles": len(grid.scanned) > 0,
            "mass_coupling": {"g_hat", MASS} <= set(grid.scanned),
            "fig4": True,
            "c9": "c9" in run.c9_planes,
            "c9_primed": "c9_primed" in run.c9_planes,
        }
        return [name for name in FIGURES if allowed[name]]

    @cached_property
    def drawn(self) -> dict[str, list[str]]:
        """Figures by the rule that draws them, so that each waits only for what it shows."""
        of_c9 = [name for name in self.figures if name in self.run.c9_planes]
        others = [name for name in self.figures if name not in ("fig4", *of_c9)]
        rules = {"figures": others, "figures_pulls": ["fig4"], "figures_c9": of_c9}
        return {rule: names for rule, names in rules.items() if names}

    @property
    def _style(self) -> dict:
        run = self.run
        levels = list(run["confidence_levels"])
        named = {"title": run.model.title, "M_X": run.mass, "fixed": run.fixed}
        return {**named, "levels": levels}

    def _theory(self) -> None:
        run = self.run
        if run["engine"] == "compiled":
            settings = {**self._model, "additional": False}
            self._add("running", settings, files=[TABLE, RUNNING])
            if run.selection.extra:
                if not run.shipped:
                    observables = {"observables": _lists(run.selection.extra)}
                    self._add("extra_table", observables, files=[TABLE])
                settings = {**self._model, "additional": True}
                files = [RUNNING, *self._extra_table]
                self._add("running-extra", settings, {"table": "extra_table"}, files)
        # exact predictions outlive the data that they were first weighed with, and all code but
        # that of the theory, which is in the layers
        data = {"likelihood": "likelihood", **self._tables} if "running" in self else {}
        for number, layer in enumerate(run.layers()):
            extra = _lists(run.selection.extra) if "additional" in layer else []
            settings = {**self._model, "engine": run["engine"], **self._grid}
            settings |= {"layer": layer, "extra": extra}
            code = _IN_LAYERS
            if run.profiled:  # minima are of the categories that count
                settings["categories"] = run.categories
                code = source.code(checkout("scripts", "chunk.py"), "inference.profiling")
            self._add(f"chunk-{number}", settings, data, code=code)
        if run.is_the_papers and (run.checked or run["engine"] == "exact"):
            points = [list(fit["point"]) for fit in TABLE4.values()]
            self._add("papers_points", {**self._exact, "points": points}, code=_IN_LAYERS)

    @property
    def _exact(self) -> dict:
        """What points need that are computed exactly whatever the engine."""
        run = self.run
        extra = _lists(run.selection.extra)
        return {**self._model, "layers": run.layers("exact"), "extra": extra}

    @property
    def _extra_table(self) -> list[Path]:
        """The package's table of additional observables, where it has all those of the run."""
        return [EXTRA_TABLE] if self.run.shipped else []

    @property
    def _tables(self) -> dict[str, str]:
        """Inputs of the compiled engine."""
        extra = {"extra_table": "extra_table", "extra_running": "running-extra"}
        return {"running": "running", **extra}

    def _statistics(self) -> None:
        run = self.run
        settings = {**self._points, **self._grid, "configuration": run.record}
        self._add("scan", settings, {"likelihood": "likelihood", **self._tables})
        self._add("profile", self._fits, {"scan": "scan"})
        settings |= {
            **self._model,
            **self._fits,
            "model": run.model.as_dict("size", "range"),
            "engine": run["engine"],
            "extra": _lists(run.selection.extra),
            "theory": run.theory(extra=True),
            "levels": list(run["confidence_levels"]),
            "check": run.check,
            "note": run.note,
            "remarks": run.remarks,
            "box_command": run.box_command,
        }
        inputs = {"likelihood": "likelihood", "profile": "profile", "best": "profile"}
        self._add("best_fit", settings, {**inputs, **self._tables})
        if planes := [name for name in self.figures if name in run.c9_planes]:
            settings = {**self._model, **self._grid, "categories": run.categories}
            settings |= {"extra": _lists(run.selection.extra), "planes": planes}
            inputs = {"likelihood": "likelihood", "best": "profile", **self._tables}
            self._add("c9", settings, inputs, [TABLE, *self._extra_table])
        if run.checked:
            self._validation()

    def _validation(self) -> None:
        """Exact points that check the compiled engine: which, computed, compared."""
        run = self.run
        extra, title = _lists(run.selection.extra), run.model.title
        common = {**self._model, "categories": run.categories, "extra": extra}
        inputs = {"likelihood": "likelihood", "best_fit": "best_fit", **self._tables}
        settings = {**common, **self._grid, **run["validation"]}
        settings["model"] = run.model.as_dict("size")
        self._add("validation_points", settings, inputs)
        parts = {"parts": run.validation_parts}
        points = {"points": "validation_points"}
        self._add("exact_points", {**self._exact, **parts}, points, code=_IN_LAYERS)
        exact = {f"exact_{part}": "exact_points" for part in range(run.validation_parts)}
        exact |= {"paper": "papers_points", **points}
        settings = {**common, "theory": run.layers("exact")[-1], "title": title}
        settings["data"] = run.portable["data"]
        self._add("validate", settings, {**inputs, **exact})

    def _results(self) -> None:
        run = self.run
        best = {"likelihood": "likelihood", "best_fit": "best_fit", "best": "best_fit"}
        common = {"theory": run.theory(extra=True), "categories": run.categories}
        papers = {
            "papers": run.is_the_papers,
            "papers_data": run.has_the_papers_data,
            "exact_theory": run.layers("exact")[-1],
            "check": run.check,
        }
        for name in ("tables", *(["comparison"] if run.is_compared else [])):
            inputs = {**best, "paper": "papers_points"}
            self._add(name, {**self._model, **common, **papers, **self._grid}, inputs)
        wanted = list(map(observable_key, run["observables_of_interest"]))
        style = {**self._style, "model": run.model.as_dict("label")}
        of_pulls = {"observables": wanted, **common}
        of_rule: dict[str, tuple[dict, dict]] = {
            "figures": ({"listed": run.figures}, {"scan": "scan", "profile": "profile"}),
            "figures_pulls": (of_pulls, {"likelihood": "likelihood", "best": "best_fit"}),
            "figures_c9": ({}, {"c9": "c9"}),
        }
        code = source.code(checkout("scripts", "figures.py"))
        for name, figures in self.drawn.items():
            own, inputs = of_rule[name]
            settings = {**style, "listed": {}, **own, "figures": figures}
            self._add(name, settings, {**inputs, "best_fit": "best_fit"}, code=code)

    def _masses(self) -> None:
        run = self.run
        if not run.has_masses:
            return
        settings = {k: v for k, v in self._model.items() if k != MASS}
        settings |= {"grid": run.axes, "categories": run.categories}
        settings |= self._fits
        settings["model"] = run.model.as_dict("size")
        settings["configuration"] = run.record
        others = {k: v for k, v in run["parameters"].items() if k != MASS}
        settings["configuration"]["parameters"] = others
        for mass in MASSES:
            inputs = {"likelihood": "likelihood", "extra_table": "extra_table"}
            files = [TABLE, RUNNING, *self._extra_table]
            self._add(f"mass-{mass}", {**settings, "M_X": mass}, inputs, files)
        settings = {key: self._style[key] for key in ("title", "levels", "fixed")}
        settings |= {
            "model": run.model.as_dict("label"),
            "masses": list(MASSES),
            "data": run.portable["data"],
        }
        self._add("masses", settings, {f"mass_{m}": f"mass-{m}" for m in MASSES})

    def _page(self) -> None:
        """The page of a run, of its other results; captions are those of Snakemake's report."""
        run = self.run
        shown = [*self.figures, *(["validation"] if run.checked else [])]
        settings = {**self._model, **self._style, "extra": _lists(run.selection.extra)}
        settings |= {"engine": run["engine"], "categories": run.categories, "figures": shown}
        settings["model"] = run.model.as_dict("label")
        settings["captions"] = _captions(shown)
        inputs = {"scan": "scan", "profile": "profile", "likelihood": "likelihood"}
        inputs |= {"best_fit": "best_fit", "record": "record", **self._tables}
        self._add("page", settings, inputs, sorted(TEMPLATES.iterdir()))

    def _tables_that_ship(self) -> None:
        for name in ("compile_part", "compile", "compile_running"):
            self._add(name, {})
        for name in ("compile_draws", "compile_theory"):
            self._add(name, {"observables": _shipping()})
        code = source.code(checkout("scripts", "extra_table.py"))
        self._add("compile_extra", {"observables": _shipping()}, code=code)


def _shipping() -> list:
    """Additional observables that ship."""
    rules = {
        key: {"observables": {"include": x}} for key, x in load_yaml(theory.ADDITIONAL).items()
    }
    return _lists(Selection({**rules, "overlays": []}, str(theory.ADDITIONAL)).extra)


class AtlasRecipes(DataRecipes):
    """Recipes of an atlas of models by the name of the rule.

    Parameters
    ----------
    run : AtlasConfiguration
    """

    run: AtlasConfiguration

    def __init__(self, run: AtlasConfiguration) -> None:
        super().__init__(run)
        data = {"likelihood": "likelihood"}
        settings = {"atlas": run["atlas"], MASS: run.mass, "categories": run.categories}
        self._add("atlas_chunk", settings, data, [TABLE, RUNNING])
        known = [Model.load(name) for name in MARKED]
        about = {"configuration": run.record, "known": [model.as_dict() for model in known]}
        about["made_by"] = self["atlas_chunk"].digest
        self._add("ranking", {**settings, **about}, data)
        ranked = {**data, "ranking": "ranking"}
        if run.checked:
            theory = {"theory": run.theory("exact"), MASS: run.mass}
            self._add("exact_models", theory, {"ranking": "ranking"}, code=_IN_LAYERS)
            exact = {f"exact_{rank}": "exact_models" for rank in range(1, run.exact_models + 1)}
            settings = {**theory, "categories": run.categories}
            self._add("validate_models", settings, {**ranked, **exact}, [TABLE, RUNNING])
        if run["toys"]["number"]:
            settings = {"toys": run["toys"], MASS: run.mass, "categories": run.categories}
            self._add("toys", settings, ranked, [TABLE, RUNNING])
        title = f"charges up to {run['atlas']['N']}"
        settings = {"title": title, MASS: run.mass, "levels": list(run["confidence_levels"])}
        settings |= {"categories": run.categories, "checked": run.checked}
        settings["known"] = {model.name: model.title for model in known}
        settings["data"] = run.portable["data"]
        drawn = {**ranked, "toys": "toys"}
        self._add("atlas_figures", settings, drawn, [TABLE])
        self._record(theory=run.theory(), check=run.check, chunks=self.chunks)
        settings.pop("checked")
        settings["captions"] = _captions(ATLAS_FIGURES)
        inputs = {**drawn, "record": "record"}
        self._add("atlas_page", settings, inputs, [TABLE, *sorted(TEMPLATES.iterdir())])

    @property
    def chunks(self) -> list[str]:
        """Names of the chunks' files: what they are made by, and range of models."""
        made_by = self["atlas_chunk"].digest[:16]
        return [f"{made_by}-{start}-{stop}" for start, stop in self.run.chunks]


def recipes_of(run: Configuration | AtlasConfiguration) -> Recipes | AtlasRecipes:
    """Recipes of either kind of run."""
    return AtlasRecipes(run) if isinstance(run, AtlasConfiguration) else Recipes(run)


#: Models that are marked in an atlas, by their names in config/models.
MARKED = ("b3-l2", "3b3-le-2lmu")

#: Files of the page that are no Python.
TEMPLATES = Path(report.__file__).parent / "templates"

#: Figures of a run, in the order in which they are drawn.
FIGURES = (
    "fig2",
    "fig3_left",
    "fig3_right",
    "profiles",
    "mass_coupling",
    "fig4",
    "c9",
    "c9_primed",
)

#: Each figure's files: for print, for a look, and its data.
DRAWN_AS = ("pdf", "png", "csv")

#: What the check against exact points makes, in the folder ``validation`` of a run.
VALIDATION = ("points.json", "points.csv", "observables.csv", "errors.pdf", "errors.png")


#: Figures of an atlas, each as PDF and PNG.
ATLAS_FIGURES = ("atlas_c9", "atlas_dchi2")


def _captions(figures: Iterable[str]) -> dict[str, str]:
    """Captions of figures, which Snakemake's report has, too."""
    folder = checkout("workflow", "report")
    files = {name: folder / f"{Path(name).parts[0]}.rst" for name in figures}
    return {name: path.read_text(encoding="utf-8") for name, path in files.items()}


def _lists(observables: Iterable) -> list:
    """Observables as plain data."""
    return [name if isinstance(name, str) else list(name) for name in observables]
