# Dependence on M_X in hatted variables, where it is a number and nothing profiled: only on demand,
# `snakemake --cores N masses`.

from malaphoric.workflow.recipes import MASSES

if RUN.has_masses:

    # each mass has a recipe of its own
    MASS_RECIPES = {
        str(mass): recipe(f"mass-{mass}", f"{OUT}/masses/{mass}.h5", f"{OUT}/masses/{mass}.json")
        for mass in MASSES
    }

    rule mass:
        """Scan, profile and best fit at another mass, on the run's grid."""
        input:
            recipe=lambda wildcards: MASS_RECIPES[wildcards.mass],
            likelihood=mass_likelihood,
            **{key: path for key, path in extra_inputs().items() if key == "extra_table"},
        output:
            profile=f"{OUT}/masses/{{mass}}.h5",
            best=f"{OUT}/masses/{{mass}}.json",
        wildcard_constraints:
            mass="|".join(map(str, MASSES)),
        log:
            f"{OUT}/logs/masses/{{mass}}.log",
        params:
            recipe=lambda wildcards: RECIPES[f"mass-{wildcards.mass}"].text,
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: 60 * attempt,
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/mass.py"

    rule masses:
        """Contours of all masses overlaid, and their best fits."""
        localrule: True
        input:
            **{f"mass_{mass}": f"{OUT}/masses/{mass}.json" for mass in MASSES},
            **{f"profile_{mass}": f"{OUT}/masses/{mass}.h5" for mass in MASSES},
            recipe=recipe("masses"),
        output:
            pdf=f"{OUT}/figures/masses.pdf",
            csv=f"{OUT}/figures/masses.csv",
            png=report(f"{OUT}/figures/masses.png", caption="../report/masses.rst", category="Figures"),
            table=f"{OUT}/tables/masses.csv",
            table_md=f"{OUT}/tables/masses.md",
        log:
            f"{OUT}/logs/masses.log",
        params:
            recipe=text("masses"),
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/masses.py"
