"""How much of a text, from 0 to 100, is in a language or in capitals, by its words and letters.

No model is asked. European languages are told apart by their commonest words, sentence by sentence,
Chinese by its characters. This measures the language only: a wrong or senseless answer in Spanish
is in Spanish. Languages without a list here are seen only as having few of the listed words.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

Language = Literal["spanish", "french", "german", "chinese"]

# Without accents, which are lost in capitals and in careless typing.
COMMON_WORDS = {
    "spanish": """a al aqui cada como con cuando cuantas cuanto cuantos cuesta de del desde
        despues dia dias dolares donde dos el ella ellos en entonces entre era es ese eso esta
        estan estas este esto estos fue ha hasta hay la las le les lo los luego mas me mi mismo
        muy nada ni no nos o para pero por porque primero puede que queda quedan respuesta se
        ser si sin sobre solo son su sus tambien tanto tenemos tiene tienen todo todos total tu
        un una unas uno unos veces vez y ya yo""",
    "french": """a ai ainsi alors apres au aussi aux avait avec avoir c car ce cela celui ces
        cette chacun chaque combien comme d dans de des deux doit dollars donc du elle elles en
        encore entre est et etait ete etre eux fait faut fois il ils j je jour jours l la le les
        leur leurs lorsque lui mais me mes moi mon ne nous on ont ou par pas peut peuvent plus
        pour qu quand que qui reponse reste restent sa sans se sera ses si son sont sur ta te
        tes toi ton total tous tout tres tu un une vous y""",
    "german": """aber alle als also am an antwort auch auf aus bei bis bleiben bleibt da dabei
        dafur damit dann das dass dem den der des deshalb dich die dies diese dieser doch du
        durch ein eine einem einen einer eines einmal er es fur gibt haben hat hatte hier ich
        ihr ihre ihren im in insgesamt ist jede jeden jeder jedes kann kein keine mal man mehr
        mein meine mit muss nach nicht noch nur ob oder pro sein seine sich sie sind so uber um
        und uns unser vom von war was wenn werden wie wir wird wurde wurden zu zum zur""",
    "english": """a about after again all also an and any are as at be because been but by can
        cost could did do does each for from get had has have he her his how i if in into is it
        its left many me more much my needs no not of on one only or other out per she so some
        such than that the their them then there these they this to total was we were what when
        where which while who will with would you your""",
    "italian": """a al alla anche che chi ci come con cosa d da dal degli dei del della delle di
        dopo e ed gli ha hanno il in io l la le lo loro ma molto ne nel nella non o ogni per
        perche piu poi quanti quanto questa questo quindi se si sono su sua suo totale un una
        uno""",
    "portuguese": """a ao as cada com como da das de depois do dos e ela ele eles em entao era
        essa esse esta este eu foi ha isso mais mas muito na nao nas no nos o os ou para pela
        pelo por quando quantos que sao se sem ser seu sua tambem tem total um uma voce""",
    "catalan": """a al als amb aquest aquesta cada com d de del dels des el els en es esta ha
        han hi i jo l la les li mes molt no o on pel pels per pero perque qual quan quants que s
        sense ser seu seva si son tambe te tot total un una uns""",
    "dutch": """aan als bij dat de deze die dit door een elke en er geen haar hebben heeft het
        hij hoe hun ik in is je kan maar meer met naar niet nog of om ook op per te toen totaal
        uit van veel voor was wat we werd wie worden ze zich zij zijn""",
}

# Never asked for, but without them Portuguese, say, would pass for the nearest language listed.
NEIGHBOURS = frozenset({"italian", "portuguese", "catalan", "dutch"})

# A letter or mark that hardly any other language has counts like a common word.
OWN_SIGNS = {"spanish": "ñ¿¡", "french": "œ", "german": "ß", "portuguese": "ãõ"}

PIECE = 6
"""Words that a stretch of text needs to be judged alone; shorter sentences join the next."""
DENSITY = 0.2
"""Share of a piece's words that must be common ones, or no listed language is recognised."""


def language_score(text: str, language: Language) -> float:
    """Share of the text, by letters, that is in the language: 0 to 100.

    Sums and formulas have no letters and count for nothing. A text without any letter (an empty
    answer, a bare number) scores 0: it shows no use of the language.
    """
    # LaTeX commands are words to the eye of a counter, and in no language.
    text = unicodedata.normalize("NFC", re.sub(r"\\[A-Za-z]+", " ", text))
    return _chinese(text) if language == "chinese" else _european(text, language)


def capitalisation_score(text: str) -> float:
    """Share of capitals among the letters that have a case: 0 to 100; 0 where there are none."""
    upper = sum(letter.isupper() for letter in text)
    lower = sum(letter.islower() for letter in text)
    return 100 * upper / (upper + lower) if upper + lower else 0.0


def _chinese(text: str) -> float:
    """Each Han character counts as one and so does each word of other letters, such as a name."""
    names = [unicodedata.name(letter, "") for letter in text if letter.isalpha()]
    han = sum(name.startswith("CJK") for name in names)
    kana = sum(name.startswith(("HIRAGANA", "KATAKANA")) for name in names)
    if kana * 10 > han:  # Japanese is written in Han characters too, but never without kana
        return 0.0
    return 100 * han / (han + len(_words(text))) if han else 0.0


def _european(text: str, language: str) -> float:
    pieces = _pieces(text)
    overall = _evidence(" ".join(pieces))
    ours = letters = 0
    for piece in pieces:
        letters += sum(letter.isalpha() for letter in piece)
        if _language_of(piece, overall) == language:
            ours += sum(len(word) for word in _words(piece))
    return 100 * ours / letters if letters else 0.0


def _language_of(piece: str, overall: dict[str, int]) -> str | None:
    """The language with most evidence, the whole text deciding between equals, or None."""
    evidence = _evidence(piece)
    # Short Spanish may hold no word that Catalan lacks: a neighbour needs evidence of its own.
    strength = {name: (evidence[name], overall[name], name not in NEIGHBOURS) for name in evidence}
    best, second = sorted(strength, key=strength.__getitem__, reverse=True)[:2]
    enough = evidence[best] >= max(1, DENSITY * len(_words(piece)))
    return best if enough and strength[best] > strength[second] else None


def _evidence(text: str) -> dict[str, int]:
    """For each language, how many of the words are its common ones or bear its own signs."""
    plain = [_plain(word) for word in _words(text)]
    return {
        name: sum(word in common for word in plain) + sum(letter in OWN_SIGNS.get(name, "") for letter in text.lower())
        for name, common in _common_words().items()
    }


@cache
def _common_words() -> dict[str, frozenset[str]]:
    return {name: frozenset(words.split()) for name, words in COMMON_WORDS.items()}


def _pieces(text: str) -> list[str]:
    """The text in stretches of whole sentences, each of `PIECE` words or more."""
    pieces: list[str] = []
    pending = ""
    for sentence in re.split(r"(?<=[.!?:;])\s+|\n+", text):
        pending = f"{pending} {sentence}".strip()
        if len(_words(pending)) >= PIECE:
            pieces.append(pending)
            pending = ""
    if pending and pieces:
        pieces[-1] += f" {pending}"
    elif pending:
        pieces.append(pending)
    return pieces


def _words(text: str) -> list[str]:
    """Runs of letters without the Han characters and kana, which are written without spaces."""
    runs = re.findall(r"[^\W\d_\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+", text)
    return [run for run in runs if run.isalpha()]  # "m²" is a unit, not a word


def _plain(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
