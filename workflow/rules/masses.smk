# Dependence on M_X in hatted variables: only on demand, `snakemake --cores N masses`.

MASSES = [1000, 2000, 3000, 5000, 10000]


rule mass:
    """Scan, profile and best fit at another mass, on the run's grid."""
    input:
        likelihood=f"{OUT}/likelihood.h5",
    output:
        profile=f"{OUT}/masses/{{mass}}.h5",
        best=f"{OUT}/masses/{{mass}}.json",
    log:
        f"{OUT}/logs/masses/{{mass}}.log",
    params:
        theory=store.canonical(RUN.theory("compiled")),
        grid=store.canonical(RUN["grid"]),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/mass.py"


rule masses:
    """Contours of all masses overlaid, and their best fits."""
    input:
        profiles=expand(f"{OUT}/masses/{{mass}}.h5", mass=MASSES),
        best=expand(f"{OUT}/masses/{{mass}}.json", mass=MASSES),
    output:
        pdf=f"{OUT}/figures/masses.pdf",
        png=report(f"{OUT}/figures/masses.png", caption="../report/masses.rst", category="Figures"),
        table=f"{OUT}/tables/masses.csv",
        table_md=f"{OUT}/tables/masses.md",
    log:
        f"{OUT}/logs/masses.log",
    params:
        masses=MASSES,
        code=store.room_digest("figures", "statistics", "tables"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/masses.py"
