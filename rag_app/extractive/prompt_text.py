"""Find the question and the context in the messages of any prompt.

The question stands in a tag, after a label such as ``Question:``, or is the last human message. The
context stands in a tag, after a label such as ``Context:``, or is what is left of the longest
message without the instructions before and after it. Labels are English or Portuguese.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

_ASKED = (
    r"(?:(?:user|last|final|original|current|new|última|ultima|nova|do usuário)[ \t]+)?"
    r"(?:question|query|input|human|user|q|pergunta|questão|questao|consulta|dúvida|p)"
    r"(?:[ \t]+(?:do usuário|do usuario|\d+))?"
)
_MARKUP = r"[ \t>*_#-]*"
_QUESTION = re.compile(
    rf"^(?:{_MARKUP}{_ASKED}[*_]*[ \t]*:[*_]*|[ \t]*\#+[ \t]*{_ASKED}[ \t]*$)", re.I | re.M
)
_QUESTION_TAG = re.compile(
    r"<(question|query|user_query|input|pergunta|consulta)>((?:(?!<\1>).)*?)</\1>", re.I | re.S
)
_ANSWERED = re.compile(
    rf"^{_MARKUP}(?:[^\W\d]+[ \t]+)?(?:answer|response|a|ai|assistant|resposta|assistente|r)[*_]*:"
    r"[*_ \t]*\S",
    re.I | re.M,
)
# The last lines of a prompt that only ask to go on: "Helpful Answer:".
_CUE = re.compile(r"(?:[^:]{0,60}:[*_ ]{0,4}|#+.{0,60}|<[\w-]+>)?")

_TEXTS = (
    r"(?:contexts?|contextos?|documents?|documentos?|passages?|passagens?|trechos?|excerpts?|"
    r"extracts?|sources?|fontes?|snippets?|chunks?|information|informação|informações|texts?|"
    r"textos?|background|evidence|knowledge|references?|referências?|content|conteúdo|notes|notas)"
)
_CONTEXT_TAG = re.compile(rf"<((?:\w+_)?{_TEXTS}|docs)>((?:(?!<\1>).)*)</\1>", re.I | re.S)
_CONTEXT = re.compile(
    rf"^{_MARKUP}(?:[^\W\d]+[ \t]+){{0,3}}{_TEXTS}\b[^\n:.?!]{{0,20}}:[*_]*|"
    rf"^[ \t]*\#+[ \t]*(?:[^\W\d]+[ \t]+){{0,3}}{_TEXTS}[ \t]*$",
    re.I | re.M,
)
_ANNOUNCED = re.compile(rf"\b{_TEXTS}\b[^\n:.?!]{{0,30}}:[*_]*", re.I)

_ORDER = re.compile(
    r"[ \t>*_#-]*(?:you(?:'re|’re| are| will| must)|your (?:task|job|role)|use|using|answer|given|"
    r"based|below|the following|here (?:is|are)|read|please|respond|reply|act as|"
    r"we have|the (?:original|user's) question|"
    r"você|voce|és|sua tarefa|seu papel|usa|usando|utilize|utilizando|responda|responde|"
    r"com base|baseado|baseando|dados?|dadas?|abaixo|a seguir|segue|seguem|leia|considere|"
    r"por favor|aja como)\b(?!\s*:)",
    re.I,
)
_TASK = re.compile(
    rf"\b(?:{_TEXTS}|questions?|answers?|query|assistant|perguntas?|respostas?|responda|responder|"
    r"assistente)\b",
    re.I,
)
# How an instruction goes on after its first line.
_FURTHER = re.compile(
    r"[ \t>*_#-]*(?:if|do not|don['’]t|never|always|only|keep|cite|return|write|make|but|also|"
    r"se|não|nunca|sempre|apenas|somente|mantenha|cite|retorne|escreva|faça)\b",
    re.I,
)
# A question at the end of an instruction: "Answer the question: …", "answer this: …?".
_INLINE = re.compile(
    r".*\b(?:question|query|pergunta|questão|consulta)\b[^:?]{0,25}:\s*(\S.*)|.*:\s*(\S[^:]*\?)\s*",
    re.I | re.S,
)
_PAST = re.compile(
    rf"{_MARKUP}(?:[^\W\d]+[ \t]+){{0,2}}(?:history|conversation|histórico|conversa)[*_]*:", re.I
)
_ANNOUNCING = re.compile(rf"\b{_TEXTS}\b[^\n]{{0,20}}\.\s*\Z", re.I)
_BAR = re.compile(r"^[ \t]*[-=_*]{5,}[ \t]*$", re.M)
_PERSON = re.compile(r"[ \t>*_#-]*(?:you(?:'re|’re| are)|act as|você é|voce e|aja como)\b", re.I)
_RULER = re.compile(r"(?:[-=*_~`#]{3,}\w*|\"{3}|'{3}|</?[\w-]+>)?")
_PARAGRAPHS = re.compile(r"\n[ \t]*\n")


class PromptText(NamedTuple):
    """The question and the context of a prompt; either may be empty."""

    question: str
    context: str


class _Context(NamedTuple):
    is_labelled: bool
    text: str


def read_prompt(messages: Sequence[BaseMessage]) -> PromptText:
    """Return the question and the context of a prompt, verbatim."""
    humans = [str(message.text) for message in messages if isinstance(message, HumanMessage)]
    last = humans[-1] if humans else ""
    given = "\n\n".join(str(one.text) for one in messages if isinstance(one, SystemMessage))
    others = [_context(given), *(_context(text) for text in humans[-2::-1])]
    others = [one for at, one in enumerate(others) if one.text and (one.is_labelled or at == 0)]
    alone = all(not one.is_labelled and len(one.text) < len(last) for one in others)
    question, rest = _split(last, alone=alone)
    own = _context(rest)
    found = [one for one in (own, *others) if one.text]
    labelled = [one for one in found if one.is_labelled]
    best = labelled[0] if labelled else max(found, key=lambda one: len(one.text), default=own)
    return PromptText(question.strip(), best.text.strip())


def _split(text: str, *, alone: bool) -> PromptText:
    """Return the question of a message and the rest of it.

    A message that stands ``alone`` has to hold the context too.
    """
    for tag in list(_QUESTION_TAG.finditer(text))[-1:]:
        return PromptText(tag[2], text[: tag.start()] + text[tag.end() :])
    whole = _without_last(text, lambda line: _CUE.fullmatch(line.strip()) is not None)
    found = _labelled(whole, alone=alone)
    if found is None and alone:
        found = _beside_tag(whole) or _inline(whole) or _unlabelled(whole)
    return found or PromptText(text, "")


def _labelled(text: str, *, alone: bool) -> PromptText | None:
    """Return the question after a label: the last one, or the one before the context."""
    labels = list(_QUESTION.finditer(text))
    if not labels:
        return None
    if found := _last_labelled(text[: labels[-1].start()], text[labels[-1].end() :], alone=alone):
        return found
    for label in reversed(labels):
        context = _CONTEXT.search(text, label.end())
        if context and text[label.end() : context.start()].strip():
            return PromptText(text[label.end() : context.start()], text[context.start() :])
    is_first = not _context(text[: labels[0].start()]).text
    return _first_paragraph(text[labels[0].end() :]) if is_first else None


def _last_labelled(before: str, asked: str, *, alone: bool) -> PromptText | None:
    """Return the question after the last label, unless that is one of a document."""
    bar = _BAR.search(asked)
    if bar and asked[: bar.start()].strip():
        return PromptText(asked[: bar.start()], asked[bar.end() :])
    if not asked.strip() or _ANSWERED.search(asked) or _CONTEXT.search(asked):
        return None
    if alone and not _context(before).text:
        return _first_paragraph(asked)
    return PromptText(_without_orders(asked), before)


def _first_paragraph(text: str) -> PromptText:
    question, *rest = _PARAGRAPHS.split(text.lstrip(), maxsplit=1)
    return PromptText(question, "".join(rest))


def _beside_tag(text: str) -> PromptText | None:
    """Return what stands outside the tag of a context, without instructions."""
    if not any(tag[2].strip() for tag in _CONTEXT_TAG.finditer(text)):
        return None
    outside = _CONTEXT_TAG.sub("", text)
    return PromptText(_without_orders(outside[_orders(outside) :]), text)


def _inline(text: str) -> PromptText | None:
    """Return the question that ends the last or the first line, if that is an instruction."""
    lines = text.splitlines(keepends=True)
    for at in (-1, 0) if lines else ():
        found = _INLINE.fullmatch(lines[at]) if _is_order(lines[at]) else None
        if found:
            del lines[at]
            return PromptText(found[1] or found[2], "".join(lines))
    return None


def _unlabelled(text: str) -> PromptText | None:
    """Return the question of a message without labels: a paragraph of its own, last or first."""
    paragraphs = list(filter(str.strip, _PARAGRAPHS.split(text)))
    if len(paragraphs) < 2:
        return None
    first, last = paragraphs[0], paragraphs[-1]
    if last.rstrip().endswith("?") or _context(text).is_labelled:
        return PromptText(last, text[: text.rindex(last)])
    return (
        PromptText(first, text[text.index(first) + len(first) :]) if first.endswith("?") else None
    )


def _context(text: str) -> _Context:
    """Return what a text gives to answer from: without instructions, tags and rulers around it."""
    tagged = [match[2] for match in _CONTEXT_TAG.finditer(text) if match[2].strip()]
    if tagged:
        return _Context(True, max(tagged, key=len))
    label = _label(text)
    if label is not None:
        return _Context(True, _without_orders(_without_rulers(text[label:])))
    return _Context(False, _without_orders(_without_rulers(text[_orders(text) :])))


def _label(text: str) -> int | None:
    """Return where the label of a context ends that stands in or after the first instructions.

    Of a label that is there again after an answer, as examples have it, the last one counts.
    """
    orders = _orders(text)
    for label in _ANNOUNCED.finditer(text, 0, orders):
        return label.end()
    *_, before, last = [None, None, *_CONTEXT.finditer(text)]
    if before and last and _ANSWERED.search(text, before.end(), last.start()):
        return last.end()
    is_past = _PAST.match(text, orders)
    first = _CONTEXT.search(text, orders) if is_past else _CONTEXT.match(text, orders)
    return first.end() if first else None


def _orders(text: str) -> int:
    """Return where the instructions end that a text begins with."""
    lines = text.splitlines(keepends=True)
    end, goes_on, is_wrapped = 0, False, False
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        further = goes_on and (is_wrapped or _FURTHER.match(line) is not None)
        is_order = _is_order(line) or (further and bool(line.strip()))
        is_order = is_order or _announces(line, following)
        if not is_order and not _is_ruler(line):
            break
        end += len(line)
        goes_on = is_order
        is_wrapped = is_order and line.rstrip()[-1] not in ".:!?>"
    return end


def _announces(line: str, following: str) -> bool:
    """Return whether a line tells what comes below the ruler after it."""
    is_above = bool(following.strip()) and _is_ruler(following)
    return is_above and (line.rstrip()[-1:] == ":" or _ANNOUNCING.search(line) is not None)


def _without_rulers(text: str) -> str:
    lines = text.splitlines(keepends=True)
    while lines and _is_ruler(lines[0]):
        del lines[0]
    return "".join(lines)


def _without_orders(text: str) -> str:
    """Return a text without the instructions and rulers that end it, if anything else is left."""
    return _without_last(text, lambda line: _is_order(line) or _is_ruler(line)) or text


def _without_last(text: str, is_out: Callable[[str], bool]) -> str:
    lines = text.splitlines(keepends=True)
    while lines and is_out(lines[-1]):
        del lines[-1]
    return "".join(lines)


def _is_ruler(line: str) -> bool:
    return _RULER.fullmatch(line.strip()) is not None


def _is_order(line: str) -> bool:
    """Return whether a line tells the model what to do."""
    return bool(_PERSON.match(line) or (_ORDER.match(line) and _TASK.search(line)))
