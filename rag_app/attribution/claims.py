"""What a sentence of an answer claims about the documents, if anything.

List numbers, headings, labels ("Answer:"), lead-ins ("Based on the context, …") and closings ("I
hope this helps.") claim nothing; what they introduce does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest import Language
from ingest.text.terms import fold, is_number, is_stopword
from rag_app.attribution.abstention import abstains
from rag_app.attribution.claim_words import Wording
from rag_app.attribution.quotes import Evidence

# Words with which an answer refers to itself and to its sources.
_TALK = frozenset(
    (
        "answer answers answered response reply summary summarize summarise conclusion conclude "
        "short brief briefly overview note noted key point points takeaway takeaways detail "
        "details detailed explanation explain example examples step steps final finally direct "
        "question questions ask asked context document documents text texts passage passages "
        "source sources excerpt excerpts information info material materials file files provided "
        "provide given supplied retrieved available above below following follows listed here "
        "based according state states stated say says said mention mentions mentioned indicate "
        "indicates indicated describe describes described specify specifies specified show shows "
        "shown confirm confirms confirmed tell tells found find see sure certainly course hope "
        "help helps helpful let know feel free please additional further else anything want like "
        "happy glad assist assistance clarification clarify welcome thanks thank relevant related "
        "therefore thus hence overall specifically however moreover furthermore additionally "
        "addition great reference references citation citations cited quote quotes need explicitly "
        "clearly per "
        "resposta respostas responder resumo resumindo resumidamente conclusao concluindo suma "
        "sintese geral nota observacao ponto pontos detalhe detalhes explicacao exemplo exemplos "
        "passo passos etapa etapas final finalmente pergunta perguntas contexto documento "
        "documentos texto textos trecho trechos fonte fontes informacao informacoes material "
        "materiais arquivo arquivos fornecido fornecidos fornecida fornecidas dado dados dada "
        "dadas disponivel disponiveis acima abaixo seguir seguinte seguintes segue seguem listado "
        "listados aqui base baseado baseando acordo conforme afirma afirmam diz dizem menciona "
        "mencionam indica indicam descreve descrevem especifica informa informam mostra mostram "
        "confirma consta constam encontrei encontrado encontrados ver claro certamente espero "
        "ajudado ajudar ajuda ajude util avise saber sinta vontade fique fico estou favor "
        "adicional adicionais caso tenha tiver algo outra outras outro outros precisar precise "
        "duvida duvidas quiser otima disposicao esclarecimento esclarecimentos avisar perguntar "
        "dizer relevante relevantes relacionado relacionados portanto assim logo alem disso "
        "porem entretanto referencia referencias citacao citacoes"
    ).split()
)
_INTRODUCING = frozenset(
    (
        "state states stated say says said mention mentions mentioned indicate indicates describe "
        "describes specify specifies show shows confirm confirms tell tells that "
        "afirma afirmam diz dizem menciona mencionam indica indicam descreve descrevem especifica "
        "informa informam mostra mostram confirma consta que"
    ).split()
)
_ADDRESSING = frozenset(
    (
        "i me my you your let us please feel sure certainly thanks thank here below "
        "eu voce voces espero fico fique estou sinta avise avisar favor claro qualquer aqui abaixo"
    ).split()
)
_COUNTED = frozenset("step steps passo etapa point ponto example exemplo answer resposta".split())
_NEGATIONS = frozenset("not never none without nao nem sem nenhum nenhuma".split())
_LONGEST_LABEL = 3  # words
_WORD = re.compile(r"\w+(?:['’]\w+)?")
_ITEM = re.compile(
    r"(?:[-*+•–—·▪◦●○■]|\(?\d{1,3}[.)]|\(?[A-Za-z]\)|\(?[ivx]{1,4}[.)]|#{1,6})\s+(?=\S)|>\s?"
)
_EMPHASIS = re.compile(r"\*+|__+|(?<!\w)[_`](?=\S)|(?<=\S)[_`](?!\w)")
_HEADING = re.compile(r"#{1,6}\s.*|\*\*[^*\d]{1,60}\*\*:?|__[^_\d]{1,60}__:?")
_BUT = re.compile(r"[,;]\s*(?:but|however|though|mas|por[eé]m|contudo|entretanto)\b,?\s*", re.I)
_IN_THE = re.compile(r"\s+(?:contexto|documento|texto|trecho|arquivo)\b", re.I)  # "no" before it
_EDGES = " \t\n.,;:!?…-–—"


def is_heading(sentence: str) -> bool:
    """Return whether a sentence is only a heading."""
    return _HEADING.fullmatch(sentence) is not None and sentence.rstrip("*_ ")[-1:] not in ".!?"


def introduces(sentence: str, language: Language, evidence: Sequence[Evidence]) -> bool:
    """Return whether a line only introduces the next: it ends in a colon and names nothing new.

    The number of things it announces ("has two tanks:") need not be in a document.
    """
    if not sentence.rstrip("*_ ").endswith(":"):
        return False
    exact = (word for word in Wording(sentence, language).words if word.exact)
    names = (word for word in exact if word.text[0].isdigit() or not is_number(word.text))
    return all(any(not one.keys.isdisjoint(word.keys) for one in evidence) for word in names)


def claimed(sentence: str) -> str:
    """Return the claim of a sentence, without list number, label and lead-in; may be empty."""
    said = sentence.strip()
    if abstains(said):
        but = _BUT.search(said)
        said = said[but.end() :] if but and abstains(said[: but.start()]) else ""
    while match := _ITEM.match(said):
        said = said[match.end() :]
    said = _EMPHASIS.sub("", said)
    while end := _lead_in(said):
        said = said[end:].lstrip()
    return "" if _only_talks(said, sentence) else said


def _lead_in(text: str) -> int:
    """Return where a lead-in of ``text`` ends; 0 if it has none."""
    end, talks, counted = 0, False, False
    for match in _WORD.finditer(text):
        word = fold(match[0])
        after = text[match.end() : match.end() + 1]
        if word in _NEGATIONS or (word == "no" and not _IN_THE.match(text, match.end())):
            break
        is_count = counted and word.isdigit()
        if word in _TALK:
            talks = True
        elif not (_is_stopword(word) or is_count):
            break
        counted = word in _COUNTED
        # "Step 3:" is a label; "In step 3, …" tells which one.
        if talks and (after == ":" or (after == "," and not is_count) or word in _INTRODUCING):
            end = match.end() + (after in (",", ":"))
    return end if text[end:].strip(_EDGES) else 0


def _is_stopword(word: str) -> bool:
    return is_stopword(word, "en") or is_stopword(word, "pt")


def _only_talks(said: str, sentence: str) -> bool:
    """Return whether a sentence is about the answer itself: a label, a lead-in or a closing."""
    found = [fold(word) for word in _WORD.findall(said)]
    if not found:
        return True
    content = [word for word in found if not _is_stopword(word)]
    counts = len(found) == 2 and found[0] in _COUNTED and found[1].isdigit()
    if not counts and not (content and all(word in _TALK for word in content)):
        return False
    return (
        len(found) <= _LONGEST_LABEL
        or sentence.rstrip("*_ ").endswith(":")
        or not _ADDRESSING.isdisjoint(found)
    )
