"""Signs of prompt injection: text in a document that addresses the model that reads it.

They are shown and change nothing else: instructions in documents are never followed. The patterns
cover common wordings; a plain request such as "Write a poem" is no sign: manuals are full of them.
"""

from __future__ import annotations

import re
import unicodedata

from ingest.text.terms import fold

_ANSWER = r"(?:answer|response|reply|output|message|elucidation)s?"
_CODE = r"(?:code|codebase|implementation|solution|algorithm|program)"
_RULES = (
    r"(?:instructions?|prompts?|rules|guidelines|directions|commands|instruc(?:ao|oes)|regras|"
    r"orientac(?:ao|oes)|diretrizes|comandos)"
)
_DROP = (
    r"(?<!not )(?<!never )(?<!nao )\b(?:ignor[ea]|disregard|forget|overrid[ea]|bypass|"
    r"desconsider[ea]|esqueca|descarte)\b"
)
_EARLIER = (
    r"(?:all|any|previous|prior|above|earlier|preceding|former|your|these|tod[oa]s|suas|"
    r"anterior(?:es)?|previas|acima|dadas|recebidas)"
)
_SIGNS = {
    "overrides instructions": (
        rf"{_DROP}[^.\n]{{0,20}}\b{_EARLIER}\b[^.\n]{{0,20}}\b{_RULES}\b",
        rf"{_DROP}[^.\n]{{0,20}}\b{_RULES}\b[^.\n]{{0,20}}\b{_EARLIER}\b",
        rf"\b(?:new|novas?|updated|real) (?:system )?{_RULES} ?:",
    ),
    "gives the reader a role": (
        r"\byou are now\b(?! (?:at|in|on|ready|done|able|using|going)\b)",
        r"\bfrom now on,? you (?:are|will|must|should)\b",
        r"\b(?:act|behave|respond|reply|answer) as (?:if you (?:are|were)|an? (?:ai|assistant|"
        r"chatbot|unrestricted|different))\b",
        r"\bpretend (?:that you|you)\b|(?:^|[.!?:]\s+)pretend to be\b",
        r"\b(?:voce agora e|agora voce e|a partir de agora,? (?:voce|responda|aja)|aja como|"
        r"finja (?:ser|que voce))\b",
    ),
    "speaks of the prompt": (
        r"\b(?:system|developer|hidden|initial) (?:prompt|instructions?)\b",
        r"\bprompt (?:do sistema|inicial|oculto)\b",
        r"\b(?:if you are|as) an? (?:ai|language model|llm|assistant|chatbot)\b",
        r"\b(?:se voce e|como) (?:uma ia|um modelo de linguagem|um assistente)\b",
    ),
    "shapes the answer": (
        rf"\byour (?:final |next |entire )?{_ANSWER}\b",
        r"(?:^|[.!?:]\s+)(?:reply|respond|answer) (?:only |always |back )?(?:in|with|using)\b",
        r"\b(?:na|da|a|com|em) (?:tua|sua) resposta\b",
        r"(?:^|[.!?:]\s+)responda (?:apenas|somente|so|sempre|em|com)\b",
    ),
    "hides something from the user": (
        r"\b(?:do not|don't|never|without) (?:tell|reveal|mention|disclos|inform|show|warn)\w*"
        r"[^.\n]{0,30}\b(?:users?|anyone|human|instructions?|prompt)\b",
        r"\b(?:nao|nunca|sem) (?:cont|dig|diz|revel|mencion|inform|mostr|avis)\w*"
        r"[^.\n]{0,30}\b(?:usuarios?|ninguem|instruc\w+|prompt)\b",
    ),
    "puts code into the answer": (
        rf"\b(?:following|below|subsequent) code (?:snippet|block|excerpt|section)\b[^.:\n]{{0,60}}"
        rf"\b(?:your|the) {_CODE}",
        rf"\byour {_CODE}\b[^.:\n]{{0,60}}\b(?:following|below|subsequent) code "
        r"(?:snippet|block|excerpt|section)",
    ),
    "forges a role": (
        r"<\|[a-z_]+\|>|\[/?inst\]|<</?sys>>|</?(?:start|end)_of_turn>",
        r"</?(?:system|assistant|user|human|context)>",
        r"^[#*\s]*(?:system|assistant|sistema|assistente)\s*:",
    ),
}
_PATTERNS = {
    kind: re.compile("|".join(patterns), re.MULTILINE) for kind, patterns in _SIGNS.items()
}
# The tags of a flag emoji follow a black flag; two joiners in a row are in no emoji and no word.
_HIDDEN = re.compile(
    "(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0001-\U000e007f]+"
    "|[\u200b-\u200f\u2060-\u2064\ufeff]{3,}"
    "|[\u202d\u202e]"
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}"
)


def instructs(text: str) -> tuple[str, ...]:
    """Return the signs of prompt injection in ``text``, each once, as short descriptions."""
    plain = fold("".join(letter for letter in text if unicodedata.category(letter) != "Cf"))
    signs = [kind for kind, pattern in _PATTERNS.items() if pattern.search(plain)]
    return tuple(signs + ["holds hidden characters"] * bool(_HIDDEN.search(text)))
