"""What of the paper stands in tables and figures, and what they say of themselves."""

import dataclasses

import numpy as np
import pytest

from malaphoric import figures, tables
from malaphoric.model import Model
from malaphoric.paper import is_the_papers
from test_statistics import small_likelihood


@pytest.mark.parametrize(
    ("changes", "M_X", "expected"),
    [
        ({}, 3000, True),
        ({"name": "mine", "title": "mine"}, 3000.0, True),
        ({}, 50000, False),
        ({"mixing": "other"}, 3000, False),
        ({"charges": {"X_H": 1.0}}, 3000, False),
        ({"charges": {"X_l": (-1.0, -2.0, 0.0)}}, 3000, False),
    ],
)
def test_the_papers_model_is_known_by_its_physics(changes, M_X, expected):
    """Truth: Table 3 of the paper; names say nothing."""
    model = Model.load("b3-l2")
    changes = {**changes, "charges": {**model.charges, **changes.get("charges", {})}}
    model = dataclasses.replace(model, **changes)
    assert is_the_papers(model, M_X) == expected
    assert is_the_papers(Model.of(model.as_dict()), M_X) == expected


def rows(paper, comparable):
    """Rows of Table 4 for best fits that are the first points of everything."""
    data = small_likelihood()
    points = {"points": np.zeros((2, 3)), "chi2": np.full((2, 2), 0.5)}
    fit = {"parameters": 2}
    sm = {"dchi2": {}, "p_value": 0.5}
    fits = {"SM": sm, "unmixed": fit, "malaphoric": fit}
    return [
        row["fit"]
        for row in tables.table4_rows(fits, points, points if paper else None, data, comparable)
    ]


OURS = ["SM", "unmixed: best fit", "malaphoric: best fit"]


def test_paper_in_table_4():
    """Truth: its points where they were computed, its numbers where they can be compared."""
    assert rows(paper=False, comparable=False) == OURS
    both = ["unmixed: the paper's point", "malaphoric: the paper's point"]
    assert rows(paper=True, comparable=False) == OURS + both
    numbers = ["unmixed: the paper", "malaphoric: the paper"]
    assert rows(paper=False, comparable=True) == OURS + numbers


@pytest.mark.parametrize("note", ["", "not checked against exact points"])
def test_note_above_figures(monkeypatch, tmp_path, note):
    """Truth: what the saved figure holds; the next figure holds nothing of it."""
    seen = []
    monkeypatch.setattr(
        figures.Figure, "savefig", lambda figure, *_, **__: seen.append(figure.get_suptitle())
    )
    row = {"observable": "m_W", "label": "$m_W$", "pull": 1.0, "pull_sm": -1.0}
    for text in (note, ""):
        with figures.noted(text):
            figures.pulls([row], "model", 3000.0, tmp_path / "a.pdf", tmp_path / "a.png")
    assert seen == [note, note, "", ""]
