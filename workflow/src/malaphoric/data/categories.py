"""The four categories of observables, quarks, EWPOs, LEP2 and LFU: what each contains.

Here lives the correspondence with smelli's likelihoods; predictions and data live elsewhere.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from malaphoric.data import lep2

if TYPE_CHECKING:
    import smelli


@dataclass(frozen=True)
class Category:
    """What is known of a category.

    Attributes
    ----------
    name : str
    smelli : str or None
        smelli's file; None for LEP2, whose observables and data are in `lep2`.
    bounds : tuple of float
        Accepted difference of chi2 between the engines within 100, and within 400, of the minimum.
    colour : str
        Of Okabe and Ito, distinguishable for all kinds of colour vision.
    averaged : bool
        Whether its measurements are averaged, each with the mean and covariance of draws from it,
        with a covariance of the theory: smelli's "fast" likelihood. Elsewhere every distribution
        counts as it is.
    """

    name: str
    smelli: str | None
    bounds: tuple[float, float]
    colour: str
    averaged: bool = False


#: Categories in the order of the paper's Table 1, which is the order of all results.
RECORDS = (
    Category("quarks", "fast_likelihood_quarks.yaml", (0.01, 0.1), "#0072B2", averaged=True),
    Category("EWPOs", "likelihood_ewpt.yaml", (0.001, 0.1), "#009E73"),
    Category("LEP2", None, (0.001, 0.1), "#CC79A7"),
    Category("LFU", "likelihood_lfu_fcnc.yaml", (0.01, 0.1), "#E69F00"),
)

#: Their names.
CATEGORIES = tuple(category.name for category in RECORDS)

#: The one that is averaged.
(AVERAGED,) = (category.name for category in RECORDS if category.averaged)

#: The sum of the selected categories.
GLOBAL = "global"

#: Colours of categories and of their sum.
COLOURS = {category.name: category.colour for category in RECORDS} | {GLOBAL: "#D55E00"}

#: smelli's name of each category that it has.
SMELLI = {category.name: category.smelli for category in RECORDS if category.smelli}

#: A flavio observable: its name, or a tuple of name and arguments.
Observable = str | tuple


@cache
def global_likelihood() -> smelli.GlobalLikelihood:
    """The process's one `smelli.GlobalLikelihood` with the categories smelli has.

    It serves as theory and as the source of measurements. Its own sampled experimental
    covariances differ from process to process and are never used: see `likelihood`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import smelli

        return smelli.GlobalLikelihood(include_likelihoods=list(SMELLI.values()), Nexp=1000)


def smelli_likelihood(category: str) -> Any:
    """The flavio `Likelihood` or `FastLikelihood` behind a category of smelli."""
    gl = global_likelihood()
    name = SMELLI[category]
    return gl.fast_likelihoods.get(name) or gl.likelihoods[name]


@cache
def observables_by_category() -> dict[str, tuple[Observable, ...]]:
    """Observables of each category, in the order of `CATEGORIES`; imports smelli.

    LEP2 has all 153 entries here: which of them count is the data's choice.
    """
    return {
        category: tuple(lep2.OBSERVABLES)
        if category == "LEP2"
        else tuple(smelli_likelihood(category).observables)
        for category in CATEGORIES
    }


def observables() -> list[Observable]:
    """All observables, the columns of every array of predictions; imports smelli."""
    return [obs for group in observables_by_category().values() for obs in group]


def dump_observables(names: list[Observable]) -> str:
    """Observables as JSON text, for files."""
    return json.dumps([name if isinstance(name, str) else list(name) for name in names])


def parse_observables(text: str) -> list[Observable]:
    """The inverse of `dump_observables`."""
    return [observable_tuple(name) for name in json.loads(text)]


def observable_tuple(name: str | list) -> Observable:
    """An observable as flavio has it, from plain data."""
    return name if isinstance(name, str) else tuple(name)


def observable_key(name: Observable | list) -> str:
    """An observable in one line: its name and its arguments, e.g. ``<P5p>(B0->K*mumu) 4 6``."""
    if isinstance(name, str):
        return name
    return " ".join([name[0], *(f"{argument:g}" for argument in name[1:])])
