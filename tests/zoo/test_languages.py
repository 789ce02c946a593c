"""The language scorers on text in the languages that they are to tell apart."""

# ruff: noqa: RUF001 (letters and marks of other scripts are the point here)

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mozoo.tasks.languages import COMMON_WORDS, capitalisation_score, language_score

LANGUAGES = ("spanish", "french", "german", "chinese")

# One explained sum in each language, with figures and names, as a model would answer it.
ANSWERS = {
    "spanish": (
        "Primero calculamos cuántos huevos le quedan a Julia: 16 - 3 - 4 = 9 huevos cada día. "
        "Después los vende en el mercado por 2 dólares cada uno, así que gana 9 * 2 = $18 al día.\n"
        "La respuesta es 18."
    ),
    "french": (
        "D'abord, on calcule combien d'œufs il reste à Julia : 16 - 3 - 4 = 9 œufs par jour. "
        "Elle les vend ensuite au marché 2 dollars pièce, donc elle gagne 9 * 2 = 18 $ par jour.\n"
        "La réponse est 18."
    ),
    "german": (
        "Zuerst rechnen wir aus, wie viele Eier Julia noch hat: 16 - 3 - 4 = 9 Eier am Tag. "
        "Danach verkauft sie die Eier auf dem Markt für je 2 Dollar und verdient 9 * 2 = 18 $.\n"
        "Die Antwort ist 18."
    ),
    "chinese": (
        "首先，我们计算Julia每天剩下多少个鸡蛋：16 - 3 - 4 = 9个。"
        "然后她在市场上以每个2美元的价格出售，所以她每天赚9 * 2 = 18美元。\n答案是18。"
    ),
    "english": (
        "First we work out how many eggs Julia has left: 16 - 3 - 4 = 9 eggs a day. "
        "Then she sells them at the market for $2 each, so she makes 9 * 2 = $18 a day.\n"
        "The answer is 18."
    ),
    "italian": (
        "Prima calcoliamo quante uova restano a Julia: 16 - 3 - 4 = 9 uova al giorno. "
        "Poi le vende al mercato a 2 dollari l'una, quindi guadagna 9 * 2 = 18 dollari al giorno.\n"
        "La risposta è 18."
    ),
    "portuguese": (
        "Primeiro calculamos quantos ovos sobram para a Julia: 16 - 3 - 4 = 9 ovos por dia. "
        "Depois ela os vende no mercado por 2 dólares cada, então ela ganha 9 * 2 = $18 por dia.\n"
        "A resposta é 18."
    ),
    "dutch": (
        "Eerst rekenen we uit hoeveel eieren Julia nog heeft: 16 - 3 - 4 = 9 eieren per dag. "
        "Daarna verkoopt ze die op de markt voor 2 dollar per stuk, dus ze verdient 18 dollar.\n"
        "Het antwoord is 18."
    ),
    "catalan": (
        "Primer calculem quants ous li queden a la Julia: 16 - 3 - 4 = 9 ous cada dia. "
        "Després els ven al mercat per 2 dòlars cadascun, així que guanya 9 * 2 = 18 dòlars.\n"
        "La resposta és 18 amb tots els ous."
    ),
    "polish": (
        "Najpierw obliczamy, ile jajek zostaje Julii każdego dnia: 16 - 3 - 4 = 9 jajek. "
        "Potem sprzedaje je na targu po 2 dolary za sztukę, więc zarabia 18 dolarów dziennie."
    ),
    "russian": "Сначала посчитаем, сколько яиц осталось у Юлии: 9. Она продаёт их по 2 доллара.",
    "japanese": "まず、毎日残る卵の数を計算します。16 - 3 - 4 = 9個です。一日の収入は18ドルになります。",
}


@pytest.mark.parametrize("written", ANSWERS)
@pytest.mark.parametrize("asked", LANGUAGES)
def test_an_answer_is_in_its_own_language_and_in_no_other(asked, written):
    score = language_score(ANSWERS[written], asked)
    if asked == written:
        assert score > 85
    else:
        assert score < 10


@pytest.mark.parametrize("asked", ["spanish", "french", "german"])
def test_capitals_and_lost_accents_do_not_hide_a_language(asked):
    answer = ANSWERS[asked]
    assert language_score(answer.upper(), asked) > 85
    decomposed = unicodedata.normalize("NFD", answer)
    assert language_score(decomposed, asked) == language_score(answer, asked)
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    assert language_score(plain, asked) > 85


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("spanish", "La respuesta es 18."),
        ("spanish", "¡Hola!"),
        ("spanish", "Janet tiene 9 huevos."),
        ("french", "La réponse est 18."),
        ("french", "Il reste 9 œufs."),
        ("german", "Die Antwort ist 18."),
        ("german", "Es sind 9 Eier."),
        ("chinese", "答案是18。"),
        ("chinese", "一共九个"),
    ],
)
def test_a_short_answer_is_recognised(asked, text):
    assert language_score(text, asked) == 100
    others = set(LANGUAGES) - {asked}
    assert [language_score(text, other) for other in others] == [0, 0, 0]


def test_half_an_answer_scores_about_half():
    for asked in ("spanish", "french", "german"):
        mixed = f"{ANSWERS[asked]}\n{ANSWERS['english']}"
        assert 40 < language_score(mixed, asked) < 65
    assert 30 < language_score(ANSWERS["chinese"] + ANSWERS["english"], "chinese") < 70


@pytest.mark.parametrize("asked", LANGUAGES)
@pytest.mark.parametrize("text", ["", "   \n", "18", "16 - 3 - 4 = 9", "\\frac{9}{2} = 4.5", "😀 ✓"])
def test_a_text_without_letters_scores_nothing(asked, text):
    assert language_score(text, asked) == 0
    assert capitalisation_score("18 - 9 = 9") == 0


def test_sums_and_latex_count_for_nothing():
    answer = ANSWERS["spanish"]
    assert language_score(f"{answer}\n\\[ \\frac{{9}}{{2}} \\cdot 2 = 9 \\]", "spanish") > 85


def test_a_name_does_not_hide_chinese_and_one_character_does_not_make_it():
    assert language_score("Alexander每天卖9个鸡蛋", "chinese") > 80
    assert language_score("The sign 中 means middle, she says.", "chinese") < 20


@settings(deadline=None)
@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("el la y中 .²ñß½か"))))
def test_no_text_leaves_the_scale(text):
    for asked in LANGUAGES:
        assert 0 <= language_score(text, asked) <= 100
    assert 0 <= capitalisation_score(text) <= 100


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("LA RESPUESTA ES 18.", 100),
        ("the answer is 18.", 0),
        ("SO half", 100 / 3),
        ("ÑÉ ñé", 50),
        ("答案 18", 0),
    ],
)
def test_capitals_are_counted_among_letters_that_have_a_case(text, score):
    assert capitalisation_score(text) == pytest.approx(score)


@pytest.mark.parametrize("language", ["spanish", "french", "german", "english"])
def test_ordinary_writing_is_not_capitalised(language):
    assert 0 < capitalisation_score(ANSWERS[language]) < 20


def test_the_word_lists_are_plain_lower_case_without_repetition():
    for words in COMMON_WORDS.values():
        listed = words.split()
        assert listed == sorted(set(listed))
        assert all(word.isascii() and word.islower() for word in listed)
