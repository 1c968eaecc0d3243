"""Merge the fits of all models of an atlas, the best first."""

from malaphoric import store
from malaphoric.atlas import flavour, ranking
from malaphoric.data.likelihood import Likelihood
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    models, left = flavour.chosen(s["atlas"])
    data = Likelihood.load(given.likelihood, s["categories"])
    found = ranking.merge(given.chunks, s["made_by"], models)
    known = ranking.places(found, s["known"])
    found.save(
        out.ranking,
        configuration=s["configuration"],
        versions=store.provenance(),
        left=list(left.items()),  # in their order, which a mapping would lose
        known=known,
        chi2_sm=data.chi2_sm,
        n_obs=data.n_obs,
        likelihood_digest=data.digest,
        M_X=s["M_X"],
    )
    store.write_csv(out.table, ranking.rows(found, known))
    this.done("; ".join(ranking.said(found, known)))
