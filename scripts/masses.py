"""Overlay the regions of all masses and tabulate their best fits."""

import json
from pathlib import Path

from malaphoric import figures, tables
from malaphoric.jobs import job
from malaphoric.smeft import M_REFERENCE, g_prime

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    masses = s["masses"]
    profiles = {mass: given[f"profile_{mass}"] for mass in masses}
    with figures.noted(s["note"]):
        figures.masses(profiles, s["title"], tuple(s["levels"]), out.pdf, out.png)
    rows = []
    for mass in masses:
        fit = json.loads(Path(given[f"mass_{mass}"]).read_text())["malaphoric"]
        rows.append(
            {
                "M_X": mass,
                "g_prime": g_prime(mass),
                **{name: fit[name] for name in ("epsilon_hat", "g_hat", "theta_sb")},
                **{f"dchi2_{name}": value for name, value in fit["dchi2"].items()},
                "epsilon": fit["epsilon_hat"] * mass / M_REFERENCE,
            }
        )
    foot = (
        "Best fits in hatted variables with |epsilon_hat| <= 1; where |epsilon| > 1 the point is "
        "unphysical and serves the comparison only."
    )
    tables.write(rows, out.table, out.table_md, "Dependence on M_X [GeV]", foot)
    this.done(f"{out.table} and {out.pdf}")
