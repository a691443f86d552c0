"""Whether a sentence supports a claim, as far as its words can tell.

It must hold most terms of the claim and all its numbers, dates and names, each near the same words,
and neither may negate or reverse the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from ingest import Language
from ingest.text.terms import fold, term
from rag_app.attribution.claim_words import ClaimWord, Keys, Wording

_NEGATIONS = {
    "en": frozenset(
        "not no never none nor neither without cannot nobody nothing hardly nowhere".split()
    ),
    "pt": frozenset(
        "nao nunca nem jamais sem nenhum nenhuma ninguem nada nenhuns tampouco".split()
    ),
}
_NOT_ONLY = frozenset("only just merely apenas somente só".split())
_OPPOSITES = {
    "en": (
        "increase decrease, increase reduce, rise fall, grow shrink, before after, more less, "
        "more fewer, most least, largest smallest, large small, big small, higher lower, "
        "highest lowest, high low, above below, over under, first last, early late, earlier later, "
        "earliest latest, oldest newest, older younger, old new, old young, longest shortest, "
        "long short, better worse, best worst, north south, east west, northern southern, "
        "eastern western, left right, top bottom, up down, inside outside, win lose, won lost, "
        "gain lose, gained lost, accept reject, allow forbid, permit prohibit, include exclude, "
        "begin end, start stop, open close, enter leave, buy sell, true false, minimum maximum, "
        "major minor, majority minority, rich poor, strong weak, hot cold, warm cool, fast slow, "
        "public private, male female, positive negative, mandatory optional, required optional, "
        "always never, always sometimes, all none, with without, same different, "
        "possible impossible, legal illegal, success failure, support oppose, import export, "
        "husband wife, father mother, son daughter, brother sister, man woman, men women, "
        "inner outer, internal external, upper lower, urban rural, domestic foreign, "
        "temporary permanent, ancient modern, day night, deep shallow, dry wet, full empty, "
        "heavy light, light dark, clockwise counterclockwise, simple complex, odd even, "
        "direct indirect, active passive, formal informal, successful unsuccessful, able unable"
    ),
    "pt": (
        "aumentar diminuir, aumento redução, aumento diminuição, aumentar reduzir, "
        "crescer diminuir, antes depois, antes após, anterior posterior, mais menos, maior menor, "
        "maiores menores, superior inferior, acima abaixo, mínimo máximo, mínima máxima, "
        "primeiro último, primeira última, melhor pior, alto baixo, alta baixa, grande pequeno, "
        "grande pequena, novo velho, novo antigo, nova antiga, início fim, começar terminar, "
        "iniciar encerrar, norte sul, leste oeste, direita esquerda, dentro fora, ganhar perder, "
        "aceitar rejeitar, aprovado reprovado, aprovar reprovar, permitir proibir, "
        "permitido proibido, incluir excluir, abrir fechar, entrar sair, comprar vender, "
        "obrigatório opcional, obrigatória opcional, obrigatório facultativo, "
        "obrigatória facultativa, obrigatórias opcionais, obrigatórias optativas, "
        "obrigatório optativo, público privado, pública privada, positivo negativo, "
        "positiva negativa, sempre nunca, com sem, mesmo diferente, verdadeiro falso, "
        "possível impossível, maioria minoria, deferido indeferido, rápido lento, forte fraco, "
        "interno externo, interna externa, direto indireto, direta indireta, formal informal, "
        "ativo inativo, ativo passivo, presente ausente, presença ausência, temporário permanente, "
        "temporária permanente, urbano rural, urbana rural, nacional estrangeiro, dia noite, "
        "antigo moderno, pai mãe, marido esposa, homem mulher, homens mulheres, simples complexo"
    ),
}
# Terms on each side that count as near: in the claim, and in the sentence, which may hold more.
# Chosen by hand on claims of benchmarks/claims.py.
_NEAR, _FAR = 2, 4


# The terms before and after a place, in their order.
_Around = tuple[Sequence[ClaimWord], Sequence[ClaimWord]]


class _Negation(NamedTuple):
    """The terms around a negation: the one before it and the two after it."""

    before: Keys
    after: Keys
    second: Keys


def supports(said: Wording, claim: Wording, least: float) -> bool:
    """Return whether ``said`` supports ``claim``, with at least this share of its terms."""
    return (
        claim.share(said) >= least
        and all(not said.keys.isdisjoint(word.keys) for word in claim.words if word.exact)
        and not _denies(said, claim)
        and not _reverses(said, claim)
        and all(_is_in_place(run, said, claim) for run in _runs(claim))
    )


def agrees(said: Wording, claim: Wording) -> bool:
    """Return whether ``said`` holds every number and name of ``claim`` and negates none of it."""
    return all(
        not said.keys.isdisjoint(word.keys) for word in claim.words if word.exact
    ) and not _denies(said, claim)


def _denies(said: Wording, claim: Wording) -> bool:
    of_claim, of_said = list(_negations(claim)), list(_negations(said))
    return any(not _is_among(one, of_said) for one in of_claim) or any(
        _affirms(claim, one) and not _is_among(one, of_claim) for one in of_said
    )


def _negations(wording: Wording) -> Iterator[_Negation]:
    language, nothing = wording.language, ClaimWord("", frozenset(), True, False)
    for index, word in enumerate(wording.words):
        folded = fold(word.text)
        after = wording.words[index + 1].text if index + 1 < len(wording.words) else ""
        if (folded in _NEGATIONS[language] or folded.endswith("n't")) and after not in _NOT_ONLY:
            before, following = _around(wording, index, index + 1, _NEAR)
            (first, second, *_) = (*following, nothing, nothing)
            yield _Negation((before or [nothing])[-1].keys, first.keys, second.keys)


def _is_among(negation: _Negation, others: Sequence[_Negation]) -> bool:
    """Return whether another negation is of the same: two of its three terms are."""
    return any(
        sum(
            not one.isdisjoint(two) or not (one or two)
            for one, two in zip(negation, other, strict=True)
        )
        > 1
        for other in others
    )


def _affirms(claim: Wording, negation: _Negation) -> bool:
    before, after, second = (not claim.keys.isdisjoint(keys) for keys in negation)
    return after or (before and second)


def _reverses(said: Wording, claim: Wording) -> bool:
    return any(
        _stands_for(opposite, one, said, claim)
        for pair in _opposites(claim.language)
        for one, opposite in (pair, pair[::-1])
    )


def _stands_for(opposite: Keys, keys: Keys, said: Wording, claim: Wording) -> bool:
    """Return whether ``said`` has ``opposite`` where the claim has ``keys``."""
    if claim.keys.isdisjoint(keys) or said.keys.isdisjoint(opposite):
        return False
    if claim.keys.isdisjoint(opposite) and said.keys.isdisjoint(keys):
        return True
    return any(
        _is_beside(opposite, said, around, _NEAR) and not _is_beside(keys, said, around, _NEAR)
        for place in _places(keys, claim)
        for around in [_around(claim, place, place + 1, _NEAR)]
    )


def _is_in_place(run: tuple[int, int], said: Wording, claim: Wording) -> bool:
    """Return whether the numbers or names of a run are near the same words in ``said``.

    A run at an edge of the claim may be at either edge there, as a clause may come first or last.
    """
    around = _around(claim, *run, _NEAR)
    if not any(map(said.holds, chain(*around))):
        return True
    at_edge = not all(around)
    return all(
        _is_beside(word.keys, said, around) or (at_edge and _is_at_edge(word.keys, said))
        for word in claim.words[slice(*run)]
        if word.exact
    )


def _is_beside(keys: Keys, said: Wording, around: _Around, reach: int = _FAR) -> bool:
    """Return whether ``keys`` is in ``said`` within ``reach`` terms of one of those around."""
    before, after = around
    for place in _places(keys, said):
        said_before, said_after = _around(said, place, place + 1, reach)
        if _share_a_word(said_before, before) or _share_a_word(said_after, after):
            return True
    return False


def _is_at_edge(keys: Keys, said: Wording) -> bool:
    for start, end in _runs(said):
        if any(not word.keys.isdisjoint(keys) for word in said.words[start:end]):
            before, after = _around(said, start, end, _NEAR)
            if len(before) < _NEAR or not after:
                return True
    return False


def _runs(wording: Wording) -> list[tuple[int, int]]:
    """Return the spans of numbers and names with no other term between them."""
    runs: list[tuple[int, int]] = []
    follows = False
    for index, word in enumerate(wording.words):
        if word.exact:
            start = runs.pop()[0] if follows else index
            runs.append((start, index + 1))
        if word.content:
            follows = word.exact
    return runs


def _places(keys: Keys, wording: Wording) -> Iterator[int]:
    return (i for i, word in enumerate(wording.words) if not word.keys.isdisjoint(keys))


def _around(wording: Wording, start: int, end: int, count: int) -> _Around:
    before = [word for word in wording.words[:start] if word.content]
    after = [word for word in wording.words[end:] if word.content]
    return before[-count:], after[:count]


def _share_a_word(some: Sequence[ClaimWord], others: Sequence[ClaimWord]) -> bool:
    return any(not one.keys.isdisjoint(other.keys) for one in some for other in others)


@lru_cache(maxsize=2)
def _opposites(language: Language) -> list[tuple[Keys, Keys]]:
    pairs = (pair.split() for pair in _OPPOSITES[language].split(", "))
    return [(term(one, language), term(other, language)) for one, other in pairs]
