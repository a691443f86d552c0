"""A message is its headers, its text and its attachments; a mailbox is its messages."""

from __future__ import annotations

import base64
import io
import os
import zipfile
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.image import MIMEImage
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import LoadError
from ingest.loaders import LoadOptions, load_document
from ingest.loaders.mail import load_mbox
from ingest.types import Document

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def message(**extra: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = "Inês Prado <ines@quay.example>"
    made["To"] = "crew@quay.example"
    made["Date"] = "Tue, 03 Nov 2026 08:15:00 +0000"
    made["Subject"] = "Maré alta na doca"
    for name, value in extra.items():
        made[name] = value
    return made


HEADERS = (
    "From: Inês Prado <ines@quay.example>\nTo: crew@quay.example\n"
    "Date: Tue, 03 Nov 2026 08:15:00 +0000\nSubject: Maré alta na doca"
)


def located(document: Document, quote: str) -> str | None:
    start = document.text.index(quote)
    return document.places_between(start, start + len(quote))[0].location


def pdf(*pages: str) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1)
    for text in pages:
        canvas.drawString(72, 700, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def test_a_message_has_its_headers_and_its_text_with_what_it_quotes() -> None:
    made = message()
    made.set_content("Às nove.\n\n> A que horas?\n> Ana\n")
    document = load_document("a.eml", made.as_bytes())
    assert document.text == f"{HEADERS}\n\nÀs nove.\n\n> A que horas?\n> Ana"
    assert document.metadata == {"title": "Maré alta na doca", "date": "2026-11-03"}
    (subject,) = document.headings
    assert document.text[subject.start :].startswith(subject.title)
    assert document.problems == ()


def test_plain_text_is_preferred_to_html_and_html_to_nothing() -> None:
    made = message()
    made.set_content("In words.")
    made.add_alternative("<p>In a page.</p>", subtype="html")
    assert load_document("a.eml", made.as_bytes()).text == f"{HEADERS}\n\nIn words."
    for blank in ("", " \n"):
        made = message()
        made.set_content(blank)
        made.add_alternative("<h1>Tides</h1><p>In a p&aacute;ge.</p>", subtype="html")
        document = load_document("a", made.as_bytes())
        assert document.text == f"{HEADERS}\n\nTides\n\nIn a páge."
        assert [(one.level, one.title) for one in document.headings] == [
            (1, "Maré alta na doca"),
            (2, "Tides"),
        ]


def test_attachments_are_read_under_their_names_and_failures_are_named() -> None:
    made = message()
    made.set_content("See the terms.")
    made.add_attachment(pdf("The rent", "The keys"), "application", "pdf", filename="termos 1º.pdf")
    made.add_attachment(b"%PDF-broken", "application", "pdf", filename="bad.pdf")
    made.add_attachment(b"MZ\0\0", "application", "octet-stream", filename="run.exe")
    made.add_attachment("a note", filename="../note.txt")
    document = load_document("a.eml", made.as_bytes())
    assert document.text.startswith(f"{HEADERS}\n\nSee the terms.\n\n")
    assert located(document, "See") is None
    assert located(document, "The keys") == "termos 1º.pdf, page 2"
    assert located(document, "a note") == "note.txt, line 1"
    assert document.problems == (
        "bad.pdf: is damaged or not really pdf",
        "1 attachment of a kind that is not read: run.exe",
    )
    assert 0 < document.unread < 0.5


def test_images_of_the_text_are_left_out_without_a_word() -> None:
    page = MIMEMultipart("related")
    page.attach(MIMEText("<p>Dear crew <img src=cid:logo></p>", "html"))
    page.attach(MIMEImage(PNG, "png", name="logo.png"))
    both = MIMEMultipart("alternative")
    both.attach(MIMEText("", "plain"))
    both.attach(page)
    both["Subject"] = "Logos"
    document = load_document("a.eml", both.as_bytes())
    assert document.text == "Subject: Logos\n\nDear crew"
    assert document.problems == ()


def test_an_attachment_within_an_alternative_is_not_lost() -> None:
    rich = MIMEMultipart("mixed")
    rich.attach(MIMEText("<p>In a page</p>", "html"))
    attached = MIMEApplication(b"Rope: 40 m", "octet-stream")
    attached.add_header("Content-Disposition", "inline", filename="list.txt")
    rich.attach(attached)
    both = MIMEMultipart("alternative")
    both.attach(MIMEText("In words", "plain"))
    both.attach(rich)
    document = load_document("a.eml", b"Subject: x\n" + both.as_bytes())
    assert document.text == "Subject: x\n\nIn words\n\nRope: 40 m"


def test_a_message_and_an_archive_in_a_message_are_read_to_a_depth() -> None:
    inner = message()
    inner.set_content("The innermost.")
    content = inner.as_bytes()
    for _ in range(3):
        outer = EmailMessage()
        outer["Subject"] = "Fwd/again"
        outer.set_content("see below")
        box = io.BytesIO()
        with zipfile.ZipFile(box, "w") as archive:
            archive.writestr("m.eml", content)
        outer.add_attachment(box.getvalue(), "application", "zip", filename="box.zip")
        content = outer.as_bytes()
    options = LoadOptions(depth=7)
    document = load_document("a.eml", content, options)
    assert located(document, "innermost") == ", ".join(["box.zip, m.eml"] * 3)
    document = load_document("a.eml", content)
    assert "innermost" not in document.text
    assert "box.zip: m.eml: box.zip: m.eml: lies too deep" in document.problems[0]

    forwarded = MIMEMultipart()
    forwarded["Subject"] = "Fwd"
    forwarded.attach(MIMEMessage(inner))
    document = load_document("a.eml", forwarded.as_bytes())
    assert located(document, "innermost") == "Maré alta na doca.eml"


@pytest.mark.parametrize(
    ("header", "body", "text"),
    [
        ("iso-8859-1", "três pontões".encode("iso-8859-1"), "três pontões"),
        ("iso-8859-1", "três pontões".encode(), "três pontões"),
        ("us-ascii", "não há três botões".encode("cp1252"), "não há três botões"),
        ("no-such-charset", "três".encode(), "três"),
        ("iso-2022-jp", "波止場".encode("iso-2022-jp"), "波止場"),
        ("zlib", b"plain", "plain"),
        ("utf-8", b"\0\1\2\3\4\5 bytes", "\1\2\3\4\5 bytes"),
    ],
)
def test_a_wrong_or_unknown_charset_never_fails(header: str, body: bytes, text: str) -> None:
    fields = f"Subject: x\nContent-Type: text/plain; charset={header}\nMIME-Version: 1.0\n\n"
    assert load_document("a.eml", fields.encode() + body).text == f"Subject: x\n\n{text}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"=?utf-8?q?Mar=C3=A9?= =?utf-8?b?cyBhbHRhcw==?=", "Marés altas"),
        ("Marés de três".encode("cp1252"), "Marés de três"),
        ("Marés de três".encode(), "Marés de três"),
        (b"=?nowhere?q?tide?= and", "tide and"),
        (b"=?utf-8?b?%%%?=", "=?utf-8?b?%%%?="),
        (b"folded\n over\n\tlines", "folded over lines"),
        (b"x" * 20_000, "x" * 5_000),
    ],
)
def test_a_header_is_shown_as_it_was_meant(value: bytes, shown: str) -> None:
    content = b"From: a@b.example\nSubject: " + value + b"\n\ntext"
    document = load_document("a.eml", content)
    assert document.text == f"From: a@b.example\nSubject: {shown}\n\ntext"


