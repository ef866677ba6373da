"""Makes the pictures of the start pages: runs what each page shows, and takes what the reader will see.

    python docs/pictures.py [NAME]…

Needs Chromium, Playwright, Pillow, and the extras and frameworks that the pages name. Nothing is fetched.
"""

import html
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
BLOCK = re.compile(r"^```(?:python|ipython)\n(.+?)^```", re.DOTALL | re.MULTILINE)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
COLOURS = 128


class Picture(NamedTuple):
    """What is taken of a page: of the trace with this name, made by so many of its blocks, this step open."""

    trace: str
    step: int
    blocks: int = 1


PICTURES = {
    "langchain": Picture("Ask about tides", step=1),
    "langgraph": Picture("Support desk", step=2),
    "llama_index": Picture("Support desk", step=2),
    "plain_code": Picture("Quarterly report", step=1),
}
STEPS = ".ifm-own > summary"
LEAST = 420
"""Pixels: the height of a picture at least."""
CELLS = """
import sys
from IPython.core.interactiveshell import InteractiveShell
from infinium_integrations import flush, traces

shell = InteractiveShell()
for cell in {cells!r}:
    shell.run_cell(cell).raise_error()
flush(10)
html = traces(limit=1)[0]._repr_mimebundle_()["text/html"]
open({out!r}, "w").write(html)
"""
SERVE = "from infinium_integrations.cli.main import main; main()"
NOTEBOOK = """<!doctype html><meta charset=utf-8><style>
body {{ font-family: system-ui, sans-serif; margin: 16px; background: #fff }}
pre {{ background: #f5f5f5; border: 1px solid #ddd; padding: 10px 12px; font-size: 13px; border-radius: 2px }}
</style><pre>{cell}</pre>{output}"""


def blocks(name: str) -> list[str]:
    """Return the blocks of Python of a start page."""
    return BLOCK.findall((HERE / "start" / f"{name}.md").read_text())


@contextmanager
def store() -> Iterator[dict[str, str]]:
    """Yield an environment with a store of its own, and no account."""
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("INFINIUM_")}
        yield {**kept, "INFINIUM_STORE": folder, "PYTHONPATH": str(HERE.parent)}


@contextmanager
def served(environment: dict[str, str]) -> Iterator[str]:
    """Yield the address of the page that shows the store."""
    command = [sys.executable, "-c", SERVE, "serve", "--no-token", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout or ()
            address = next(found[0] for line in said if (found := re.search(r"http://\S+", line)))
            yield address.rstrip("/")
        finally:
            process.terminate()


def take_trace(page: Page, name: str, picture: Picture) -> bytes:
    """Run a page's blocks, and take the picture of their trace in the browser."""
    with store() as environment:
        code = "\n".join(blocks(name)[: picture.blocks]) + "\nfrom infinium_integrations import flush\nflush(10)\n"
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=100)
        with served(environment) as address:
            page.set_viewport_size({"width": 1280, "height": LEAST})
            page.goto(address)
            page.get_by_role("link", name=picture.trace).first.click()
            page.locator(STEPS).nth(picture.step).click()
            page.wait_for_load_state("networkidle")
            page.mouse.move(0, 0)
            return page.screenshot(full_page=True)


def take_notebook(page: Page) -> bytes:
    """Run the cells of the notebook's page, and take the second with what stands below it."""
    cells = blocks("notebook")[:2]
    with store() as environment, tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "trace.html")
        code = CELLS.format(cells=cells, out=str(out))
        subprocess.run(
            [sys.executable, "-c", code], env=environment, check=True, timeout=100, stdout=subprocess.DEVNULL
        )
        page.set_viewport_size({"width": 1100, "height": 400})
        page.set_content(NOTEBOOK.format(cell=html.escape(cells[1].strip()), output=out.read_text()))
        page.locator(STEPS).nth(1).click()
        page.mouse.move(0, 0)
        return page.screenshot(full_page=True)


def small(png: bytes) -> Image.Image:
    """Return a picture with few colours, which is a third of the size."""
    return Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)


def main(wanted: list[str]) -> None:
    """Make the pictures that are wanted, or all."""
    into = HERE / "pictures"
    into.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for name in wanted or [*PICTURES, "notebook"]:
            page = browser.new_page(device_scale_factor=1.5)
            png = take_notebook(page) if name == "notebook" else take_trace(page, name, PICTURES[name])
            small(png).save(into / f"{name}.png", optimize=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
