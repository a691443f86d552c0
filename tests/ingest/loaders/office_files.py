"""Make Office Open XML files part by part."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

SCHEMAS = "http://schemas.openxmlformats.org"
RELATIONSHIPS = f"{SCHEMAS}/officeDocument/2006/relationships"
NAMESPACES = " ".join(
    f'xmlns:{prefix}="{name}"'
    for prefix, name in {
        "w": f"{SCHEMAS}/wordprocessingml/2006/main",
        "m": f"{SCHEMAS}/officeDocument/2006/math",
        "r": RELATIONSHIPS,
        "a": f"{SCHEMAS}/drawingml/2006/main",
        "c": f"{SCHEMAS}/drawingml/2006/chart",
        "p": f"{SCHEMAS}/presentationml/2006/main",
        "mc": f"{SCHEMAS}/markup-compatibility/2006",
    }.items()
)


def zip_file(parts: Mapping[str, str | bytes]) -> bytes:
    """Return an archive of the parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def links(targets: Mapping[str, tuple[str, str]]) -> str:
    """Return a part of relationships: the kind and the target of each id."""
    found = "".join(
        f'<Relationship Id="{name}" Type="{RELATIONSHIPS}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{SCHEMAS}/package/2006/relationships">{found}</Relationships>'


def word_file(body: str, **parts: str) -> bytes:
    """Return a Word document of a body and parts, each by its kind: ``footnotes``, ``header``."""
    files = {
        f"word/{kind}.xml": f"<w:{kind} {NAMESPACES}>{xml}</w:{kind}>"
        for kind, xml in parts.items()
    }
    return zip_file(
        {
            "_rels/.rels": links({"r": ("officeDocument", "word/document.xml")}),
            "word/document.xml": f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": links({kind: (kind, f"{kind}.xml") for kind in parts}),
            **files,
        }
    )


def p(text: str, properties: str = "") -> str:
    """Return a paragraph of a Word document; markup in the text is a run of its own."""
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def table(*rows: list[str]) -> str:
    """Return a table of a Word document; each cell is its XML, or the text of a paragraph."""
    cells = [[cell if cell[0] == "<" else p(cell) for cell in row] for row in rows]
    lines = ("".join(f"<w:tc>{cell}</w:tc>" for cell in row) for row in cells)
    return f"<w:tbl>{''.join(f'<w:tr>{line}</w:tr>' for line in lines)}</w:tbl>"