def test_what_is_signed_is_read_and_what_is_encrypted_is_said() -> None:
    signed = MIMEMultipart("signed", protocol="application/pkcs7-signature")
    signed["Subject"] = "Signed"
    signed.attach(MIMEText("It is true."))
    signed.attach(MIMEApplication(b"0\x82", "pkcs7-signature", name="smime.p7s"))
    document = load_document("a.eml", signed.as_bytes())
    assert (document.text, document.problems) == ("Subject: Signed\n\nIt is true.", ())

    enveloped = EmailMessage()
    enveloped["Subject"] = "Secret"
    enveloped.set_content(b"0\x82" * 300, "application", "pkcs7-mime", filename="smime.p7m")
    wrapped = MIMEMultipart("encrypted")
    wrapped["Subject"] = "Secret"
    wrapped.attach(MIMEApplication(b"Version: 1", "pgp-encrypted"))
    wrapped.attach(MIMEApplication(b"-----BEGIN PGP MESSAGE-----", "octet-stream"))
    typed = EmailMessage()
    typed["Subject"] = "Secret"
    typed.set_content("-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----")
    for made in (enveloped, wrapped, typed):
        document = load_document("a.eml", made.as_bytes())
        assert document.text == "Subject: Secret"
        assert document.problems == ("text: is encrypted",)
        assert document.unread > 0


