"""The page of a run in a browser: what is clicked and slid says the numbers of the scan."""

import csv

import h5py
import numpy as np
import pytest

from browser import check_looks, opened

pytestmark = pytest.mark.slow

OUT = "results/compiled"


@pytest.fixture(scope="module")
def page(compiled):
    """The page of a finished run, opened in Chromium, which has no network."""
    with opened(compiled.folder / OUT / "index.html", "#plane .main-svg") as page:
        yield page


def numbers(page, part, key):
    """Values that a part of the page says of the chosen point, by name."""
    found = page.locator(f"#{part} [data-{key}]").all()
    return {x.get_attribute(f"data-{key}"): float(x.get_attribute("data-value")) for x in found}


def scanned(compiled):
    """chi2 (category, ...) and axes of the scan."""
    with h5py.File(compiled.folder / OUT / "scan.h5") as file:
        names = ("epsilon_hat", "g_hat", "theta_sb")
        return list(file["category"].asstr()), {n: file[n][:] for n in names}, file["chi2"][:]


def said(page):
    """Where the chosen point is, and its chi2, both read off the page."""
    return numbers(page, "node", "parameter"), numbers(page, "node", "category")


def check(compiled, place, chi2):
    """Truth: the point of scan.h5; chi2 to 0.0008 times the root of its height."""
    names, axes, scan = scanned(compiled)
    at = tuple(int(np.abs(axes[name] - value).argmin()) for name, value in place.items())
    assert list(place) == list(axes)
    for name, i in zip(axes, at, strict=True):
        assert place[name] == axes[name][i]
    for name, values in zip(names, scan, strict=True):
        assert chi2[name] == pytest.approx(values[at], abs=0.02)
    return at, scan[-1]


def test_point_of_a_plane(compiled, page):
    """A click in the plane, and the keys: the best point of the scan there."""
    drawing = page.locator("#plane .nsewdrag")
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
    page.wait_for_selector("#details table")
    place, chi2 = said(page)
    (i, j, k), total = check(compiled, place, chi2)
    assert total[i, j, k] == total[i, j].min()
    assert place["epsilon_hat"] == pytest.approx(-0.7, abs=0.051)
    assert place["g_hat"] == pytest.approx(0.02 + 0.4 * 0.18, abs=0.011)
    page.focus("#plane")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    (k, m, _), _ = check(compiled, *said(page))
    assert (k, m) == (i + 1, j + 1)


def test_pulls_of_the_best_point(compiled, page):
    """Enter: the largest pulls there are about those of the best fit, which pulls.csv has."""
    with open(compiled.folder / OUT / "tables/pulls.csv") as file:
        pulls = {row["observable"]: float(row["pull"]) for row in csv.DictReader(file)}
    page.reload()
    page.wait_for_selector("#plane .main-svg")
    page.focus("#plane")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    rows = page.locator("#details tbody tr").all()
    found = {row.locator("td").first.inner_text(): row.locator("[data-pull]") for row in rows}
    assert len(found) == 10
    for name, cell in found.items():
        assert float(cell.get_attribute("data-pull")) == pytest.approx(pulls[name], abs=0.3)
    assert numbers(page, "details", "coefficient")["C9_bsmumu"] < -0.4


def test_slider(compiled, page):
    """An angle of one's own: a slice of the scan; in the other order of axes, too."""
    page.uncheck("[data-profiled=theta_sb]")
    page.locator("[data-slider=theta_sb]").fill("15")
    page.focus("#plane")
    page.keyboard.press("ArrowRight")
    (_, _, k), _ = check(compiled, *said(page))
    assert k == 15
    page.select_option("[data-axis='0']", "g_hat")
    page.focus("#plane")
    page.keyboard.press("ArrowRight")
    (_, j, _), _ = check(compiled, *said(page))
    page.keyboard.press("ArrowRight")
    (_, right, k), _ = check(compiled, *said(page))
    assert (right, k) == (j + 1, 15)


def test_regions_are_switched(page):
    """Truth: as many contours as categories are chosen, and global has two."""

    def contours():
        return page.evaluate(
            "document.getElementById('plane').data.filter(t => t.type === 'contour').length"
        )

    page.reload()
    page.wait_for_selector("#plane .main-svg")
    for name in ("quarks", "EWPOs", "LEP2", "LFU"):
        page.uncheck(f"#controls [data-category={name}]")
    assert contours() == 2
    legend = page.locator("#legend")
    assert "quarks alone" not in legend.inner_text()
    page.check("#controls [data-category=quarks]")
    assert contours() == 3
    assert "quarks alone" in legend.inner_text()


def test_what_is_unphysical_ends_at_the_line(compiled, page, tmp_path):
    """Truth: |epsilon_hat| = 3 TeV / M_X, which is no node of the scan at 4.1 TeV."""
    text = (compiled.folder / OUT / "index.html").read_text(encoding="utf-8")
    assert '"M_X":3000.0' in text
    (tmp_path / "heavy.html").write_text(text.replace('"M_X":3000.0', '"M_X":4100.0', 1))
    other = page.context.new_page()
    other.goto(f"file://{tmp_path}/heavy.html")
    other.wait_for_selector("#plane .main-svg")
    areas = "document.getElementById('plane').data.filter(t => t.fillpattern?.shape).map(t => t.x)"
    ((*ends,),) = other.evaluate(areas)
    assert (min(ends), max(ends)) == (-1, pytest.approx(-3 / 4.1))
    assert "unphysical" in other.locator("#legend").inner_text()
    other.close()


def test_tables_are_sorted_and_searched(compiled, page):
    """Truth: pulls.csv."""
    with open(compiled.folder / OUT / "tables/pulls.csv") as file:
        rows = list(csv.DictReader(file))
    table = page.locator("#table-pulls")
    table.get_by_role("button", name="pull in the SM").click()
    lowest = min(rows, key=lambda row: float(row["pull_sm"]))
    assert table.locator("tbody tr td").first.inner_text() == lowest["observable"]
    table.get_by_role("searchbox").fill("P5p B0")
    shown = table.locator("tbody tr:visible td:first-child").all_inner_texts()
    expected = {
        r["observable"] for r in rows if "P5p" in r["observable"] and "B0" in r["observable"]
    }
    assert set(shown) == expected
    assert 0 < len(expected) < len(rows)
    assert table.locator("output").inner_text() == f"{len(expected)} of {len(rows)} rows"


def test_looks(page):
    """Light, dark and narrow, without a network."""
    check_looks(page)


def test_size(compiled):
    """At most 10 MB (of the default run: 6.5)."""
    assert (compiled.folder / OUT / "index.html").stat().st_size < 10e6
