"""Pages in a real browser, which has no network."""

import contextlib
import os
import shutil

import pytest

PATIENCE = 120_000  # ms, of a busy machine


@contextlib.contextmanager
def opened(path, ready):
    """A page in Chromium once an element is there; continuous integration must have one.

    What it complains of and what it asks for is in its ``complaints`` and ``asked``.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        assert not os.environ.get("CI"), "no chromium"
        pytest.skip("no chromium")
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE)
        page.complaints, page.asked = [], []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(f"file://{path}")
        page.wait_for_selector(ready)
        yield page
        browser.close()


def check_looks(page):
    """Light and dark; as narrow as a phone nothing is cut off; nothing is asked of a network."""
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.click("#theme")
    assert page.evaluate(paper) != light
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth === 390")
    assert page.complaints == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in page.asked)
