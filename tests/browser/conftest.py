"""A headless Chromium of the machine, and pages of blueprints opened in it."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

from graphkd.blueprint import load
from graphkd.compile import compile_blueprint
from graphkd.inspect import page

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@pytest.fixture(scope="module")
def browser():
    """Start the browser; its profile is a temporary one.

    It ends with its file: kept open beside tests that fork, it did not always end at all.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        # a sandbox cannot be made by root
        sandbox = os.getuid() != 0
        started = playwright.chromium.launch(executable_path=found, chromium_sandbox=sandbox)
        yield started
        started.close()


@pytest.fixture(scope="session")
def schedules():
    """Compile shipped blueprints, each once."""
    made = {}

    def compiled(name):
        if name not in made:
            made[name] = compile_blueprint(load(name))
        return made[name]

    return compiled


@pytest.fixture
def visit(browser):
    """Open a file in a browser without a network; nothing in it may fail or ask for anything."""
    contexts, complaints = [], []

    def open_file(file, *, scheme="light", height=860):
        size = {"width": 1400, "height": height}
        context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda said: complaints.append(said.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda asked: asked.url == file.as_uri() or complaints.append(asked.url))
        tab.goto(file.as_uri())
        return tab

    yield open_file
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def show(visit, tmp_path):
    """Open the text of a page."""

    def open_text(text, **settings):
        file = tmp_path / "page.html"
        file.write_text(text, encoding="utf-8")
        return visit(file, **settings)

    return open_text


@pytest.fixture
def opened(show, schedules):
    """Open the page of a shipped blueprint or of a schedule."""

    def open_page(what, *, scheme="light", **settings):
        schedule = schedules(what) if isinstance(what, str) else what
        return show(page(schedule, **settings), scheme=scheme)

    return open_page
