"""How large the best improvement of an atlas is by chance: some of its models, pseudo-data."""

from malaphoric import store
from malaphoric.atlas import ranking, toys
from malaphoric.atlas.fitting import Fitted
from malaphoric.data.likelihood import Likelihood
from malaphoric.scan import chunks
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given, (path,) = this.settings, snakemake.input, snakemake.output
    found, wanted = Fitted.load(given.ranking), s["toys"]
    data = Likelihood.load(given.likelihood, s["categories"])
    models = found.models.taken(toys.chosen(len(found), wanted["models"], wanted["seed"]))
    progress = chunks.Progress(len(models), this.log, what="model")
    about = (wanted["number"], wanted["seed"], progress)
    improvements = toys.improvements(models, s["M_X"], data, *about)
    said = toys.summary(improvements, ranking.best(found))
    store.write_json(path, {**said, "models": len(models), "recipe": this.recipe})
    this.done(
        f"{len(improvements)} pseudo-data, {len(models)} models: best chi2_SM - chi2 by chance up "
        f"to {max(said['best']):.2f}, observed {said['observed']:.2f}: p = {said['p_value']:.2g}"
    )
