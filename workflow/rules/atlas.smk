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


if RUN.checked:
    RANKS = range(1, RUN.exact_models + 1)

    rule exact_models:
        """The best fit of one of the best models, by its rank, evaluated by smelli itself."""
        input:
            recipe=recipe("exact_models", *(f"{OUT}/exact/{rank}.h5" for rank in RANKS)),
            ranking=f"{OUT}/ranking.h5",
        output:
            f"{OUT}/exact/{{number}}.h5",
        log:
            f"{OUT}/logs/exact/{{number}}.log",
        params:
            recipe=text("exact_models"),
            kept=KEPT,
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: 15 * attempt,
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/exact_models.py"

    rule validate_models:
        """The compiled engine against these; fails above its bounds."""
        localrule: True
        input:
            recipe=recipe("validate_models"),
            likelihood=f"{OUT}/likelihood.h5",
            ranking=f"{OUT}/ranking.h5",
            **{f"exact_{rank}": f"{OUT}/exact/{rank}.h5" for rank in RANKS},
        output:
            report(f"{OUT}/validation/models.csv", category="Validation"),
        log:
            f"{OUT}/logs/validate_models.log",
        params:
            recipe=text("validate_models"),
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/validate_models.py"


if "toys" in RECIPES:

    rule toys:
        """Look-elsewhere: what the best of some of the models improves by chance."""
        input:
            recipe=recipe("toys", f"{OUT}/toys.json"),
            likelihood=f"{OUT}/likelihood.h5",
            ranking=f"{OUT}/ranking.h5",
        output:
            f"{OUT}/toys.json",
        log:
            f"{OUT}/logs/toys.log",
        params:
            recipe=text("toys"),
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: int(2 * RUN.minutes_of_toys + 15) * attempt,
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/toys.py"


rule atlas_figures:
    """Best fits of all models in the plane of C9, and how much they improve."""
    localrule: True
    input:
        recipe=recipe("atlas_figures"),
        likelihood=f"{OUT}/likelihood.h5",
        ranking=f"{OUT}/ranking.h5",
        toys=f"{OUT}/toys.json" if "toys" in RECIPES else [],
        checked=f"{OUT}/validation/models.csv" if RUN.checked else [],
    output:
        pdf=[f"{OUT}/figures/{name}.pdf" for name in ATLAS_FIGURES],
        png=[
            report(f"{OUT}/figures/{name}.png", caption=f"../report/{name}.rst", category="Figures")
            for name in ATLAS_FIGURES
        ],
    log:
        f"{OUT}/logs/atlas_figures.log",
    params:
        recipe=text("atlas_figures"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/atlas_figures.py"


rule atlas_page:
    """What came out, map, ranking, figures, checks and record in one HTML file."""
    localrule: True
    input:
        recipe=recipe("atlas_page"),
        likelihood=f"{OUT}/likelihood.h5",
        ranking=f"{OUT}/ranking.h5",
        toys=f"{OUT}/toys.json" if "toys" in RECIPES else [],
        exact=f"{OUT}/validation/models.csv" if RUN.checked else [],
        figures=[f"{OUT}/figures/{name}.png" for name in ATLAS_FIGURES],
        record=f"{OUT}/record.json",
    output:
        f"{OUT}/index.html",
    log:
        f"{OUT}/logs/atlas_page.log",
    params:
        recipe=text("atlas_page"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/atlas_page.py"


rule atlas:
    """What an atlas is made for: its ranking, the checks of it, figures, a record and its page."""
    localrule: True
    input:
        results(),
        f"{OUT}/record.json",
        f"{OUT}/index.html",
