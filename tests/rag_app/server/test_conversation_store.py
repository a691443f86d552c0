"""Conversations belong to who asked, survive the server, and are never mixed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rag_app import Answer, Citation, Turn
from rag_app.server.conversation_store import ConversationStore, NoConversationError

QUOTE = Citation(1, "a.md", None, 3, 8, "words", 1.0, True, "en", "line 2")


def turn(question: str) -> Turn:
    return Turn(question, f"{question} alone", Answer(question, "Yes. [1]", (QUOTE,), llm="x"))


def test_a_conversation_is_read_back_as_it_was(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "new" / "conversations.sqlite")
    made = store.create("ana")
    assert [store.add("ana", made.id, turn(text)) for text in ("One  two?", "Three?")] == [1, 2]
    found, turns = ConversationStore(tmp_path / "new" / "conversations.sqlite").read("ana", made.id)
    assert (found.title, turns) == ("One two?", [turn("One  two?"), turn("Three?")])


def test_the_last_changed_comes_first(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "conversations.sqlite")
    first, second = store.create("ana"), store.create("ana")
    store.add("ana", second.id, turn("b"))
    store.add("ana", first.id, turn("a"))
    assert [one.title for one in store.of("ana")] == ["a", "b"]


def test_a_conversation_is_renamed_and_deleted_with_its_turns(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "conversations.sqlite")
    made = store.create("ana")
    store.rename("ana", made.id, "Férias")
    store.add("ana", made.id, turn("b"))
    assert store.read("ana", made.id)[0].title == "Férias"
    store.delete("ana", made.id)
    assert store.of("ana") == []
    with pytest.raises(NoConversationError):
        store.read("ana", made.id)


def test_nobody_reads_changes_or_sees_what_belongs_to_another(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "conversations.sqlite")
    made = store.create("ana")
    store.add("ana", made.id, turn("secret"))
    assert store.of("bob") == []
    for forbidden in (
        lambda: store.read("bob", made.id),
        lambda: store.add("bob", made.id, turn("b")),
        lambda: store.rename("bob", made.id, "b"),
        lambda: store.delete("bob", made.id),
    ):
        with pytest.raises(NoConversationError):
            forbidden()
    assert [one.question for one in store.read("ana", made.id)[1]] == ["secret"]


def test_turns_of_many_threads_are_all_kept_in_one_order(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "conversations.sqlite")
    made = store.create("ana")
    numbers: list[int] = []

    def add(n: int) -> None:
        numbers.append(store.add("ana", made.id, turn(f"q{n}")))

    threads = [threading.Thread(target=add, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 21))
    assert {one.question for one in store.read("ana", made.id)[1]} == {f"q{n}" for n in range(20)}
