# The page of a run: all of it in one file that needs no server and no network.


rule page:
    """Figures, tables, best fits, explorer and record in one HTML file."""
    localrule: True
    input:
        **theory_inputs(),
        recipe=recipe("page"),
        scan=f"{OUT}/scan.h5",
        profile=f"{OUT}/profile.h5",
        best_fit=f"{OUT}/best_fit.json",
        record=f"{OUT}/record.json",
        figures=[f"{OUT}/figures/{name}.png" for name in RECIPES.figures],
        validation=[
            f"{OUT}/validation/{name}"
            for name in ("errors.png", "points.csv", "observables.csv")
            if RUN.checked
        ],
        pulls=f"{OUT}/tables/pulls.csv",
        tables=[f"{OUT}/tables/{name}.csv" for name in ("table1", "table4")],
        texts=[f"{OUT}/{name}.md" for name in ("comparison", "analytic") if "comparison" in RECIPES],
    output:
        f"{OUT}/index.html",
    log:
        f"{OUT}/logs/page.log",
    params:
        recipe=text("page"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/page.py"
