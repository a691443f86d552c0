"""Answers as HTML that is safe to show, whatever a model or a document wrote."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from markupsafe import Markup

from ingest.text.printable import printable
from rag_app.types import Answer

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_SCHEMES = frozenset({"http", "https", "mailto"})
_MARKER = re.compile(r"( ?)\[(\d{1,4})\]")
_LIST_MARK = re.compile(r"(?:[\s>#*+-]|\d{1,9}[.)]\s)*")
# Noncharacters (Unicode, section 23.7) stand for tags until the text is HTML; a text has none.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_NONCHARACTERS = re.compile("[\ufdd0-\ufdef]")
_HIDDEN = re.compile("[\u061c\u200e\u200f]")  # marks of text direction
_TAGS = frozenset(
    "a blockquote br code em h1 h2 h3 h4 h5 h6 hr li mark ol p pre s span strong sup table tbody "
    "td th thead tr ul".split()
)
_ATTRIBUTES = {"a": {"href", "class"}, "span": {"class"}, "sup": {"class"}, "ol": {"start"}}
_CLASSES = frozenset({"cite", "external", "host"})


def visible(text: object) -> str:
    """Return a text without controls and marks that change how the text around it is shown."""
    return _HIDDEN.sub("", printable(str(text)))


def answer_html(answer: Answer, prefix: str) -> Markup:
    """Return the text of an answer as HTML.

    Markers of citations link to ``#{prefix}{n}``, and sentences without support are in ``mark``.
    What the extractive reader quotes is text; what a chat model writes is Markdown.
    """
    text = _NONCHARACTERS.sub("", visible(answer.text))
    for sentence in answer.unsupported:
        text = _marked(text, visible(sentence))
    known = {citation.n for citation in answer.citations}
    if answer.llm.startswith("extractive"):
        html = _plain_html(text, prefix, known)
    else:
        html = _markdown_html(text, prefix, known)
    return sanitized(_NONCHARACTERS.sub("", html))


def sentence_html(sentence: str) -> Markup:
    """Return a sentence that a chat model wrote, without the mark of a list before it."""
    bare = _LIST_MARK.sub("", _NONCHARACTERS.sub("", visible(sentence)), count=1)
    return sanitized(_markdown_html(bare, "", ()))


def sanitized(html: str) -> Markup:
    """Return HTML with nothing in it that runs, loads or looks like a part of the page."""
    import nh3

    return Markup(
        nh3.clean(
            html,
            tags=set(_TAGS),
            attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
            attribute_filter=_attribute,
            url_schemes=set(_SCHEMES),
            link_rel="noopener noreferrer nofollow",
        )
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "class":
        return value if value in _CLASSES else None
    if name == "href":
        return value if value.startswith("#") or _host(value) else None
    return value


def _marked(text: str, sentence: str) -> str:
    bare = _LIST_MARK.sub("", sentence, count=1).strip()
    return text.replace(bare, f"{_OPEN}{bare}{_CLOSE}", 1) if bare else text


def _plain_html(text: str, prefix: str, known: Collection[int]) -> str:
    paragraphs = (escape(part).replace("\n", "<br>") for part in re.split(r"\n{2,}", text.strip()))
    html = (_with_marks(_linked(part, prefix, known), False) for part in paragraphs)
    return "".join(f"<p>{part}</p>" for part in html)


def _markdown_html(text: str, prefix: str, known: Collection[int]) -> str:
    parser = _parser()
    env: dict[str, object] = {}
    tokens = parser.parse(text, env)
    for token in tokens:
        if token.children:
            token.children = list(_shown(token.children, prefix, known))
    return str(parser.renderer.render(tokens, parser.options, env))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "breaks": True})
    # A definition "[1]: address" would take the marker [1] away from its citation.
    return parser.enable(["table", "strikethrough"]).disable(["image", "reference"])


def _shown(children: list[Token], prefix: str, known: Collection[int]) -> Iterator[Token]:
    """Yield inline tokens: links only to other sites with their host, markers as links."""
    from markdown_it.token import Token

    host, in_link, marked = "", False, False
    for token in children:
        if token.type == "link_open":
            host, in_link = _host(str(token.attrGet("href"))), True
            token.attrs = {"href": str(token.attrGet("href")), "class": "external"}
            if host:
                yield token
        elif token.type == "link_close":
            shown = f' <span class="host">{escape(visible(host))}</span></a>'
            yield from [Token("html_inline", "", 0, content=shown)] if host else []
            in_link = False
        elif token.type == "text":
            html = escape(token.content)
            html = html if in_link else _linked(html, prefix, known)
            yield Token("html_inline", "", 0, content=_with_marks(html, marked))
            marked = _is_marked_after(token.content, marked)
        else:
            yield token
            marked = _is_marked_after(token.content, marked)


def _with_marks(html: str, marked: bool) -> str:
    """Return HTML with ``mark`` around what is marked, which may have begun before it."""
    html = f"{_OPEN}{html}" if marked else html
    html = f"{html}{_CLOSE}" if _is_marked_after(html, False) else html
    return html.replace(_OPEN, "<mark>").replace(_CLOSE, "</mark>")


def _is_marked_after(text: str, marked: bool) -> bool:
    opened, closed = text.rfind(_OPEN), text.rfind(_CLOSE)
    return opened > closed if max(opened, closed) >= 0 else marked


def _host(address: str) -> str:
    """Return the host that a link leads to, or "" if it is none to another site."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme.lower() not in _SCHEMES:
        return ""
    return parts.hostname or parts.path.rpartition("@")[2] if parts.scheme else ""


def _linked(html: str, prefix: str, known: Collection[int]) -> str:
    return _MARKER.sub(lambda match: _cite(match, prefix, known), html)


def _cite(match: re.Match[str], prefix: str, known: Collection[int]) -> str:
    n = int(match[2])
    if n not in known:
        return match[0]
    # A marker stays on the line of the word before it.
    space = "\u00a0" if match[1] else ""
    return f'{space}<a class="cite" href="#{prefix}{n}">{n}</a>'


def conflicting(answer: Answer) -> list[list[int]]:
    """Return the groups of conflicting citations that can be shown."""
    known = {citation.n for citation in answer.citations}
    groups = ([n for n in group if n in known] for group in answer.conflicts)
    return [group for group in groups if len(group) > 1]
