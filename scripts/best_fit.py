"""Best fits of the unmixed and the malaphoric model."""

import json
from pathlib import Path

from malaphoric import scan, statistics, store
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood
from malaphoric.smeft import g_prime

with job(snakemake) as this:
    run = this.run
    grid = json.loads(Path(snakemake.input.best).read_text())
    data = Likelihood.load(snakemake.input.likelihood, run.categories)
    chi2 = None
    if run["engine"] == "compiled":
        theory = scan.load_theory(
            run.model, "compiled", run["M_X"], running=snakemake.input.running
        )
        chi2 = scan.ModelLikelihood(run.model, run["M_X"], theory, data).chi2
    fits = statistics.best_fits(grid, data.chi2_sm, data.n_obs, run["M_X"], chi2)
    result = {
        **fits,
        "intervals": statistics.all_intervals(snakemake.input.profile, run["confidence_levels"]),
        "g_prime": g_prime(run["M_X"]),
        "configuration": run.record,
        "versions": store.provenance(),
    }
    store.write_json(snakemake.output[0], result)
    this.done(
        ", ".join(
            f"{name}: chi2_SM - chi2 = {fits[name]['dchi2']['global']:.2f}"
            for name in ("unmixed", "malaphoric")
            if fits[name]
        )
    )
