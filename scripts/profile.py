"""Profile a scan over theta_sb and find the best points of the grid."""

from malaphoric import statistics, store
from malaphoric.jobs import job

with job(snakemake) as this:
    path = snakemake.input.scan
    best = statistics.profile(path, snakemake.output.profile)
    result = {"all": best, "unmixed": statistics.best_of_plane(path)}
    result["recipe"] = this.recipe
    store.write_json(snakemake.output.best, result)
    point = best["global"]
    this.done(
        "best point of the grid: "
        + ", ".join(f"{name} = {point[name]:.4g}" for name in ("epsilon_hat", "g_hat", "theta_sb"))
        + f", chi2 = {point['chi2']['global']:.2f}"
    )
