"""The parts of a file that is a zip archive, such as a Word document, read within limits."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from typing import Any

from lxml import etree

from ingest.errors import LoadError
from ingest.loaders.load_options import LoadOptions

_MOST_PARTS = 50_000  # a deck has some thousands; chosen by hand
_CHUNK_BYTES = 1 << 20
_OLE = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = 1
# What reading a damaged part raises.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    etree.XMLSyntaxError,
    EOFError,
    NotImplementedError,
    OSError,
)


class ZipParts:
    """The parts of an archive by name; their sizes are counted while they are read.

    Only what is read counts, so that a deck with long videos is not too large.
    """

    def __init__(self, content: bytes, options: LoadOptions) -> None:
        """Raises LoadError if the archive is encrypted or has too many parts."""
        if content.startswith(_OLE):
            raise LoadError(
                "is encrypted, or of an old format such as .doc: save it as .docx, .pptx, .odt "
                "or .odp without a password"
            )
        self._archive = zipfile.ZipFile(io.BytesIO(content))
        self._most = self._left = options.unpacked_bytes
        infos = self._archive.infolist()
        if len(infos) > _MOST_PARTS:
            raise LoadError(f"has {len(infos):,} parts: too many for a document")
        self._infos = {info.filename: info for info in infos}

    @property
    def names(self) -> list[str]:
        """The names of the parts, in the order of the archive."""
        return list(self._infos)

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def read(self, name: str) -> bytes:
        """Return the bytes of a part.

        Raises:
            KeyError: If there is none of this name.
            LoadError: If it is encrypted, or more is unpacked than the options allow.
        """
        info = self._infos[name]
        if info.flag_bits & _ENCRYPTED:
            raise LoadError("is encrypted: save it without a password")
        if info.file_size > self._left:
            raise self._too_large(self._most - self._left + info.file_size)
        chunks: list[bytes] = []
        with self._archive.open(info) as part:
            while chunk := part.read(_CHUNK_BYTES):
                self._left -= len(chunk)
                if self._left < 0:
                    raise self._too_large(self._most - self._left)
                chunks.append(chunk)
        return b"".join(chunks)

    def xml(self, name: str) -> Any:
        """Return the root element of a part; see :func:`parse_xml`."""
        return parse_xml(self.read(name))

    def _too_large(self, size: int) -> LoadError:
        return LoadError(f"unpacks to {size // 1_000_000:,} MB: too much for a document")


def parse_xml(content: bytes) -> Any:
    """Return the root element, without comments.

    Raises:
        LoadError: If entities are declared: no document needs them, and attacks do.
        lxml.etree.XMLSyntaxError: If it is no XML, or nested too deeply.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    root = etree.fromstring(content, parser)
    declared = root.getroottree().docinfo.internalDTD
    if declared is not None and any(True for _ in declared.iterentities()):
        raise LoadError("declares XML entities, which a document has no use for")
    return root
