# Functions of the rules.

from malaphoric.workflow import jobs
from malaphoric.workflow.recipes import ATLAS_FIGURES, DRAWN_AS, VALIDATION

# Recipes on disk are those of the run that is on: neither a dry run nor a Snakemake that is about to
# be refused replaces them.
KEEP = STARTS and not glob.glob(".snakemake/locks/*")


# Files of the chunks: by theory and grid, and with the compiled engine by data, then their points.
CHUNKS = [f"{OUT}/chunks/{name}.h5" for name in RECIPES.chunks]


def recipe(name, *made):
    """The file of a rule's recipe, an input of the rule; named are the files that carry its mark."""
    path = f".snakemake/malaphoric/{RUN['run']}/{name}.json"
    if workflow.is_main_process:
        jobs.keep(path, RECIPES[name].text, made, KEEP)
    elif jobs.kept(path) not in (None, RECIPES[name].text):  # a job of a cluster, queued for long
        raise WorkflowError(f"{RUN['run']}: {store.SUPERSEDED}: this job does nothing")
    return path


def text(name):
    """A parameter: the recipe of a rule. A text by itself would have its braces expanded."""
    return lambda wildcards: RECIPES[name].text


def extra_inputs():
    """What the compiled engine needs for additional observables, if there are any.

    Their table is not among it if it comes with the package.
    """
    made = {"extra_table": "extra_table", "extra_running": "running-extra"}
    made = {key: RECIPES[rule].digest[:16] for key, rule in made.items() if rule in RECIPES}
    return {key: f"{OUT}/extra/{name}.h5" for key, name in made.items()}


def theory_inputs():
    """The data half, and what the compiled engine needs."""
    inputs = {"likelihood": f"{OUT}/likelihood.h5"}
    if RUN["engine"] == "compiled":
        inputs |= {"running": f"{OUT}/running.h5", **extra_inputs()}
    return inputs


def mass_likelihood(wildcards):
    """The data half; refuses what the compiled engine, which makes all masses, cannot do."""
    try:
        check_tables()
    except store.StoreError as error:
        raise WorkflowError(str(error)) from None
    return f"{OUT}/likelihood.h5"


def chunk_inputs(wildcards):
    """What is remade makes no chunk again: another theory or other data is another file.

    Snakemake looks at no reason to run a job whose ancient input is remade, nor a job after it:
    so the merge has the same inputs, not ancient, and asks for the chunks that are missing.
    """
    return {name: ancient(path) for name, path in theory_inputs().items()}


# Exact points, kept for all runs: Snakemake knows nothing of them, because it would delete what
# jobs are about to make.
KEPT = "results/.exact"

#: The paper's points, where they mean something; the points of the check, one file a job.
PAPER = f"{OUT}/exact/paper.h5" if "papers_points" in RECIPES else []
PARTS_OF_CHECK = range(RUN.validation_parts) if "exact_points" in RECIPES else []
EXACT = [f"{OUT}/exact/{part}.h5" for part in PARTS_OF_CHECK]


def best_fit_inputs(wildcards):
    inputs = {"best": f"{OUT}/best_grid.json", "profile": f"{OUT}/profile.h5", **theory_inputs()}
    return inputs if RUN["engine"] == "compiled" else {**inputs, "chunks": CHUNKS}


def checked(wildcards):
    """No table, record or page is made before the check against exact points, if there is one.

    Figures are drawn meanwhile; a run whose check fails has no page.
    """
    return f"{OUT}/validation/points.csv" if RUN.checked else []


def results():
    """What a run is made for."""
    if ATLAS:
        names = ["ranking.h5", "ranking.csv"]
        names += ["validation/models.csv"] if RUN.checked else []
        names += ["toys.json"] if "toys" in RECIPES else []
        names += [f"figures/{name}.{kind}" for name in ATLAS_FIGURES for kind in ("pdf", "png")]
        return [f"{OUT}/{name}" for name in names]
    names = ["scan.h5", "profile.h5", "best_fit.json"]
    names += ["c9.h5"] if "c9" in RECIPES else []
    names += ["comparison.md", "analytic.md"] if "comparison" in RECIPES else []
    tables = ["table1.csv", "table1.md", "table4.csv", "table4.md", "pulls.csv"]
    names += [f"tables/{name}" for name in tables]
    if RUN.checked:
        names += [f"validation/{name}" for name in VALIDATION]
    names += [f"figures/{name}.{kind}" for name in RECIPES.figures for kind in DRAWN_AS]
    return [f"{OUT}/{name}" for name in names]
