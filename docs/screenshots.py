"""Take the pictures of the page in docs/, for the README and docs/server.md.

Run from the root of the checkout, after `rag index`, with the packages of requirements-dev.lock and
Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).parent
DESKTOP = {"width": 1180, "height": 780}
PHONE = {"width": 390, "height": 780}


def main() -> None:
    """Serve the sample documents and take every picture."""
    command = [sys.executable, "-m", "rag_app", "serve", "--port", "0", "--quiet"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stdout
        url = server.stdout.readline().strip()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        try:
            take(browser, url)
        finally:
            browser.close()
            server.terminate()


def take(browser: Browser, url: str) -> None:
    """Ask in both languages, open the sources, and keep a picture of each."""
    page = browser.new_page(viewport=DESKTOP, locale="en")
    ask(page, url, "Who published word2vec?")
    keep(page, "page-answer")
    page.goto(f"{url}/documents")
    keep(page, "page-documents")
    page = browser.new_page(viewport=DESKTOP, locale="pt-BR")
    ask(page, url, "O que a geração aumentada por recuperação faz?")
    page.locator(".citations a", has_text=".pdf").first.click()
    page.locator("img").wait_for()
    page.wait_for_load_state("networkidle")
    keep(page, "page-source")
    page = browser.new_page(viewport=PHONE, locale="pt-BR", color_scheme="dark")
    ask(page, url, "Quando foi publicado o LoRA?")
    keep(page, "page-phone")


def ask(page: Page, url: str, question: str) -> None:
    """Ask a question on a new page, and wait for the whole answer."""
    page.goto(url)
    page.get_by_role("textbox").first.fill(question)
    page.keyboard.press("Enter")
    page.locator("article .citations").wait_for()
    page.wait_for_load_state("networkidle")


def keep(page: Page, name: str) -> None:
    """Write a picture with a small palette, which is half the size."""
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder) / "taken.png"
        page.screenshot(path=taken)
        picture = Image.open(taken).convert("RGB").quantize(64, dither=Image.Dither.NONE)
        picture.save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
