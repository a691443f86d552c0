"""A text is decoded as what it is, and a guess is noted."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from benchmarks.encodings import encoded, is_right, paragraphs
from ingest.errors import LoadError
from ingest.loaders.encodings import decode, decode_noted
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.text import load_code, load_text

CONTRACT = (
    "A rescisão do contrato não dá direito à devolução das prestações. Após três meses, o síndico "
    "convoca a assembleia; é obrigatória a presença de dois terços dos condôminos."
)
OFFER = "We can’t deliver before March – “sorry” – but the price stays at £40 per m²."


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp1252", "Windows-1252"),
        ("latin-1", "Windows-1252"),
        ("cp850", "code page 850"),
        ("cp860", "code page 860"),
        ("mac-roman", "MacRoman"),
    ],
)
@pytest.mark.parametrize("text", [CONTRACT, CONTRACT.upper()], ids=["lower", "upper"])
def test_portuguese_is_read_in_the_encoding_that_makes_words(
    text: str, encoding: str, name: str
) -> None:
    decoded = decode_noted(text.encode(encoding))
    assert (decoded.text, decoded.guess, decoded.problem) == (text, name, "")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (OFFER, "cp1252"),
        (OFFER.replace("²", "2"), "mac-roman"),
        ("Der Größte heißt Jürgen.", "cp1252"),
        ("L’été dernier, à Besançon", "cp1252"),
        ("El año pasado, ¿quién ganó?", "cp850"),
        ("15 °C ± 2; 3 × 5 mm; © 2024", "cp1252"),
        ("Café: 3 €", "iso-8859-15"),
        ("<td>Miller’s Ltd © 2024</td>", "cp1252"),
    ],
)
def test_signs_and_names_are_read_in_their_place(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["Às 9 h, pão.\nE café?", "Привет, мир. Как дела?"])
def test_wide_encodings_without_a_mark_show_by_their_zero_bytes(encoding: str, text: str) -> None:
    assert decode_noted(text.encode(encoding)) == (text, encoding.upper(), "")


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b"\xe7", "1 byte that is not UTF-8"),
        (b"\xe7\xe3\xff", "3 bytes that are not UTF-8"),
    ],
)
def test_a_few_bad_bytes_leave_utf_8_as_it_is(bad: bytes, problem: str) -> None:
    content = CONTRACT.encode() + bad + "\nSó isto — é tudo.".encode()
    document = load_text(content, LoadOptions())
    assert document.text == f"{CONTRACT}{chr(0xFFFD) * len(bad)}\nSó isto — é tudo."
    assert document.problems == (problem,)


def test_a_log_stays_readable_around_what_a_crash_left_in_it() -> None:
    line = b"10:15 pump 4 stopped, pressure 3.1 bar\n"
    assert decode(line * 9 + b"\0\0\0" + line) == line.decode() * 10
    junk = random.Random(1).randbytes(30).replace(b"\0", b"\xff")
    document = load_text(line * 40 + junk + line * 40, LoadOptions())
    assert document.text.count(line.decode()) == 80


def test_a_guess_is_metadata_and_no_problem() -> None:
    document = load_code(CONTRACT.encode("cp1252"), LoadOptions())
    assert document.metadata == {"encoding": "Windows-1252 (guessed)"}
    assert document.problems == ()
    assert load_code(CONTRACT.encode(), LoadOptions()).metadata == {}


def test_what_is_declared_counts_before_a_guess_and_after_utf_8() -> None:
    assert decode("привет".encode("koi8-r"), "koi8-r") == "привет"
    assert decode("ação".encode(), "cp1252") == "ação"
    assert decode("“ação”".encode("cp1252"), "iso-8859-1") == "“ação”"
    assert decode("ação".encode("cp1252"), "no such encoding") == "ação"


def test_other_scripts_are_still_found() -> None:
    for text, encoding in (
        ("これは日本語の文章です。", "shift_jis"),
        ("Съешь ещё булок. ", "cp1251"),
    ):
        assert decode((text * 5).encode(encoding)) == text * 5


@pytest.mark.parametrize(
    "content",
    [b"MZ\x90\0\3\0\0\0\4", random.Random(7).randbytes(2000).replace(b"\0", b""), b"\0" * 99],
)
def test_binary_data_is_no_text(content: bytes) -> None:
    with pytest.raises(LoadError, match="is not text"):
        decode(content)


@pytest.mark.skipif("RAG_BENCH" not in os.environ, reason="RAG_BENCH names no folder of texts")
def test_public_documents_of_ten_encodings_come_out_right() -> None:
    texts = paragraphs(Path(os.environ["RAG_BENCH"]), "odd")["faquad"]
    for encoding, least in (
        ("cp1252", 0.99),
        ("cp850", 0.99),
        ("cp860", 0.99),
        ("mac-roman", 0.97),
    ):
        judged = [is_right(text, content) for text, content in encoded(texts, encoding)]
        assert len(judged) > 100
        assert sum(judged) >= least * len(judged), encoding


@pytest.mark.skipif("RAG_CASES" not in os.environ, reason="RAG_CASES names no folder of files")
@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("copyright_cp1252.txt", "±5 °C; 4 × 6 mm; µ"),
        ("units_cp1252.txt", "120 m² and 3½ rooms"),
        ("one_bad_byte_utf8.txt", "A reunião é às nove horas — não às dez."),
        ("utf16le_nobom.txt", "A reunião é às nove horas."),
        ("macroman_pt.txt", "Formulário: o usuário assina a declaração e a informação."),
        ("cp850_pt.txt", "O usuário final assina a declaração."),
    ],
)
def test_small_files_of_rare_encodings_come_out_right(name: str, held: str) -> None:
    assert held in decode(Path(os.environ["RAG_CASES"], "files", name).read_bytes())
