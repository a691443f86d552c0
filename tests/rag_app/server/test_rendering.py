"""Whatever a model or a document writes, the page shows it and runs, loads and hides nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from rag_app.server.pages.rendering import answer_html, sanitized, sentence_html, visible
from rag_app.types import Answer, Citation

KEPT = "tail of the text"
PAYLOADS = (
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<<script>alert(1);//<</script>",
    "<script\n>alert(1)</script\n>",
    "<script/x>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=//evil.example/a.png>",
    "<img srcset='//evil.example/a.png 1x'>",
    "<image href=x onerror=alert(1)>",
    "<picture><source srcset=//evil.example/a><img></picture>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<svg><use href='data:image/svg+xml,<svg/>#x'/></svg>",
    "<svg><foreignObject><iframe src=javascript:alert(1)></foreignObject></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math href='javascript:alert(1)'>x</math>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=//evil.example/x></object>",
    "<embed src=//evil.example/x>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/>",
    "<form action=//evil.example><button>Log in</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)></select>",
    "<textarea></textarea><script>alert(1)</script>",
    "<details open ontoggle=alert(1)>",
    "<video src=//evil.example/x onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)></audio>",
    "<body onload=alert(1)>",
    "<style>@import '//evil.example/x.css'</style>",
    "<p style='background:url(//evil.example/x)'>x</p>",
    "<div style=position:fixed;inset:0>cover</div>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='jav&#x09;ascript:alert(1)'>x</a>",
    "<a href=data:text/html,<script>alert(1)</script>>x</a>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><x onclick=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "&#x3c;svg/onload=alert(1)&#x3e;",
    "\u003cscript\u003ealert(1)\u003c/script\u003e",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](blob:http://localhost/1)",
    "[x](//evil.example/a)",
    "[x](/logout)",
    "[x](?collection=other)",
    "[x](#turn-1)",
    "[x](<javascript:alert(1)>)",
    '[x](http://evil.example/"onmouseover=alert(1))',
    "[x](http://evil.example 'a\" onmouseover=\"alert(1)')",
    "![x](http://evil.example/a.png)",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "![x](javascript:alert(1))",
    "![![x](http://evil.example/a.png)](http://evil.example/b.png)",
    "[![x](http://evil.example/a.png)](http://evil.example)",
    "![x][1]\n\n[1]: http://evil.example/a.png",
    "[x][1]\n\n[1]: javascript:alert(1)",
    "<javascript:alert(1)>",
    '<http://evil.example/"onclick=alert(1)>',
    "`<script>alert(1)</script>`",
    "```html\n<script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "    <script>alert(1)</script>",
    "| <script>alert(1)</script> | b |\n|---|---|\n| <img src=x onerror=alert(1)> | d |",
    "> <script>alert(1)</script>",
    "# <img src=x onerror=alert(1)>",
    "**<svg onload=alert(1)>**",
    "x\u202e<script>\u202c\u2066\u2069",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
    "\ufdd0<script>\ufdd1",
    "{{ 7 * 7 }} {% include 'x' %} ${alert(1)}",
    "']}\"><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
)
TAGS = frozenset(
    "a blockquote br code em h1 h2 h3 h4 h5 h6 hr li mark ol p pre s span strong sup table tbody "
    "td th thead tr ul".split()
)


class Shown(HTMLParser):
    """What a browser would find in HTML: its tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def citation(n: int) -> Citation:
    return Citation(n, "a.md", None, 0, 5, "quote", 1.0, True)


def shown(text: str, llm: str = "openai:m", **values: object) -> Shown:
    return Shown(answer_html(Answer("q", text, llm=llm, **values), "t1-c"))  # type: ignore[arg-type]


def assert_harmless(found: Shown) -> None:
    for tag, attributes in found.tags:
        assert tag in TAGS
        assert attributes.keys() <= {"href", "class", "rel", "start"}
        href = attributes.get("href")
        assert href is None or re.match(r"(https?://|mailto:)[^\s\"'<>]+$|#t1-c\d+$", href), href


@pytest.mark.parametrize("llm", ["openai:m", "extractive"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_is_text(payload: str, llm: str) -> None:
    found = shown(f"{payload}\n\n{KEPT}", llm)
    assert_harmless(found)
    assert KEPT in found.text
    assert not re.search("[\x00\u202a-\u202e\u2066-\u2069]", found.text)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_sanitizer_alone_lets_no_payload_through(payload: str) -> None:
    for tag, attributes in Shown(sanitized(payload)).tags:
        assert tag in TAGS
        assert attributes.keys() <= {"href", "class", "rel", "start"}
        href = attributes.get("href") or ""
        assert not href or re.match("#|https?:|mailto:", href)


def test_a_tag_that_a_model_writes_is_read_as_text() -> None:
    assert shown("Use <b>bold</b> here.").text.strip() == "Use <b>bold</b> here."


def test_markers_of_known_citations_are_links() -> None:
    found = shown("One [1] and **two [2]**, not [7].", citations=(citation(1), citation(2)))
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert links == ["#t1-c1", "#t1-c2"]
    assert "not [7]" in found.text


def test_a_definition_does_not_take_a_marker_away_from_its_citation() -> None:
    found = shown("Yes [1].\n\n[1]: http://evil.example", citations=(citation(1),))
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert links == ["#t1-c1", "#t1-c1"]


def test_a_link_shows_its_host() -> None:
    found = shown("See [your bank](https://evil.example/login).")
    assert found.tags[1] == (
        "a",
        {
            "href": "https://evil.example/login",
            "class": "external",
            "rel": "noopener noreferrer nofollow",
        },
    )
    assert found.text.strip() == "See your bank evil.example."


def test_quotes_are_not_read_as_markdown() -> None:
    found = shown("# 5 * 4 * 3\n1. [x](http://evil.example)", "extractive")
    assert [tag for tag, _ in found.tags] == ["p", "br"]
    assert found.text == "# 5 * 4 * 31. [x](http://evil.example)"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("It is so. It costs 5 euros. [1]", "It costs 5 euros."),
        ("- It is so.\n- It costs 5 euros.", "- It costs 5 euros."),
        ("It is **so. It costs** 5 euros.", "It costs** 5 euros."),
        ("1. It costs <5> & more.", "It costs <5> & more."),
    ],
)
def test_a_sentence_without_support_is_marked(text: str, sentence: str) -> None:
    html = answer_html(Answer("q", text, unsupported=(sentence,), llm="openai:m"), "t1-c")
    marked = "".join(re.findall("<mark>(.*?)</mark>", html, re.DOTALL))
    expected = sentence.removeprefix("- ").replace("**", "")
    assert Shown(marked).text == expected


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_in_a_listed_sentence_is_text(payload: str) -> None:
    assert_harmless(Shown(sentence_html(payload)))


def test_a_listed_sentence_has_no_mark_of_a_list() -> None:
    assert sentence_html("- It is **so**. [1]") == "<p>It is <strong>so</strong>. [1]</p>\n"


def test_marks_of_text_direction_are_not_shown() -> None:
    assert visible("a\u202eb\u2066c\u200fd\x1be") == "a\ufffdb\ufffdcd\ufffde"
