"""An index that a process may read but not write answers, and says so where it has to be written.

As root another user reads, whom the modes of the files stop; any other user reads an index of his
own without the right to write.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ingest import (
    EmbeddingModel,
    Index,
    IndexSettings,
    StoreError,
    export_index,
    sync_folder,
    verify_index,
)
from ingest.embeddings.compile_cache import cache_folder
from ingest.index.directory import current_version, find_unwritable

IS_ROOT = os.geteuid() == 0
# Who can't write, but can reach the interpreter wherever it is.
_NOBODY = [
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
]
DEPOTS = ("Linz", "Bari", "Kyoto")

pytestmark = pytest.mark.skipif(
    IS_ROOT and not shutil.which("setpriv"), reason="needs setpriv to become another user"
)

COMMANDS = """
import contextlib, io, json, sys
from rag_app.cli import main
runs = []
for arguments, stdin in json.loads(sys.argv[1]):
    out, err, sys.stdin = io.StringIO(), io.StringIO(), io.StringIO(stdin)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    runs.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(runs))
"""
ASK_ON = """
import sys
from ingest import IndexSettings, StoreError, open_index
index = open_index(IndexSettings(index=sys.argv[1]))
done = False
while True:
    try:
        found = index.candidates("Which lot is at the depot?", 10)
    except StoreError as error:
        if "changed while it was read: try again" not in str(error):
            raise
        continue
    print(*sorted({one.row.chunk.text.rpartition(" ")[2] for one in found}), flush=True)
    if done:
        break
    done = sys.stdin.readline() == "last\\n"
"""
READ_SLOWLY = """
import sys
from pathlib import Path
from ingest.errors import StoreError
from ingest.index.catalog import Catalog
from ingest.index.records import Origin
catalog = Catalog(Path(sys.argv[1]) / "catalog.sqlite")
try:
    with catalog.read() as reader:
        print(reader.state().generation, flush=True)
        sys.stdin.readline()
        rows = list(reader.documents(Origin.FOLDER))
    print(len(rows), "documents", flush=True)
except StoreError as error:
    print(error, flush=True)
with catalog.read() as reader:
    print(reader.state().generation, flush=True)
"""


def as_a_reader(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start Python as one who may read the index only."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*(_NOBODY if IS_ROOT else []), sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"HOME": "/nowhere", "RAG_COMPILE_CACHE": str(cache_folder())},
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
    )


def run_commands(*commands: list[str], stdin: str = "") -> list[tuple[int, str, str]]:
    """Return code, stdout and stderr of each command."""
    given = json.dumps([(command, stdin) for command in commands])
    with as_a_reader(COMMANDS, given) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return [(code, said, noted) for code, said, noted in json.loads(out)]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up what root may do, for as long as nothing has to be imported."""
    if not IS_ROOT:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def settings() -> Iterator[IndexSettings]:
    """A folder that other users can reach."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "documents").mkdir()
        yield IndexSettings(documents=folder / "documents", index=folder / "index")
        for parent, names, _ in os.walk(folder):  # which looks into each only afterwards
            for inner in names:
                Path(parent, inner).chmod(0o755)


@pytest.fixture
def put(settings: IndexSettings, embedding: EmbeddingModel) -> Callable[[str], None]:
    """Write a lot into every document, and bring the index in step."""

    def put_lot(lot: str) -> None:
        for depot in DEPOTS:
            text = f"At the depot in {depot} stands lot {lot}"
            (settings.documents / f"{depot.lower()}.txt").write_text(text)
        sync_folder(settings, embedding=embedding)

    return put_lot


def version(settings: IndexSettings) -> Path:
    return settings.index / "v1"


def take_right_to_write(settings: IndexSettings) -> None:
    for path in (settings.index, *settings.index.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def remove_log(settings: IndexSettings) -> None:
    """Leave the index as an earlier version of the app or a copy of the one file would."""
    for end in ("-wal", "-shm"):
        (version(settings) / f"catalog.sqlite{end}").unlink()


def kill_a_writer(settings: IndexSettings) -> None:
    """Leave a log with a change that is committed, but not in the catalog file."""
    code = """
