# Functions of the rules.

from malaphoric import jobs
from malaphoric.paper import PAPER_TABLE4

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


def extra_inputs():
    """The compiled engine's table of additional observables, if there are any."""
    if "extra_table" not in RECIPES:
        return {}
    made = {"extra_table": "extra_table", "extra_running": "running-extra"}
    return {key: f"{OUT}/extra/{RECIPES[rule].digest[:16]}.h5" for key, rule in made.items()}


def theory_inputs():
    """The data half, and what the compiled engine needs."""
    inputs = {"likelihood": f"{OUT}/likelihood.h5"}
    if RUN["engine"] == "compiled":
        inputs |= {"running": f"{OUT}/running.h5", **extra_inputs()}
    return inputs


def chunk_inputs(wildcards):
    """What is remade makes no chunk again: another theory or other data is another file.

    Snakemake looks at no reason to run a job whose ancient input is remade, nor a job after it:
    so the merge has the same inputs, not ancient, and asks for the chunks that are missing.
    """
    return {name: ancient(path) for name, path in theory_inputs().items()}


def exact_inputs(wildcards):
    """New data move the best fit: the point that checks the engine there need not follow."""
    inputs = {"likelihood": ancient(f"{OUT}/likelihood.h5")}
    if wildcards.points == "best_fit":
        inputs["best_fit"] = ancient(f"{OUT}/best_fit.json")
    return inputs


def exact_points(name):
    if name == "table4":
        return [list(fit["point"]) for fit in PAPER_TABLE4.values()]
    if name == "fresh":
        return RUN.fresh_points().tolist()
    return []


def exact_files(name):
    """Files of points that are evaluated exactly whatever the engine, one a layer."""
    layers = RUN.layers("exact")
    # all layers of a best fit are of the same one, so that a new layer makes all of them anew
    common = layers if name == "best_fit" else exact_points(name)
    digests = [store.digest(layer, common)[:16] for layer in layers]
    return [f"{OUT}/exact/{name}-{digest}.h5" for digest in digests]


def exact_layer(wildcards):
    path = f"{OUT}/exact/{wildcards.points}-{wildcards.digest}.h5"
    return exact_files(wildcards.points).index(path)


def best_fit_inputs(wildcards):
    inputs = {"best": f"{OUT}/best_grid.json", "profile": f"{OUT}/profile.h5", **theory_inputs()}
    return inputs if RUN["engine"] == "compiled" else {**inputs, "chunks": CHUNKS}


def checked(wildcards):
    """Nothing of a compiled run is drawn before it is checked against exact points."""
    return f"{OUT}/validation/points.csv" if RUN["engine"] == "compiled" else []


def figure_files():
    """Figures that the grid allows: a plane needs two axes, Fig. 2 also needs epsilon_hat = 0."""
    epsilon_hat, g_hat, theta_sb = (n > 1 for n in RUN.grid.shape)
    names = ["fig4"]
    if g_hat and theta_sb and 0 in RUN.grid.axes[0]:
        names += ["fig2"]
    if epsilon_hat and g_hat:
        names += ["fig3_left", "fig3_right"]
    if epsilon_hat and g_hat and theta_sb:
        names += ["profiles"]
    return [f"{OUT}/figures/{name}.{kind}" for name in names for kind in ("pdf", "png")]


def results():
    """What a run is made for."""
    names = ["scan.h5", "profile.h5", "best_fit.json", "comparison.md", "analytic.md"]
    tables = ["table1.csv", "table1.md", "table4.csv", "table4.md", "pulls.csv"]
    names += [f"tables/{name}" for name in tables]
    if RUN["engine"] == "compiled":
        tables = ["points.csv", "observables.csv", "errors.pdf", "errors.png"]
        names += [f"validation/{name}" for name in tables]
    return [f"{OUT}/{name}" for name in names] + figure_files()
