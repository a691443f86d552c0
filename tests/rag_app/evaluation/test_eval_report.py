"""The page opens in a real browser, shows its plots, and asks for nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from outcomes import evaluation, outcome

from ingest import UsageError
from rag_app.evaluation import Comparison, Evaluation
from rag_app.evaluation.report import write_report
from rag_app.evaluation.statistics import compare

HOSTILE = (
    "</blockquote><script>document.title='owned'</script><img src=x onerror=alert(1)>\x00\ud800"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def measured(answer: str) -> Evaluation:
    return evaluation(
        *(
            outcome(
                str(number),
                text=f"{HOSTILE} {number}?",
                answers=[HOSTILE, "copper"],
                answerable=number % 3 > 0,
                relevant={HOSTILE: 1} if number % 3 else {},
                ranking=["a", HOSTILE] if number % 2 else [HOSTILE],
                chunks=[f"Chunk {number} {HOSTILE}"],
                answer=answer,
                abstained=number % 5 == 0,
                verified=[True],
                confidence=number / 10 - 0.5,
            )
            for number in range(12)
        ),
        dataset=HOSTILE,
    )


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(measured("It is tin. [1]"), measured(f"It is copper. [1] {HOSTILE}"))


class Elements(HTMLParser):
    """Counts elements, and keeps the attributes that could load or run something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.active: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        for name, value in attrs:
            local = name.endswith("href") and (value or "").startswith("#")
            if name in ("src", "href", "xlink:href", "action") and not local:
                self.active.append(f"{tag} {name}={value}")
            if name.startswith("on"):
                self.active.append(f"{tag} {name}")


def test_hostile_text_stays_text(comparison: Comparison, tmp_path: Path) -> None:
    page = write_report(tmp_path / "page", comparison).read_text(encoding="utf-8")

    found = Elements(page)
    assert not {"script", "img", "link", "iframe", "form"} & set(found.names)
    assert found.active == []
    assert found.names.count("svg") == 3
    assert "&lt;script&gt;document.title=" in page


def test_the_same_evaluation_gives_the_same_page(tmp_path: Path) -> None:
    one, two = (write_report(tmp_path / name, measured("It is tin.")) for name in ("a", "b"))

    assert one.read_bytes() == two.read_bytes()


def test_an_evaluation_that_tells_nothing_still_gives_a_page(tmp_path: Path) -> None:
    page = write_report(tmp_path, evaluation(outcome("q", chunks=["Copper."])))

    assert Elements(page.read_text(encoding="utf-8")).names.count("svg") == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match=r"index\.html can't be written"):
        write_report(tmp_path / "file", measured("It is tin."))


class Browser:
    """A page in Chromium, and what it said and asked for while it was opened."""

    def __init__(self, chromium: object, page: Path, colours: str) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        tab = chromium.new_page(color_scheme=colours)  # type: ignore[attr-defined]
        tab.on("console", lambda message: self.said.append(message.text))
        tab.on("pageerror", lambda error: self.said.append(str(error)))
        tab.on("request", lambda request: self.asked.append(request.url))
        tab.goto(page.as_uri())
        self.tab = tab


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    arguments = "--no-sandbox --headless --disable-gpu --disable-background-networking"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*arguments.split(), "--no-first-run"]
        )
        yield browser
        browser.close()


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_page_shows_its_plots_and_asks_for_nothing(
    comparison: Comparison, tmp_path: Path, chromium: object, colours: str
) -> None:
    page = write_report(tmp_path, comparison)

    browser = Browser(chromium, page, colours)

    assert browser.said == []
    assert browser.asked == [page.as_uri()]
    assert browser.tab.title() != "owned"
    plots = browser.tab.get_by_role("img").all()
    assert [plot.get_attribute("aria-labelledby") for plot in plots] == [
        "metrics-title",
        "recall-title",
        "confidence-title",
    ]
    for plot in plots:
        box = plot.bounding_box()
        assert box["width"] > 200
        assert box["height"] > 100
    # Bars take their colour from the page.
    bar = "document.querySelector('#metrics-patch_3 path')"
    filled = browser.tab.evaluate(f"getComputedStyle({bar}).fill")
    assert filled == {"light": "rgb(47, 111, 183)", "dark": "rgb(121, 176, 236)"}[colours]
    picture = browser.tab.screenshot(path=tmp_path / "page.png", full_page=True)
    assert len(picture) > 10_000
