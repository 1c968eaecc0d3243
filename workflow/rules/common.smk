# Functions of the rules.

from malaphoric.paper import PAPER_TABLE4
from malaphoric.scan import data_code

# by the name of its file: the points of a chunk, and the layer of the theory that it holds
CHUNKS = {
    name: {"range": [chunk["start"], chunk["stop"]], "layer": layer}
    for chunk in RUN.chunks
    for layer, name in enumerate(chunk["names"])
}

# observables that the configuration includes beyond smelli's
EXTRA = RUN.selection.extra
EXTRA_NAME = store.digest(RUN.theory("exact", extra=True))[:16]


def chunk_files():
    return [f"{OUT}/chunks/{name}.h5" for name in CHUNKS]


def extra_inputs():
    """The compiled engine's table of additional observables, if there are any."""
    if not EXTRA or RUN["engine"] == "exact":
        return {}
    return {f"extra_{part}": f"{OUT}/extra/{EXTRA_NAME}-{part}.h5" for part in ("table", "running")}


def theory_inputs(wildcards):
    """Stored predictions are weighed with new data by the merge: no theory is recomputed then.

    Snakemake looks at no other reason to run a job whose ancient input is remade, so files of such
    jobs are named by the digest of what they hold: another theory is another file.
    """
    data = f"{OUT}/likelihood.h5"
    if RUN["engine"] == "exact":
        return {"likelihood": ancient(data)}
    return {"likelihood": data, "running": f"{OUT}/running.h5", **extra_inputs()}


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
    inputs = {"likelihood": f"{OUT}/likelihood.h5", "best": f"{OUT}/best_grid.json"}
    inputs["profile"] = f"{OUT}/profile.h5"
    if RUN["engine"] == "compiled":
        return {**inputs, "running": f"{OUT}/running.h5", **extra_inputs()}
    return {**inputs, "chunks": chunk_files()}


def checked(wildcards):
    """Nothing of a compiled run is drawn before it is checked against exact points."""
    return f"{OUT}/validation/points.csv" if RUN["engine"] == "compiled" else []


def style(key):
    """What a figure looks like."""
    return store.canonical({"title": RUN.model.title, key: RUN[key]})


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
        names += ["validation/points.csv", "validation/observables.csv"]
    return [f"{OUT}/{name}" for name in names] + figure_files()
