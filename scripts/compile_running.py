"""Make the running of every coefficient that a vector boson can generate."""

from malaphoric.engines import compiled, evolving
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    table = compiled.Table.load(snakemake.input.table)
    sm = dict(zip(compiled.CKM, map(float, table.ckm_sm), strict=True))
    gammas = compiled.gamma_nodes(table.ckm_sm, compiled.N_DELTA)
    evolving.make_map(
        snakemake.output[0],
        table.ports(),
        [sm | {"gamma": gamma} for gamma in gammas],
        this.log,
        snakemake.threads,
    )
    this.done("all coefficients")
