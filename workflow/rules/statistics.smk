# Statistics: profile over theta_sb, best fits, exact evaluation of chosen points, tables.

from malaphoric.tables import PAPER_TABLE4


def exact_points(name):
    if name == "table4":
        return [list(fit["point"]) for fit in PAPER_TABLE4.values()]
    return RUN.fresh_points().tolist()


rule profile:
    """Profile over theta_sb, with the position of the minimum."""
    input:
        f"{OUT}/scan.h5",
    output:
        profile=f"{OUT}/profile.h5",
        best=f"{OUT}/best_grid.json",
    log:
        f"{OUT}/logs/profile.log",
    params:
        code=store.room_digest("statistics"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/profile.py"


rule exact_points:
    """Points that every run evaluates exactly: the paper's best fits, and fresh random ones."""
    input:
        likelihood=ancient(f"{OUT}/likelihood.h5"),
    output:
        OUT + "/exact/{points}.h5",
    log:
        OUT + "/logs/exact_{points}.log",
    params:
        points=lambda wildcards: exact_points(wildcards.points),
        theory=store.canonical(RUN.theory("exact")),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/chunk.py"


rule best_fit:
    """Best fits of the Standard Model, the unmixed and the malaphoric model."""
    input:
        likelihood=f"{OUT}/likelihood.h5",
        best=f"{OUT}/best_grid.json",
    output:
        f"{OUT}/best_fit.json",
    log:
        f"{OUT}/logs/best_fit.log",
    params:
        configuration=store.canonical(RUN.record),
        code=store.room_digest("statistics"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/best_fit.py"


rule tables:
    """Tables 1 and 4 of the paper, with its numbers beside ours."""
    input:
        likelihood=f"{OUT}/likelihood.h5",
        best_fit=f"{OUT}/best_fit.json",
        table4=f"{OUT}/exact/table4.h5",
    output:
        table1=f"{OUT}/tables/table1.csv",
        table1_md=f"{OUT}/tables/table1.md",
        table4=f"{OUT}/tables/table4.csv",
        table4_md=f"{OUT}/tables/table4.md",
    log:
        f"{OUT}/logs/tables.log",
    params:
        code=store.room_digest("tables", "statistics"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/tables.py"