import os, signal, sys
from ingest import IndexSettings
from ingest.index.open_version import Version
from ingest import sync_folder
Version.tidy = lambda version: os.kill(os.getpid(), signal.SIGKILL)
sync_folder(IndexSettings(documents=sys.argv[1], index=sys.argv[2]))
"""
    (settings.documents / "bari.txt").write_text("At the depot in Bari stands lot spruce")
    paths = [str(settings.documents), str(settings.index)]
    done = subprocess.run([sys.executable, "-c", code, *paths], timeout=300)
    assert done.returncode == -9
    assert (version(settings) / "catalog.sqlite-wal").stat().st_size > 0


def kill_and_lose_shared_memory(settings: IndexSettings) -> None:
    kill_a_writer(settings)
    (version(settings) / "catalog.sqlite-shm").unlink()


def leave_as_it_is(settings: IndexSettings) -> None:
    pass


def test_every_command_that_reads_works(
    settings: IndexSettings, put: Callable[[str], None]
) -> None:
    put("larch")
    take_right_to_write(settings)
    before = contents(settings.index)
    index = ["--index", str(settings.index)]
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        (Path(name) / "set.jsonl").write_text(
            json.dumps({"question": "Which lot stands in Bari?", "answers": ["larch"]}) + "\n"
        )
        runs = run_commands(
            ["ask", "Which lot stands in Bari?", "--json", *index],
            ["search", "Bari", "--json", *index],
            ["show", "bari.txt:0-23", *index],
            ["chat", *index],
            ["eval", f"{name}/set.jsonl", "--json", *index],
            ["status", "--json", *index],
            ["verify", "--json", *index],
            ["export", f"{name}/out.rag", "--json", *index],
            ["doctor", "--json", *index],
            stdin="Which lot stands in Bari?\n",
        )
    assert [(code, noted) for code, _, noted in runs[:3]] == [(0, "")] * 3
    assert [code for code, *_ in runs] == [0] * len(runs), runs
    answer, found, shown, chatted, measured, held, verified, exported, diagnosed = (
        said for _, said, _ in runs
    )
    assert json.loads(answer)["citations"][0]["quote"].endswith("lot larch")
    assert json.loads(found)[0]["text"] == "At the depot in Bari stands lot larch"
    assert "lot larch" in shown
    assert "lot larch" in chatted
    assert json.loads(measured)["answer_in_answer"] == 1
    assert json.loads(held)["documents"] == json.loads(exported)["documents"] == 3
    assert (json.loads(verified)["documents"], json.loads(verified)["damages"]) == (3, [])
    assert next(one for one in json.loads(diagnosed) if one["check"] == "index")["state"] == "ok"
    assert contents(settings.index) == before


@pytest.mark.parametrize(
    ("prepare", "lot"),
    [
        (remove_log, "larch"),
        (kill_a_writer, "spruce"),
        (kill_and_lose_shared_memory, "spruce"),
    ],
)
def test_the_newest_generation_answers_whatever_became_of_the_log(
    prepare: Callable[[IndexSettings], None],
    lot: str,
    settings: IndexSettings,
    put: Callable[[str], None],
) -> None:
    put("larch")
    prepare(settings)
    take_right_to_write(settings)
    before = contents(settings.index)
    index = ["--index", str(settings.index)]
    copy = settings.index.parent / "exports" / "out.rag"
    copy.parent.mkdir()
    copy.parent.chmod(0o777)

    (_, answer, _), (_, verified, _), (_, exported, _) = run_commands(
        ["ask", "Which lot stands in Bari?", "--json", *index],
        ["verify", "--json", *index],
        ["export", str(copy), "--json", *index],
    )

    assert json.loads(answer)["citations"][0]["quote"].endswith(f"lot {lot}")
    assert (json.loads(verified)["documents"], json.loads(verified)["damages"]) == (3, [])
    assert json.loads(exported)["chunks"] == 3
    assert f"in Bari stands lot {lot}".encode() in copy.read_bytes()
    assert contents(settings.index) == before


def test_verify_tells_a_person_what_it_could_not_see(
    settings: IndexSettings, put: Callable[[str], None]
) -> None:
    put("larch")
    take_right_to_write(settings)
    ((code, said, noted),) = run_commands(["verify", "--index", str(settings.index)])
    assert (code, said.partition(" (")[0]) == (0, "3 documents, 3 chunks: all as written")
    assert noted == (
        "this user may only read the index: files left by killed writers were not checked\n"
    )


def test_an_index_that_may_be_written_is_not_called_read_only(
    settings: IndexSettings, put: Callable[[str], None]
) -> None:
    put("larch")
    assert not verify_index(settings).read_only
    assert find_unwritable(settings.index) is None
    assert find_unwritable(settings.index.parent / "not" / "there") is None


def test_damage_is_found_all_the_same(settings: IndexSettings, put: Callable[[str], None]) -> None:
    put("larch")
    remove_log(settings)
    catalog = version(settings) / "catalog.sqlite"
    changed = catalog.read_bytes().replace(b"in Bari stands lot larch", b"in Bari stands lot loess")
    catalog.write_bytes(changed)
    take_right_to_write(settings)
    index = ["--index", str(settings.index)]
    runs = run_commands(["search", "Bari", *index], ["verify", "--json", *index])
    assert (runs[0][0], runs[0][1]) == (3, "")
    assert "damaged" in runs[0][2]
    assert (runs[1][0], [one["where"] for one in json.loads(runs[1][1])["damages"]]) == (
        1,
        ["bari.txt"],
    )


@pytest.mark.parametrize("locked", ["index", "version", "catalog"])
def test_what_has_to_write_says_who_may(
    locked: str, settings: IndexSettings, put: Callable[[str], None]
) -> None:
    put("larch")
    exported = settings.index.parent / "out.rag"
    index = ["--index", str(settings.index)]
    export_index(settings, exported)
    (settings.documents / "new.txt").write_text("At the depot in Oslo stands lot birch")
    take_right_to_write(settings)
    opened = {"index": [], "version": ["", "lock"], "catalog": ["", "lock", "v1"]}[locked]
    for name in opened:
        path = settings.index / name
        path.chmod(0o777 if path.is_dir() else 0o666)
    before = contents(settings.index)

    runs = run_commands(
        ["index", str(settings.documents), *index],
        ["index", str(settings.documents), "--rebuild", *index],
        ["index", "--rollback", *index],
        ["import", str(exported), *index],
        ["verify", "--repair", *index],
    )

    names = {"index": "", "version": "v1", "catalog": "v1/catalog.sqlite"}
    path = settings.index / names[locked]
    start = f"error: the index {settings.index} can't be written: {path} "
    for code, said, noted in runs:
        assert (code, said) == (3, "")
        assert noted.startswith(start + ("belongs to root" if IS_ROOT else "has no right"))
        assert "nothing was changed: " in noted
        assert noted.endswith(", or name another folder with --index\n")
        assert noted.count("\n") == 1
    assert contents(settings.index) == before


def test_a_place_that_takes_no_index_is_named(
    settings: IndexSettings, put: Callable[[str], None]
) -> None:
    (settings.documents / "a.txt").write_text("At the depot in Oslo stands lot birch")
    place = settings.index.parent / "locked"
    place.mkdir()
    place.chmod(0o555)
    index = place / "deep" / "index"
    ((code, _, noted),) = run_commands(["index", str(settings.documents), "--index", str(index)])
    assert code == 3
    assert noted.startswith(f"error: the index {index} can't be written: {place} ")


@pytest.mark.parametrize("closed", ["", "CURRENT", "v1", "v1/catalog.sqlite", "v1/committed"])
def test_an_index_that_may_not_even_be_read_is_one_sentence(
    closed: str, settings: IndexSettings, put: Callable[[str], None]
) -> None:
    put("larch")
    (settings.index / closed).chmod(0)
    with (
        as_nobody(),
        pytest.raises(StoreError, match=r" can't be read: .* let its owner allow that"),
    ):
        current_version(settings.index)


@pytest.mark.skipif(not IS_ROOT, reason="an owner without the right to write can't write either")
@pytest.mark.parametrize("prepare", [leave_as_it_is, remove_log])
def test_each_question_sees_one_generation_while_the_owner_writes(
    prepare: Callable[[IndexSettings], None],
    settings: IndexSettings,
    put: Callable[[str], None],
) -> None:
    lots = [f"{tree}{number}" for number in range(4) for tree in ("larch", "spruce", "birch")]
    put(lots[0])
    prepare(settings)
    with as_a_reader(ASK_ON, settings.index) as reader:
        assert reader.stdin
        assert reader.stdout
        seen = [reader.stdout.readline()]
        for lot in lots[1:]:
            reader.stdin.write("more\n" * 3)
            reader.stdin.flush()
            put(lot)  # while the other user asks
            seen += [reader.stdout.readline() for _ in range(3)]
        reader.stdin.write("last\n")
        rest, errors = reader.communicate(timeout=300)
    assert (reader.returncode, errors) == (0, "")
    seen += rest.splitlines(keepends=True)
    assert seen[0] == f"{lots[0]}\n"
    assert seen[-1] == f"{lots[-1]}\n"
    order = [lots.index(one.rstrip("\n")) for one in seen]  # one lot each, never an earlier one
    assert order == sorted(order)


@pytest.mark.skipif(not IS_ROOT, reason="an owner without the right to write can't write either")
@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_reader_without_locks_counts_only_if_the_catalog_stays_the_same(
    checkpoint: bool,
    settings: IndexSettings,
    embedding: EmbeddingModel,
    put: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("larch")
    remove_log(settings)
    with as_a_reader(READ_SLOWLY, version(settings)) as reader:
        assert reader.stdin
        assert reader.stdout
        assert reader.stdout.readline() == "1\n"
        with closing(Index.open(settings.index, embedding)) as index:
            index.delete()  # makes the log, and nothing else
            monkeypatch.setattr("ingest.index.open_version.Version.tidy", lambda version: None)
            put("spruce")
            if checkpoint:
                monkeypatch.undo()
                index.tidy()
            reader.stdin.write("go on\n")
            reader.stdin.flush()
            said = reader.stdout.readline()
            assert reader.stdout.readline() == "2\n"
    changed = "the catalog catalog.sqlite changed while it was read: try again\n"
    assert said == (changed if checkpoint else "3 documents\n")


@pytest.mark.skipif(not IS_ROOT or not shutil.which("unshare"), reason="needs to mount")
def test_a_read_only_mount_answers_and_says_that_it_is_one(
    settings: IndexSettings, put: Callable[[str], None]
) -> None:
    put("larch")
    index = settings.index
    given = json.dumps(
        [
            (["search", "Bari", "--json", "--index", str(index)], ""),
            (["verify", "--json", "--index", str(index)], ""),
            (["index", str(settings.documents), "--index", str(index)], ""),
        ]
    )
    mount = f"mount --bind {index} {index} && mount -o remount,bind,ro {index} || exit 77"
    become = ["unshare", "--mount", "sh", "-c", f'{mount}; exec "$@"', "sh"]
    done = subprocess.run(
        [*become, sys.executable, "-c", COMMANDS, given],
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"can't mount here: {done.stderr}")
    searched, verified, refused = json.loads(done.stdout)
    assert json.loads(searched[1])[0]["text"] == "At the depot in Bari stands lot larch"
    assert (verified[0], json.loads(verified[1])["damages"]) == (0, [])
    assert "may only read the index" in verified[2]
    assert (refused[0], refused[1]) == (3, "")
    assert "is on a file system that is mounted read-only; nothing was changed" in refused[2]


def test_python_gets_the_same_sentence(
    settings: IndexSettings, put: Callable[[str], None], embedding: EmbeddingModel
) -> None:
    put("larch")
    take_right_to_write(settings)
    with closing(Index.open(settings.index, embedding)) as index, as_nobody():
        assert len(index.candidates("larch", 4)) == 3
        with pytest.raises(StoreError, match=r"can't be written: .*; nothing was changed: "):
            index.add_texts(["At the depot in Oslo stands lot birch"])
        with pytest.raises(StoreError, match=r"can't be written: .*; nothing was changed: "):
            index.delete()
