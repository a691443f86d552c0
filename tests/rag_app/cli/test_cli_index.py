"""How the index is followed, carried elsewhere and put back from the command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import QUESTION, Rag, fingerprint, in_a_process, index_one_document
from test_cli import INDEX_KEYS

EXPORT_KEYS = "file documents chunks bytes".split()
IMPORT_KEYS = "documents chunks".split()
ROLLBACK_KEYS = "version embedding documents chunks".split()


@pytest.fixture
def copy(sample_index: Path, tmp_path: Path) -> Path:
    """A copy of the sample index, to be changed."""
    return shutil.copytree(sample_index, tmp_path / "copy")


@contextmanager
def watching(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "rag_app", "index", "documents", "--watch", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def test_help_names_what_a_sync_can_do(rag_alone: Rag) -> None:
    shown = rag_alone("index", "--help").out
    options = ("--dry-run", "--rebuild", "--retry-failed", "--watch", "--rollback")
    assert all(option in shown for option in options)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["index", "--watch", "--dry-run"], 2, "can't be combined", id="watch dry"),
        pytest.param(["index", "--watch", "--rollback"], 2, "can't be combined", id="watch back"),
        pytest.param(["index", "--rollback", "--rebuild"], 2, "can't be combined", id="back new"),
        pytest.param(["index", "--rollback"], 3, "no index", id="roll back nothing"),
        pytest.param(["index", "gone", "--watch", "--quiet"], 2, "gone", id="watch nothing"),
        pytest.param(["export", "out.rag"], 3, "no index", id="export nothing"),
        pytest.param(["export", "out", "--langchain"], 3, "no index", id="export no folder"),
        pytest.param(["import", "gone.rag"], 2, "No such file", id="import nothing"),
        pytest.param(["import", "file.txt"], 2, "not a whole file", id="import a text"),
        pytest.param(["import", "x", "--trust-pickle"], 2, "--langchain", id="trust a file"),
        pytest.param(["import", "x", "--langchain"], 2, "can run any code", id="no trust"),
    ],
)
def test_wrong_use_is_one_sentence_and_changes_nothing(
    arguments: list[str], code: int, message: str, rag_alone: Rag
) -> None:
    Path("file.txt").write_text("text")
    before = fingerprint(Path())
    run = rag_alone(*arguments)
    assert (run.code, run.out) == (code, "")
    assert run.err.startswith("error: ")
    assert run.err.count("\n") == 1
    assert message in run.err
    assert fingerprint(Path()) == before


def test_an_export_answers_where_it_is_imported(rag: Rag) -> None:
    exported = json.loads(rag("export", "sample.rag", "--json").out)
    imported = json.loads(rag("import", "sample.rag", "--index", "there", "--json").out)
    assert (list(exported), list(imported)) == (EXPORT_KEYS, IMPORT_KEYS)
    assert exported == imported | {"file": "sample.rag", "bytes": os.stat("sample.rag").st_size}
    found = [
        json.loads(rag("ask", QUESTION, "--json", *index).out)["citations"]
        for index in ([], ["--index", "there"])
    ]
    assert found[0] == found[1] != []


def test_a_person_is_told_what_was_exported_and_imported(rag: Rag) -> None:
    run = rag("export", "sample.rag")
    assert (run.code, run.err) == (0, "")
    held = run.out.partition(" written")[0]
    assert run.out.startswith(f"{held} written to sample.rag (0.")
    assert held.startswith("13 documents, ")
    assert rag("import", "sample.rag", "--index", "there").out == f"the index holds {held}\n"


def test_an_export_replaces_a_file_only_with_force(rag: Rag) -> None:
    Path("sample.rag").write_text("precious")
    run = rag("export", "sample.rag")
    assert (run.code, run.out) == (2, "")
    assert "--force" in run.err
    assert Path("sample.rag").read_text() == "precious"
    assert rag("export", "sample.rag", "--force").code == 0


def test_a_langchain_folder_goes_out_and_comes_in(rag_alone: Rag) -> None:
    index = str(index_one_document(rag_alone))
    run = rag_alone("export", "--langchain", "faiss", "--index", index, "--json")
    exported = json.loads(run.out)
    assert sorted(path.name for path in Path("faiss").iterdir()) == ["index.faiss", "index.pkl"]
    command = ("import", "--langchain", "faiss", "--trust-pickle", "--index", "there", "--json")
    run = rag_alone(*command)
    imported = json.loads(run.out)
    assert (list(exported), list(imported)) == (EXPORT_KEYS, IMPORT_KEYS)
    assert imported == {"documents": exported["chunks"], "chunks": exported["chunks"]}
    answer = json.loads(rag_alone("ask", QUESTION, "--index", "there", "--json").out)
    assert answer["citations"][0]["quote"].startswith("Word2vec was published in 2013")


@pytest.mark.usefixtures("sample_vectors")
def test_a_rebuild_is_rolled_back(rag: Rag, copy: Path) -> None:
    index = ("--index", str(copy))
    assert rag("index", "--rollback", *index).err.endswith("no earlier version to roll back to\n")
    rag("index", "--rebuild", *index)
    held = json.loads(rag("status", "--json", *index).out)

    done = json.loads(rag("index", "--rollback", "--json", *index).out)

    assert list(done) == ROLLBACK_KEYS
    assert done["embedding"] == held["embedding"]
    assert (done["documents"], done["chunks"]) == (held["documents"], held["chunks"])
    assert rag("index", *index).out.startswith("files: 13 unchanged; ")
    assert rag("index", "--rollback", *index).out.startswith(
        "in use now: v2, made with bundled:e5-small-en-pt, 13 documents, "
    )


def test_a_file_that_failed_is_an_error_once_and_read_again_on_request(
    rag_alone: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("documents").mkdir()
    Path("documents/void.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    for name, times in (("large.txt", 40_000), ("small.txt", 1)):
        Path("documents", name).write_text("The depot opens at seven.\n" * times)
    for path in Path("documents").iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    time.sleep(2.1)  # until the signatures of the files are trusted
    command = ("index", "documents", "--index", "i")
    monkeypatch.setenv("RAG_MAX_FILE_MB", "1")

    first = rag_alone(*command)
    assert first.code == 1
    assert first.err == (
        "failed: large.txt: has 1,040,000 bytes, the limit is 1,000,000 (RAG_MAX_FILE_MB)\n"
        "failed: void.pdf: is damaged or not really pdf\n"
    )
    again = rag_alone(*command)
    assert again.code == 0
    assert again.err == (
        f"{first.err}the failed files are as they were: --retry-failed reads them again\n"
    )
    assert again.out.startswith("files: 1 unchanged, 2 failed; read: 1 of 3 files, 0.0% of their")
    assert rag_alone(*command, "--strict").code == 1

    monkeypatch.delenv("RAG_MAX_FILE_MB")
    assert rag_alone(*command).out.startswith("files: 1 changed, 1 unchanged, 1 failed; read: 2 of")
    assert rag_alone(*command, "--dry-run").out == "would change, files: 2 unchanged, 1 failed\n"
    assert rag_alone(*command, "--retry-failed", "--dry-run").out.startswith(
        "would change, files: 1 changed, 2 unchanged"
    )
    assert rag_alone(*command, "--retry-failed").code == 0


def test_each_file_is_told_in_one_state(rag_alone: Rag) -> None:
    folder = Path("documents")
    (folder / "drafts").mkdir(parents=True)
    (folder / "good.txt").write_text("The depot opens at seven.")
    (folder / "empty.txt").touch()
    (folder / "cut.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (folder / "tool.exe").write_bytes(b"MZ\x90\0\3\0\0\0\4\0\0\0" * 20)
    (folder / "forged\nfailed: good.txt.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    for name in ("a", "b", "c", "d"):
        (folder / "drafts" / f"{name}.txt").write_text("Not yet.")
    (folder / ".ragignore").write_text("drafts/*\n")

    run = rag_alone("index", "documents", "--index", "i", "--exclude", "*.log")
    status = json.loads(rag_alone("status", "--index", "i", "--json").out)

    assert run.code == 1
    assert run.out.startswith("files: 1 new, 7 ignored, 2 failed; read: 1 of 5 files, ")
    assert run.err.splitlines() == [
        "failed: cut.pdf: is damaged or not really pdf",
        "failed: forged\ufffdfailed: good.txt.pdf: is damaged or not really pdf",
        "ignored: tool.exe: is an executable, which is not read",
        "ignored: empty.txt: is empty",
        "ignored: .ragignore: is hidden",
        "ignored: drafts/a.txt, drafts/b.txt, drafts/c.txt and 1 more: matches 'drafts/*' in "
        ".ragignore",
    ]
    assert [one["source"] for one in status["ignored"]] == [
        "empty.txt",
        "tool.exe",
    ]
    assert (status["coverage"]["read"], status["coverage"]["total"]) == (1, 5)


def test_watch_prints_a_line_a_sync_and_ctrl_c_ends_it(bare_environment: Path) -> None:
    documents = bare_environment / "documents"
    documents.mkdir()
    (documents / "a.txt").write_text("The depot opens at seven.")
    with watching("--index", "i", "--json") as process:
        first = json.loads(next_line(process))
        (documents / "b.txt").write_text("The depot closes at nine.")
        second = json.loads(next_line(process))
        (documents / "a.txt").unlink()
        third = json.loads(next_line(process))
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=300)
    assert list(first) == INDEX_KEYS
    assert (first["new"], second["new"], third["deleted"]) == (1, 1, 1)
    assert (process.returncode, rest) == (130, "")
    assert errors == "watching documents; stop with Ctrl-C\ninterrupted\n"


def test_watch_goes_on_after_a_sync_that_fails(bare_environment: Path) -> None:
    documents = bare_environment / "documents"
    documents.mkdir()
    with watching("--index", "i") as process:
        assert process.stderr
        assert process.stderr.readline() == "watching documents; stop with Ctrl-C\n"
        assert process.stderr.readline().startswith("error: there are no documents in documents")
        (documents / "a.txt").write_text("The depot opens at seven.")
        assert next_line(process).startswith("files: 1 new; chunks: 1 (1 embedded, 0 reused)")
        (documents / "b.pdf").write_bytes(b"%PDF-1.7 and then nothing")
        assert next_line(process).startswith("files: 1 unchanged, 1 failed; ")
        assert process.stderr.readline().startswith("failed: b.pdf: ")


@pytest.mark.parametrize("command", ["export", "import"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    command: str, rag: Rag, copy: Path, bare_environment: Path
) -> None:
    rag("export", "sample.rag")
    before = fingerprint(bare_environment), fingerprint(copy)
    target = "sample.rag" if command == "import" else "other.rag"
    run = in_a_process(
        "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (200_000, r.RLIM_INFINITY))",
        [command, target, "--index", str(copy)],
    )
    assert (run.code != 0, run.out) == (True, "")
    assert "could not be written" in run.err
    assert run.err.count("\n") == 1
    assert (fingerprint(bare_environment), fingerprint(copy)) == before


def test_help_of_the_new_commands_loads_only_the_command_line() -> None:
    run = in_a_process(
        "import sys",
        ["import", "--help"],
        "print(sorted({'langchain_core', 'numpy', 'faiss', 'watchfiles'} & set(sys.modules)), "
        "file=sys.stderr)",
    )
    assert (run.code, run.err) == (0, "[]\n")


def test_a_question_loads_neither_the_watcher_nor_the_classic_packages(sample_index: Path) -> None:
    run = in_a_process(
        "import sys",
        ["ask", QUESTION, "--index", str(sample_index)],
        "print(sorted({'watchfiles', 'langchain_community', 'langchain_classic'} "
        "& set(sys.modules)), file=sys.stderr)",
    )
    assert (run.code, run.err) == (0, "[]\n")
