"""Every text of the page, in English and Portuguese."""

from __future__ import annotations

import re

LANGUAGES = ("en", "pt")

# English, Portuguese. Those whose key begins with "js_" are for the script as well.
_TEXTS: dict[str, tuple[str, str]] = {
    "skip": ("Skip to the content", "Ir para o conteúdo"),
    "menu": ("Menu", "Menu"),
    "main_navigation": ("Main", "Principal"),
    "new_question": ("New question", "Nova pergunta"),
    "documents": ("Documents", "Documentos"),
    "conversations": ("Conversations", "Conversas"),
    "no_conversations": ("Questions that you ask are kept here.", "Suas perguntas ficam aqui."),
    "untitled": ("Untitled", "Sem título"),
    "collection": ("Collection", "Coleção"),
    "switch": ("Switch", "Trocar"),
    "theme": ("Light or dark", "Claro ou escuro"),
    "sign_out": ("Sign out", "Sair"),
    "ask_title": ("Ask your documents", "Pergunte aos seus documentos"),
    "ask_lead": (
        "Every answer shows the sentences it rests on, and where they stand.",
        "Cada resposta mostra as frases em que se apoia e onde elas estão.",
    ),
    "question": ("Question", "Pergunta"),
    "question_hint": ("Ask a question…", "Faça uma pergunta…"),
    "follow_up_hint": ("Ask a follow-up…", "Continue perguntando…"),
    "ask": ("Ask", "Perguntar"),
    "try": ("Try one of these", "Experimente uma destas"),
    "options": ("Options", "Opções"),
    "model": ("Model", "Modelo"),
    "prompt": ("Style", "Estilo"),
    "default": ("Default", "Padrão"),
    "only": ("Only documents that match", "Só documentos que correspondem"),
    "filter_source": ("File or folder", "Arquivo ou pasta"),
    "filter_source_hint": ("e.g. contracts/*", "p. ex. contratos/*"),
    "type": ("Type", "Tipo"),
    "language": ("Language", "Idioma"),
    "any": ("Any", "Qualquer"),
    "since": ("Changed since", "Alterado desde"),
    "until": ("Changed until", "Alterado até"),
    "stays": ("Nothing leaves this machine", "Nada sai deste computador"),
    "sent_to": (
        "Your question and the passages found are sent to {hosts}",
        "Sua pergunta e os trechos encontrados são enviados a {hosts}",
    ),
    "no_index_title": ("Nothing to ask yet", "Ainda não há o que perguntar"),
    "no_index_lead": (
        "Add documents: PDF, Word, Excel, PowerPoint, e-mail, web pages, text and many more.",
        "Adicione documentos: PDF, Word, Excel, PowerPoint, e-mail, páginas da web, texto e muitos "
        "outros.",
    ),
    "indexing_title": ("Reading your documents", "Lendo seus documentos"),
    "indexing_lead": (
        "You can ask as soon as this is done.",
        "Você poderá perguntar assim que isto terminar.",
    ),
    "searched_for": ("Searched for", "Buscado como"),
    "nearest": ("Nearest passages", "Trechos mais próximos"),
    "nearest_lead": (
        "The documents hold no sure answer. These passages come nearest.",
        "Os documentos não têm uma resposta segura. Estes trechos são os mais próximos.",
    ),
    "sources": ("Sources", "Fontes"),
    "open_source": ("Open in its document", "Abrir no documento"),
    "unverified": ("not confirmed by the quote", "não confirmado pela citação"),
    "disagree": ("The documents disagree", "Os documentos discordam"),
    "dated": ("dated {date}", "de {date}"),
    "undated": ("no date", "sem data"),
    "unsupported": ("Without support in the documents", "Sem apoio nos documentos"),
    "unsupported_lead": (
        "The model wrote this; no passage says it.",
        "O modelo escreveu isto; nenhum trecho o diz.",
    ),
    "weak": (
        "The passages found may not hold the answer: check the quotes.",
        "Os trechos encontrados talvez não tenham a resposta: confira as citações.",
    ),
    "answered_by": ("Answered by {model}", "Respondido por {model}"),
    "extractive": ("Quotes only, no chat model", "Só citações, sem modelo de conversa"),
    "quoted": (
        "Quoted from the documents, without a chat model",
        "Citado dos documentos, sem modelo de conversa",
    ),
    "copy_answer": ("Copy the answer", "Copiar a resposta"),
    "copy_citation": ("Copy the citation", "Copiar a citação"),
    "helpful": ("Helpful", "Útil"),
    "not_helpful": ("Not helpful", "Não é útil"),
    "note": ("Note", "Nota"),
    "note_hint": ("Add a note…", "Anote algo…"),
    "feedback": ("Was this answer helpful?", "Esta resposta foi útil?"),
    "thanks": ("Thank you, that is kept.", "Obrigado, está guardado."),
    "manage": ("Rename, export, delete", "Renomear, exportar, excluir"),
    "rename": ("Rename", "Renomear"),
    "title": ("Title", "Título"),
    "export_markdown": ("Export as Markdown", "Exportar como Markdown"),
    "export_json": ("Export as JSON", "Exportar como JSON"),
    "delete": ("Delete", "Excluir"),
    "delete_conversation": ("Delete this conversation", "Excluir esta conversa"),
    "confirm_conversation": (
        "Delete the conversation “{name}”? This can't be undone.",
        "Excluir a conversa “{name}”? Não dá para desfazer.",
    ),
    "confirm_document": (
        "Delete “{name}” from the folder? This can't be undone.",
        "Excluir “{name}” da pasta? Não dá para desfazer.",
    ),
    "confirm_rebuild": (
        "Read every document again? This can take a while; the index stays usable meanwhile.",
        "Ler todos os documentos de novo? Pode demorar; o índice continua utilizável.",
    ),
    "original": ("Download the file", "Baixar o arquivo"),
    "page_n": ("Page {n}", "Página {n}"),
    "previous_page": ("Previous page", "Página anterior"),
    "next_page": ("Next page", "Próxima página"),
    "to_quote": ("To the quote", "Ir à citação"),
    "page_picture": (
        "Page {n} of {name}, with the quote highlighted",
        "Página {n} de {name}, com a citação destacada",
    ),
    "page_picture_plain": ("Page {n} of {name}", "Página {n} de {name}"),
    "page_text": ("The quote as text", "A citação como texto"),
    "row": ("Row", "Linha"),
    "coverage": ("{share} of the text is searchable", "{share} do texto é pesquisável"),
    "coverage_files": ("{read} of {total} files", "{read} de {total} arquivos"),
    "drop": ("Drop files here, or", "Solte arquivos aqui, ou"),
    "choose": ("choose files", "escolha arquivos"),
    "upload": ("Upload", "Enviar"),
    "replace_existing": ("Replace files of the same name", "Substituir arquivos de mesmo nome"),
    "reindex": ("Check for changes", "Verificar mudanças"),
    "more": ("More", "Mais"),
    "rebuild": ("Read everything again", "Ler tudo de novo"),
    "retry": ("Try failed files again", "Tentar de novo os que falharam"),
    "stop_job": ("Stop", "Parar"),
    "file": ("File", "Arquivo"),
    "size": ("Size", "Tamanho"),
    "state": ("State", "Estado"),
    "actions": ("Actions", "Ações"),
    "find": ("Name contains", "Nome contém"),
    "apply": ("Filter", "Filtrar"),
    "clear": ("Clear", "Limpar"),
    "indexed": ("Searchable", "Pesquisável"),
    "partial": ("In part", "Em parte"),
    "ignored": ("Not read", "Não lido"),
    "failed": ("Failed", "Falhou"),
    "no_match": ("No document matches.", "Nenhum documento corresponde."),
    "shown": ("{first}–{last} of {total}", "{first}–{last} de {total}"),
    "previous": ("Previous", "Anterior"),
    "next": ("Next", "Próxima"),
    "pages": ("Pages of the list", "Páginas da lista"),
    "search": ("Search passages", "Buscar trechos"),
    "search_hint": ("Words or a question", "Palavras ou uma pergunta"),
    "search_button": ("Search", "Buscar"),
    "no_passage": ("No passage found.", "Nenhum trecho encontrado."),
    "passages": ("Passages for “{question}”", "Trechos para “{question}”"),
    "job_cancelled": (
        "The last run was stopped. “Check for changes” reads what is left.",
        "A última execução foi interrompida. “Verificar mudanças” lê o que falta.",
    ),
    "job_failed": ("The last run failed", "A última execução falhou"),
    "error_title": ("That did not work", "Não deu certo"),
    "not_found": ("There is nothing here", "Não há nada aqui"),
    "to_start": ("Back to the start", "Voltar ao início"),
    "js_searching": ("Searching the documents…", "Buscando nos documentos…"),
    "js_reading": ("Reading {n} passages…", "Lendo {n} trechos…"),
    "js_thinking": ("Thinking", "Raciocínio"),
    "js_stop": ("Stop", "Parar"),
    "js_stopped": ("Stopped.", "Interrompido."),
    "js_failed": ("The answer failed", "A resposta falhou"),
    "js_copied": ("Copied", "Copiado"),
    "js_cancel": ("Cancel", "Cancelar"),
    "js_replace": ("Replace", "Substituir"),
    "js_continue": ("Continue", "Continuar"),
    "js_uploading": ("Uploading", "Enviando"),
    "js_read": ("Reading files", "Lendo arquivos"),
    "js_embed": ("Preparing passages", "Preparando trechos"),
    "js_commit": ("Saving", "Salvando"),
    "js_done": ("Done", "Pronto"),
    "js_lost": ("The server does not answer.", "O servidor não responde."),
}

