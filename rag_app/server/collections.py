"""The collections of a server: each a folder with its index, conversations and feedback."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ingest import (
    IndexBusyError,
    IndexedDocument,
    IndexMissingError,
    IndexStatus,
    PagePictures,
    ProviderError,
    RagError,
    UsageError,
    holds_index,
    is_loopback,
    place_of,
)
from rag_app.app import RagApp
from rag_app.llms import llm_address
from rag_app.prompts import answering_prompts
from rag_app.server.conversation_store import ConversationStore
from rag_app.server.feedback import FeedbackFile
from rag_app.server.indexing import Indexing, JobState
from rag_app.server.security.access import Access
from rag_app.settings import (
    Settings,
    changed_settings,
    embedding_address,
    llm_names,
    mask_secrets,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A chat model that callers may choose.

    Attributes:
        name: As in the setting ``llm``, without passwords.
        destinations: The hosts that the question and the retrieved text are sent to; empty if
            nothing leaves this machine.
    """

    name: str
    destinations: tuple[str, ...]


class NotOfferedError(UsageError):
    """The model or the prompt is not among those that callers may choose."""


class Collection:
    """A folder of documents with its index, its conversations and the feedback on its answers."""

    def __init__(self, name: str, settings: Settings, llms: Sequence[str]) -> None:
        """Open a collection.

        Args:
            name: Its name in addresses and token files.
            settings: Its documents, index and defaults.
            llms: Chat models that callers may choose besides the one of the settings.

        Raises:
            UsageError: A chat model can't be used: its name, package or key is wrong.
        """
        self.name = name
        self.app = RagApp(settings)
        self._apps = {llm: self.app.using(llm=llm) for llm in dict.fromkeys((settings.llm, *llms))}
        for app in self._apps.values():
            with suppress(ProviderError):  # a server that does not answer now may do so later
                _ = app.llm
        folder = _data_folder(name, settings.index)
        self.conversations = ConversationStore(folder / "conversations.sqlite")
        self.feedback = FeedbackFile(folder / "feedback.jsonl")
        self.indexing = Indexing(self.app)
        self.pictures = PagePictures(self.app.settings)

    @property
    def settings(self) -> Settings:
        """The settings of the collection."""
        return self.app.settings

    @property
    def models(self) -> tuple[ModelChoice, ...]:
        """The chat models that callers may choose, the default first."""
        return tuple(_choice(llm, self.settings) for llm in self._apps)

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompt templates that callers may choose."""
        return answering_prompts()

    def asked(
        self, llm: str | None = None, prompt: str | None = None, top_k: int | None = None
    ) -> RagApp:
        """Return the app that answers with these choices; None is the default.

        Raises:
            IndexBusyError: The folder is being indexed for the first time.
            NotOfferedError: The model or the prompt is not offered.
            UsageError: ``top_k`` is not from 1 to 100.
        """
        running = self.indexing.job.state is JobState.RUNNING
        if running and not holds_index(self.settings.index):
            raise IndexBusyError("the folder is being indexed: ask again when that is done")
        app = self._app(llm)
        if prompt is not None and prompt not in self.prompts:
            raise NotOfferedError(
                f"there is no prompt '{prompt}': choose {', '.join(self.prompts)}"
            )
        changes = {"prompt": prompt, "top_k": top_k}
        given = {name: value for name, value in changes.items() if value is not None}
        return app.using(**given) if given else app

    def documents(self) -> list[IndexedDocument]:
        """Return what the index knows of every file and document; nothing without an index."""
        try:
            return self.app.documents()
        except IndexMissingError:
            return []

    def status(self) -> IndexStatus | None:
        """Return the status of the index, None without one."""
        try:
            return self.app.status()
        except IndexMissingError:
            return None

    def warm(self) -> None:
        """Load the models and the index, so that the first question is as fast as the next."""
        with suppress(RagError):
            self.app.search("warm")

    def close(self) -> None:
        """End the index job and the process that draws pages."""
        self.indexing.close()
        self.pictures.close()

    def _app(self, llm: str | None) -> RagApp:
        if llm is None:
            return self._apps[self.settings.llm]
        for name, app in self._apps.items():
            if mask_secrets(name) == llm:
                return app
        offered = ", ".join(model.name for model in self.models)
        raise NotOfferedError(f"the model '{llm}' is not offered here: choose {offered}")


class Collections(Mapping[str, Collection]):
    """The collections of a server by name; the first is the default."""

    def __init__(self, collections: Sequence[Collection]) -> None:
        self._collections = {one.name: one for one in collections}

    def __getitem__(self, name: str) -> Collection:
        return self._collections[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._collections)

    def __len__(self) -> int:
        return len(self._collections)

    def readable_by(self, access: Access) -> list[Collection]:
        """Return the collections that a caller may read; others do not exist for them."""
        return [one for one in self.values() if access.may_read(one.name)]

    def close(self) -> None:
        """Close every collection."""
        for collection in self.values():
            collection.close()


def open_collections(
    settings: Settings, folders: Mapping[str, Path], llms: Sequence[str] = ()
) -> Collections:
    """Return a collection for each named folder, or the one of the settings, named ``documents``.

    The index of a named folder lies beside the index of the settings, with its name at the end.

    Raises:
        UsageError: A name can't be used, or a folder does not exist and has no index.
    """
    if not folders:
        chosen = {"documents": settings}
    else:
        chosen = {name: _settings_of(name, folder, settings) for name, folder in folders.items()}
    for one in chosen.values():
        if not (one.documents.is_dir() or holds_index(one.index)):
            raise UsageError(
                f"the documents folder {one.documents} does not exist: make it, or name another, "
                "as in 'rag serve DOCS'"
            )
    return Collections([Collection(name, one, llms) for name, one in chosen.items()])


def _settings_of(name: str, folder: Path, settings: Settings) -> Settings:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' can't name a collection: use letters, digits, '-' and '_', as in "
            "--collection contracts=docs/contracts"
        )
    index = settings.index.with_name(f"{settings.index.name}-{name}")
    return changed_settings(settings, documents=folder, index=index)


def _data_folder(name: str, index: Path) -> Path:
    """Return the folder for what callers write; it must outlive the index."""
    from platformdirs import user_data_path

    digest = sha256(str(index.resolve()).encode()).hexdigest()[:12]
    return user_data_path("rag-app", appauthor=False) / "collections" / f"{name}-{digest}"


def _choice(llm: str, settings: Settings) -> ModelChoice:
    addresses = [llm_address(name, settings) for name in llm_names(llm)]
    addresses.append(embedding_address(settings))
    away = (address for address in addresses if address and not is_loopback(address))
    return ModelChoice(mask_secrets(llm), tuple(dict.fromkeys(map(place_of, away))))