def test_a_message_signed_as_a_whole_is_read() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Inês")])
    day = datetime(2026, 11, 3, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + timedelta(1))
    ).sign(key, hashes.SHA256())
    inner = MIMEText("The keel is laid.\n" * 20)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(inner.as_bytes())
    signed = builder.add_signer(certificate, key, hashes.SHA256()).sign(
        serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary]
    )
    plain = bytes.fromhex("06092a864886f70d010701")
    chunks = b"\x04\x81\x90" + inner.as_bytes()[:144] + b"\x04\x05" + inner.as_bytes()[144:149]
    for data, text in (
        (signed, ("The keel is laid.\n" * 20).strip()),
        (b"0\x80" + plain + b"\xa0\x80\x24\x80" + chunks + bytes(8), "The keel is laid.\nThe"),
    ):
        outer = EmailMessage()
        outer["Subject"] = "Launch"
        outer.set_content(data, "application", "pkcs7-mime", filename="smime.p7m")
        document = load_document("a.eml", outer.as_bytes())
        assert document.text.startswith(f"Subject: Launch\n\n{text}")
        assert document.problems == ()


def mailbox(*messages: EmailMessage) -> bytes:
    lines = []
    for made in messages:
        text = made.as_bytes(policy=policy.SMTP.clone(linesep="\n", mangle_from_=True))
        lines.append(b"From ines@quay.example Tue Nov  3 08:15:00 2026\n" + text + b"\n")
    return b"".join(lines)


def test_a_mailbox_has_each_message_in_its_place() -> None:
    bodies = ("First.\n\nFrom here on it rains, as at 10:30.\n", "Second.", "Third.")
    made = []
    for body in bodies:
        made.append(message())
        made[-1].set_content(body)
    made[1].add_attachment("planks", filename="order.txt")
    for content in (mailbox(*made), mailbox(*made).replace(b"\n", b"\r\n")):
        document = load_document("Inbox", content)
        assert [one.title for one in document.headings if one.level == 1] == [
            f"message {n}" for n in (1, 2, 3)
        ]
        assert located(document, "First") == "message 1"
        assert "\n\nFrom here on it rains" in document.text
        assert located(document, "planks") == "message 2, order.txt, line 1"
        assert located(document, "Third") == "message 3"
        assert document.problems == ()


def test_a_mailbox_is_read_until_the_time_is_over() -> None:
    content = mailbox(message(), message())
    document = load_mbox(content, LoadOptions(deadline=0), lambda name, member: Document(name))
    assert document.problems == (
        "messages from 1 on were not read: the time for this file is over",
    )


def test_a_message_of_a_mailbox_that_fails_is_named() -> None:
    good, bad = message(), message()
    good.set_content("Fine.")
    bad.set_content("Not fine.")
    content = mailbox(bad, good).replace(
        b"Content-Type:", b"Content-Type: " + b"x" * 100_000 + b"\n ", 1
    )
    document = load_document("a.mbox", content)
    assert "Fine." in document.text
    assert document.problems == ("message 1: has a header of more than 100,000 characters",)


def test_a_saved_web_page_is_read() -> None:
    page = MIMEMultipart("related")
    page["From"] = "<Saved by Blink>"
    page["Subject"] = "Harbour dues"
    page.attach(MIMEText("<html><body><p>Dues are paid in May.</p></body></html>", "html"))
    page.attach(MIMEText("p { color: red }", "css"))
    document = load_document("dues.mhtml", page.as_bytes())
    assert document.text.endswith("Subject: Harbour dues\n\nDues are paid in May.")


def test_parts_that_nest_without_end_are_refused() -> None:
    content = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(3_000)
    )
    with pytest.raises(LoadError, match="nests its parts too deeply"):
        load_document("a.eml", b"Subject: x\n" + content)


def test_parts_without_the_line_between_them_are_text() -> None:
    content = b"Subject: x\nContent-Type: multipart/mixed\n\n--b\n\nThe crane is due.\n--b--\n"
    document = load_document("a.eml", content)
    assert document.text == "Subject: x\n\n--b\n\nThe crane is due.\n--b--"
    assert located(document, "crane") is None


def test_many_parts_are_read_to_a_limit() -> None:
    parts = b"".join(b"--b\n\npart %d\n" % n for n in range(1_500))
    document = load_document(
        "a.eml", b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n" + parts
    )
    assert document.text.endswith("part 999")
    assert document.problems == ("other attachments were not read: there are too many",)


def test_a_damaged_transfer_encoding_loses_what_it_damaged_only() -> None:
    body = base64.b64encode(b"Long live the quay. " * 9)[:-3]
    content = b"Subject: x\nContent-Transfer-Encoding: base64\n\n" + body
    assert "Long live the quay." in load_document("a.eml", content).text


def test_public_messages_are_read() -> None:
    if "RAG_BENCH" not in os.environ:
        pytest.skip("needs the public benchmark documents: set RAG_BENCH to their folder")
    folder = Path(os.environ["RAG_BENCH"], "mixed-fixtures", "documents")
    for path in folder.rglob("*.mhtml"):
        document = load_document(path.name, path.read_bytes())
        assert len(document.text.split()) > 30