_NAMES: dict[str, tuple[str, str]] = {
    "en": ("English", "inglês"),
    "pt": ("Portuguese", "português"),
    "es": ("Spanish", "espanhol"),
    "fr": ("French", "francês"),
    "de": ("German", "alemão"),
    "it": ("Italian", "italiano"),
}
_PLACES = {
    "page": "página",
    "pages": "páginas",
    "line": "linha",
    "row": "linha",
    "chapter": "capítulo",
    "message": "mensagem",
    "cell": "célula",
    "hidden": "oculto",
}
_PLACE = re.compile(r"(?:^|(?<=, ))(page|pages|line|row|chapter|message|cell)(?= \d)")


class Texts:
    """The texts in one language: ``texts("page_n", n=3)``."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._at = LANGUAGES.index(language)

    @property
    def tag(self) -> str:
        """The language as HTML names it."""
        return "pt-BR" if self.language == "pt" else self.language

    def __call__(self, key: str, **values: object) -> str:
        """Return a text with its values."""
        return _TEXTS[key][self._at].format(**values)

    @property
    def script(self) -> dict[str, str]:
        """The texts that the script shows."""
        return {key[3:]: pair[self._at] for key, pair in _TEXTS.items() if key.startswith("js_")}

    def language_name(self, code: str) -> str:
        """Return the name of a language, or its code; "" if it is not known."""
        return "" if code == "und" else _NAMES.get(code, (code, code))[self._at]

    def place(self, location: str | None) -> str:
        """Return the place of a citation, such as ``page 3``."""
        if self.language == "en" or not location:
            return location or ""
        return _PLACE.sub(lambda match: _PLACES[match[1]], location)

    def share(self, share: float) -> str:
        """Return a share as a percentage that is 100 only if it is all."""
        text = f"{min(share, 0.999) if share < 1 else 1:.1%}".replace(".0%", "%")
        return text.replace(".", ",") if self.language == "pt" else text

    def size(self, size: int | None) -> str:
        """Return a number of bytes as ``1.2 MB``."""
        if size is None:
            return ""
        amount, units = float(size), iter(("B", "kB", "MB", "GB", "TB"))
        unit = next(units)
        while amount >= 999.5 and unit != "TB":
            amount, unit = amount / 1000, next(units)
        text = f"{amount:.1f}" if amount < 10 and unit != "B" else f"{amount:.0f}"
        return f"{text.replace('.', ',') if self.language == 'pt' else text} {unit}"


def preferred_language(header: str) -> str:
    """Return the language of the page for the header ``Accept-Language`` (RFC 9110, 12.5.4)."""
    wanted: list[tuple[float, str]] = []
    for part in header.lower().split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            wanted.append((float(quality or 1), tag[:2]))
        except ValueError:
            continue
    ordered = sorted(wanted, key=lambda one: -one[0])
    return next((tag for quality, tag in ordered if tag in LANGUAGES and quality > 0), "en")
