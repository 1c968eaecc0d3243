# Figures, as PDF for print and PNG for a look, and their data as CSV.


rule figures:
    """Regions, profiles, and pulls of the observables of interest."""
    localrule: True
    input:
        recipe=recipe("figures"),
        scan=f"{OUT}/scan.h5",
        profile=f"{OUT}/profile.h5",
        likelihood=f"{OUT}/likelihood.h5",
        best_fit=f"{OUT}/best_fit.json",
        best=f"{OUT}/best_fit.h5",
        c9=f"{OUT}/c9.h5" if "c9" in RECIPES else [],
        checked=checked,
    output:
        pdf=[f"{OUT}/figures/{name}.pdf" for name in RECIPES.figures],
        csv=[f"{OUT}/figures/{name}.csv" for name in RECIPES.figures],
        png=[
            report(
                f"{OUT}/figures/{name}.png",
                caption=f"../report/{name.split('/')[0]}.rst",
                category="Figures",
            )
            for name in RECIPES.figures
        ],
    log:
        f"{OUT}/logs/figures.log",
    params:
        recipe=text("figures"),
    priority: 1  # takes longest
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/figures.py"
