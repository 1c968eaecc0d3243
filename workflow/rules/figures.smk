# Figures, as PDF for print and PNG for a look.

from malaphoric.recipes import FIGURES

for _name, _figure in FIGURES.items():

    rule:
        """One of the figures of a scan or profile."""
        localrule: True
        name:
            _name
        input:
            recipe=recipe(f"figure-{_name}"),
            data=f"{OUT}/{_figure.data}.h5",
            best_fit=f"{OUT}/best_fit.json",
            checked=checked,
        output:
            pdf=f"{OUT}/figures/{_name}.pdf",
            png=report(
                f"{OUT}/figures/{_name}.png",
                caption=f"../report/{_name}.rst",
                category="Figures",
            ),
        log:
            f"{OUT}/logs/{_name}.log",
        params:
            recipe=text(f"figure-{_name}"),
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/figure.py"


rule fig4:
    """Pulls of the observables of interest, Standard Model against best fit."""
    localrule: True
    input:
        recipe=recipe("fig4"),
        likelihood=f"{OUT}/likelihood.h5",
        best_fit=f"{OUT}/best_fit.json",
        best=f"{OUT}/best_fit.h5",
        checked=checked,
    output:
        pdf=f"{OUT}/figures/fig4.pdf",
        png=report(f"{OUT}/figures/fig4.png", caption="../report/fig4.rst", category="Figures"),
    log:
        f"{OUT}/logs/fig4.log",
    params:
        recipe=text("fig4"),
    priority: 1  # takes longest
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/fig4.py"
