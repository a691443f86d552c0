"""ZIP and TAR archives, whose members are read like the files of a folder, and never unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from typing import Self

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders.load_options import LoadMember, LoadOptions
from ingest.loaders.members import Members, clean_name
from ingest.types import Document

_MOST_MEMBERS = 10_000  # chosen by hand
_ENCRYPTED, _UTF8 = 0x1, 0x800
_AES = 99
_LATE = "the time for this file is over"
_MANY = f"there are more than {_MOST_MEMBERS:,}"
# What reading a damaged archive raises.
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    LookupError,
    RuntimeError,
    ValueError,
)


def load_zip(content: bytes, options: LoadOptions, load: LoadMember) -> Document:
    """Return the files in a ZIP archive; raises LoadError if none can be read."""
    members = Members("member", options, load)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for n, info in enumerate(archive.infolist()):
            if reason := _reason_to_stop(n, options):
                members.stop(reason)
                break
            name = _shown(_zip_name(info))
            if name and not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16):
                _add_zipped(members, archive, info, name, options)
    return _document(members)


def load_tar(content: bytes, options: LoadOptions, load: LoadMember) -> Document:
    """Return the files in a TAR archive, or the one file that is compressed.

    Raises:
        LoadError: If none can be read.
    """
    stream = _decompressed(content)
    try:
        head = stream.read(tarfile.BLOCKSIZE)
        stream.seek(0)
        if not _is_tar(head):
            return _load_compressed(content, stream, options, load)
    except _DAMAGED as error:
        raise LoadError("is damaged or cut off") from error
    members = Members("member", options, load)
    try:
        _add_all(members, _Bounded(stream, max(options.unpacked_bytes, len(content))), options)
    except _TooLargeError:
        members.stop(members.limit_reason)
    except _DAMAGED:
        members.stop("the archive is damaged or cut off")
    return _document(members)


def _document(members: Members) -> Document:
    document = members.joined()
    if document.text.strip():
        return document
    if members.is_foreign:
        raise UnsupportedError(f"holds nothing that is read: {members.problems[0]}")
    raise LoadError("; ".join(document.problems) or "holds no files with text")


def _reason_to_stop(count: int, options: LoadOptions) -> str:
    if count >= _MOST_MEMBERS:
        return _MANY
    return _LATE if options.expired else ""


def _shown(name: str) -> str:
    """Return the name of a member; empty if it is a hidden file, or one of macOS."""
    parts = clean_name(name).split("/")
    return "" if any(one.startswith((".", "__MACOSX")) for one in parts) else "/".join(parts)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return a name as it was written: most programs set no flag for UTF-8."""
    if info.flag_bits & _UTF8:
        return info.filename
    encoded = info.filename.encode("cp437", errors="replace")
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        return encoded.decode("cp850")


def _add_zipped(
    members: Members,
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    name: str,
    options: LoadOptions,
) -> None:
    if info.file_size > members.left:
        members.fail(name, members.limit_reason, info.compress_size)
        return
    try:
        content = _unzip(archive, info, options.passwords)
    except NotImplementedError:
        members.fail(name, "is compressed or encrypted in a way that is not read")
    except LoadError as error:
        members.fail(name, str(error), info.compress_size)
    except _DAMAGED:
        members.fail(name, "is damaged", info.compress_size)
    else:
        members.add(name, content)


def _unzip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, passwords: tuple[str, ...]) -> bytes:
    """Return the bytes of a member, at most as many as its header states."""
    if not info.flag_bits & _ENCRYPTED:
        return archive.read(info)
    if info.compress_type == _AES:
        raise LoadError("is encrypted with AES, which is not read")
    for password in passwords:
        try:
            return archive.read(info, password.encode())
        except NotImplementedError:
            raise
        except _DAMAGED:  # some wrong passwords pass the check and unpack to rubbish
            continue
    raise LoadError("is encrypted: add its password to RAG_PASSWORDS")


class _TooLargeError(Exception):
    """More would be unpacked than may be."""


class _Bounded(io.RawIOBase):
    """A stream that ends with an error behind so many bytes."""

    def __init__(self, stream: io.BufferedIOBase, most: int) -> None:
        self._stream = stream
        self._left = most

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _TooLargeError
        return data


class _StrictHeader(tarfile.TarInfo):
    """A header of a member; one that is damaged is an error rather than the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error


def _add_all(members: Members, stream: _Bounded, options: LoadOptions) -> None:
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_StrictHeader) as archive:
        for n, info in enumerate(archive):
            if reason := _reason_to_stop(n, options):
                members.stop(reason)
                break
            name = _shown(info.name)
            if not name or not info.isreg():
                continue
            if info.size > members.left:
                members.fail(name, members.limit_reason, info.size)
            elif file := archive.extractfile(info):
                members.add(name, file.read(info.size))


def _decompressed(content: bytes) -> io.BufferedIOBase:
    file = io.BytesIO(content)
    if content.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if content.startswith(b"BZh"):
        return bz2.BZ2File(file)
    return lzma.LZMAFile(file) if content.startswith(b"\xfd7zXZ") else file


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "replace")
    except tarfile.TarError:
        return False
    return True


def _load_compressed(
    content: bytes, stream: io.BufferedIOBase, options: LoadOptions, load: LoadMember
) -> Document:
    """Return the one file that is compressed, under its name if that is known."""
    if isinstance(stream, io.BytesIO):
        raise LoadError("is damaged or not really an archive")
    inside = stream.read(options.unpacked_bytes + 1)
    if len(inside) > options.unpacked_bytes:
        raise LoadError(f"unpacks to more than {options.unpacked_bytes / 1e6:,.0f} MB")
    name = _shown(_gzip_name(content))
    if not name:
        return load("content", inside)
    members = Members("file", options, load)
    members.add(name, inside)
    return _document(members)


def _gzip_name(content: bytes) -> str:
    """Return the name of the file that was compressed, if the header states it (RFC 1952)."""
    flags, at = content[3], 10
    if not content.startswith(b"\x1f\x8b") or not flags & 8:
        return ""
    if flags & 4:
        at += 2 + int.from_bytes(content[at : at + 2], "little")
    return content[at : content.find(b"\0", at)].decode(errors="replace")
