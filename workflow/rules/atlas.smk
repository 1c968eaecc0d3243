# An atlas: chunks of models instead of points, `snakemake --cores N atlas --configfile FILE`.


rule atlas_chunk:
    """Best fits of a range of models, unmixed and with all parameters free."""
    input:
        likelihood=ancient(f"{OUT}/likelihood.h5"),  # as for chunks of points, see chunk_inputs
    output:
        f"{OUT}/chunks/{{chunk}}.h5",
    log:
        f"{OUT}/logs/chunks/{{chunk}}.log",
    params:
        recipe=text("atlas_chunk"),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: int(2 * RUN.longest_chunk + 15) * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/atlas_chunk.py"


rule ranking:
    """All models in one table, the best first; refuses holes, damaged and foreign chunks."""
    localrule: True
    input:
        recipe=recipe("ranking", f"{OUT}/ranking.h5"),
        likelihood=f"{OUT}/likelihood.h5",
        chunks=CHUNKS,
    output:
        ranking=f"{OUT}/ranking.h5",
        table=report(f"{OUT}/ranking.csv", category="Tables"),
    log:
        f"{OUT}/logs/ranking.log",
    params:
        recipe=text("ranking"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/ranking.py"


rule atlas_figures:
    """Best fits of all models in the plane of C9, and how much they improve."""
    localrule: True
    input:
        recipe=recipe("atlas_figures"),
        likelihood=f"{OUT}/likelihood.h5",
        ranking=f"{OUT}/ranking.h5",
    output:
        pdf=[f"{OUT}/figures/{name}.pdf" for name in ("atlas_c9", "atlas_dchi2")],
        png=[
            report(f"{OUT}/figures/{name}.png", caption=f"../report/{name}.rst", category="Figures")
            for name in ("atlas_c9", "atlas_dchi2")
        ],
    log:
        f"{OUT}/logs/atlas_figures.log",
    params:
        recipe=text("atlas_figures"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/atlas_figures.py"


rule atlas:
    """What an atlas is made for."""
    input:
        rules.ranking.output,
        rules.atlas_figures.output,
    default_target: True
    localrule: True
