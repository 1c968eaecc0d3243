# Figures, as PDF for print and PNG for a look, and their data as CSV.


def drawn_from(name):
    """What figures are drawn from, by the name of their rule."""
    made = {"best_fit": "best_fit.json"}
    if name == "figures":
        made |= {"scan": "scan.h5", "profile": "profile.h5"}
        made |= {"likelihood": "likelihood.h5", "best": "best_fit.h5"}
    else:
        made |= {"c9": "c9.h5"}
    return {key: f"{OUT}/{file}" for key, file in made.items()}


# figures: regions, profiles, and pulls of the observables of interest; figures_c9: planes of C9
for drawn, names in RECIPES.drawn.items():

    rule:
        name:
            drawn
        localrule: True
        input:
            **drawn_from(drawn),
            recipe=recipe(drawn),
            checked=checked,
        output:
            pdf=[f"{OUT}/figures/{name}.pdf" for name in names],
            csv=[f"{OUT}/figures/{name}.csv" for name in names],
            png=[
                report(
                    f"{OUT}/figures/{name}.png",
                    caption=f"../report/{name.split('/')[0]}.rst",
                    category="Figures",
                )
                for name in names
            ],
        log:
            f"{OUT}/logs/{drawn}.log",
        params:
            recipe=text(drawn),
        priority: 1  # takes longest
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/figures.py"
