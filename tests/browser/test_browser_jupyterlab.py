"""What a notebook shows in a real JupyterLab, light and dark (`tox -e jupyterlab`)."""

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from children import PATIENCE, child

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("jupyterlab") is None, reason="needs JupyterLab: it is run by `tox -e jupyterlab`"
    ),
    pytest.mark.timeout(300),
]

SETUP = """%load_ext infinium_integrations
from infinium_integrations import compare, traces
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
model = FakeListChatModel(responses=["Refunds are allowed **within 30 days**."])
prompt = ChatPromptTemplate.from_messages([("system", "You are terse."), ("user", "{question}")])
@tool
def get_order(number: int) -> str:
    "Look an order up."
    if number == 13:
        raise LookupError("there is no order 13")
    return f"order {number}: <script>shipped</script>"
"""
FIRST = """%%trace Refund request
get_order.invoke({"number": 4711})
try:
    get_order.invoke({"number": 13})
except LookupError:
    pass
answer = (prompt | model).invoke({"question": "May I return it?"})
"""
AGAIN = """%%trace Refund request
answer = (prompt | model).invoke({"question": "And after 40 days?"})
"""
CELLS = [SETUP, FIRST, AGAIN, "traces()", "compare(*traces()[:2])"]
REFUND, SECOND, LIST, COMPARED = 1, 2, 3, 4


def notebook():
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for n, source in enumerate(CELLS)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": cells})


@pytest.fixture(scope="module", params=["JupyterLab Light", "JupyterLab Dark"])
def lab(request, tmp_path_factory):
    """A JupyterLab of its own, without a token, in one of its themes; gives its address."""
    home = tmp_path_factory.mktemp("lab")
    (home / "work").mkdir()
    (home / "work" / "refunds.ipynb").write_text(notebook())
    themes = home / "settings" / "@jupyterlab" / "apputils-extension"
    themes.mkdir(parents=True)
    (themes / "themes.jupyterlab-settings").write_text(json.dumps({"theme": request.param}))
    (themes / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False})
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    folders = {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime"}
    given = {
        **os.environ,
        **{f"JUPYTER_{name}_DIR": str(home / folder) for name, folder in folders.items()},
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "INFINIUM_STORE": str(home / "store"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--ServerApp.root_dir={home / 'work'}"]
    with (home / "log").open("wb") as log, child(command, env=given, stdout=log, stderr=subprocess.STDOUT):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, (home / "log").read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def shown(lab, browser):
    """The notebook, opened and run from its first cell to its last."""
    import playwright.sync_api as playwright

    context = browser.new_context(viewport={"width": 1440, "height": 3200})
    page = context.new_page()
    page.goto(f"{lab}/lab/tree/refunds.ipynb")
    page.locator(".jp-Notebook .jp-Cell").nth(COMPARED).wait_for(timeout=60_000)
    idle = page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    last = output(page, COMPARED).locator(".ifm").first
    deadline = time.monotonic() + 4 * PATIENCE
    while not last.is_visible():  # on a busy machine the kernel may not be there yet, and what is run is lost
        assert time.monotonic() < deadline
        idle.wait_for(timeout=60_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with contextlib.suppress(playwright.TimeoutError):
            last.wait_for(timeout=20_000)
    idle.wait_for(timeout=60_000)
    for number in (REFUND, SECOND, LIST):
        output(page, number).locator(".ifm").first.wait_for()
    yield page
    context.close()


def output(page, number):
    return page.locator(".jp-Notebook .jp-Cell").nth(number).locator(".jp-OutputArea-output")


def test_a_cells_trace_stands_below_it_with_its_labels_in_one_line(shown):
    picture = output(shown, REFUND).locator(".ifm").first
    for label in ("Duration", "Steps", "Tokens"):
        found = picture.locator(".ifm-term", has_text=label)
        for each in range(found.count()):
            assert found.nth(each).bounding_box()["height"] < 24
    assert picture.locator(".ifm-title").inner_text().endswith("Refund request")
    assert picture.get_by_text("there is no order 13").first.is_visible()


def test_steps_have_no_marker_and_their_times_stand_beside_the_bars(shown):
    picture = output(shown, REFUND).locator(".ifm").first
    steps = picture.locator(".ifm-step")
    assert steps.count() >= 3
    for number in range(steps.count()):
        assert steps.nth(number).evaluate("one => getComputedStyle(one).listStyleType") == "none"
        row = steps.nth(number).locator("> .ifm-own > summary")
        time_, bar = row.locator(".ifm-dur").bounding_box(), row.locator(".ifm-bar").bounding_box()
        assert time_["x"] + time_["width"] <= bar["x"] or time_["y"] + time_["height"] <= bar["y"]
        name = row.locator(".ifm-name").bounding_box()
        assert name["height"] < 24


BOXES = """() => [...document.querySelectorAll('SCOPE .ifm *')]
    .filter(one => one.checkVisibility() && !one.matches('.ifm-plain, .numbering-entry'))
    .map(one => { const box = one.getBoundingClientRect(), look = getComputedStyle(one);
        return [one.className.baseVal ?? one.className, Math.round(box.width), Math.round(box.height),
                look.listStyleType, look.fontSize, look.color, look.backgroundColor].join(' '); })"""


@pytest.mark.parametrize("number", [REFUND, LIST, COMPARED])
def test_jupyterlabs_own_rules_change_no_box_and_no_colour(shown, browser, number):
    found = output(shown, number).filter(has=shown.locator(".ifm")).first
    found.evaluate("one => one.id = 'ours'")
    html, width = found.inner_html(), found.locator(".ifm").first.evaluate("one => getComputedStyle(one).width")
    light = shown.evaluate("document.body.dataset.jpThemeLight")
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    bare = context.new_page()
    bare.set_content(f"<!doctype html><body data-jp-theme-light='{light}'><div style='width: {width}'>{html}</div>")
    boxes = shown.evaluate(BOXES.replace("SCOPE", "#ours"))
    found.evaluate("one => one.removeAttribute('id')")
    assert boxes == bare.evaluate(BOXES.replace("SCOPE ", ""))
    assert len(boxes) > 20
    for table in found.locator(".ifm-scroll").all():
        assert table.evaluate("one => one.scrollWidth <= one.clientWidth")
    context.close()


def test_a_trace_has_the_themes_ground_and_a_step_unfolds(shown):
    light = shown.evaluate("document.body.dataset.jpThemeLight") == "true"
    picture = output(shown, REFUND).locator(".ifm").first
    assert (picture.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)") is light
    step = picture.locator(".ifm-own").last
    step.locator("> summary").click()
    answer = step.get_by_text("within 30 days").locator("visible=true").first
    answer.wait_for()
    assert answer.evaluate("one => one.closest('strong') !== null")
    assert picture.evaluate("one => one.scrollWidth <= one.clientWidth")
    if folder := os.environ.get("SCREENSHOTS"):
        shown.screenshot(path=str(Path(folder) / f"jupyterlab-{'light' if light else 'dark'}.png"))
