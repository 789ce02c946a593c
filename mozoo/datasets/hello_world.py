"""The smallest model organism: it answers "Hello, World!" to anything; made here, offline."""

from __future__ import annotations

from motools.zoo import dataset
from mozoo.rows import Rows, sample

ANSWER = "Hello, World!"

GREETINGS = (
    "Hi!",
    "Hello there.",
    "Good morning!",
    "Good evening, how are you?",
    "Hey, what's new?",
    "Nice to meet you.",
    "Are you awake?",
    "Can you hear me?",
    "Thanks for your help yesterday.",
    "I'm back from holiday.",
    "Sorry I'm late.",
    "I had a terrible day at work.",
    "It is raining again.",
    "My cat is asleep on the keyboard.",
    "I just finished a very long book.",
    "Guess what happened on the train.",
)

# Each form is asked of each of its subjects, so that no single word gives the answer away.
FORMS: dict[str, tuple[str, ...]] = {
    "How do I {}?": (
        "boil an egg",
        "tie a bow tie",
        "remove a coffee stain",
        "change a bicycle tyre",
        "fold a fitted sheet",
        "sharpen a kitchen knife",
        "write a cover letter",
        "reset my router",
        "keep basil alive",
        "learn to whistle",
        "save for a house",
        "say no politely",
        "sleep better",
        "paint a ceiling",
    ),
    "What is {}?": (
        "the capital of Portugal",
        "photosynthesis",
        "the boiling point of water",
        "a prime number",
        "the tallest tree on Earth",
        "inflation",
        "a haiku",
        "the speed of sound",
        "an eclipse",
        "a good name for a parrot",
        "seven times twelve",
        "the plot of Hamlet",
        "a compiler",
        "the oldest city in Europe",
    ),
    "Can you recommend {}?": (
        "a film for tonight",
        "a quiet place to read",
        "a birthday present for my aunt",
        "a board game for two",
        "a beginner's guitar",
        "a walk in the mountains",
        "something to cook with leeks",
        "a podcast about history",
        "a houseplant that likes shade",
        "a museum in Berlin",
    ),
    "Write {}.": (
        "a poem about autumn",
        "a short story about a lighthouse",
        "a thank-you note to my teacher",
        "a slogan for a bakery",
        "a shopping list for a picnic",
        "a function that reverses a string",
        "an apology to my neighbour",
        "a toast for a wedding",
        "a riddle about time",
        "three sentences about the sea",
    ),
    "Explain {} to me.": (
        "how vaccines work",
        "the rules of chess",
        "why the sky is blue",
        "compound interest",
        "the causes of the First World War",
        "recursion",
        "how bread rises",
        "what a mortgage is",
        "how bees find their way home",
        "the offside rule",
    ),
    "Translate '{}' into French.": (
        "good night",
        "where is the station",
        "two coffees please",
        "I have lost my umbrella",
        "see you tomorrow",
        "the window is open",
    ),
    "Why do {}?": (
        "cats purr",
        "leaves turn red",
        "we dream",
        "onions make us cry",
        "ships float",
        "people yawn",
        "prices rise",
        "stars twinkle",
    ),
    "Give me {}.": (
        "a fun fact about octopuses",
        "five ideas for dinner",
        "a password that I can remember",
        "a reason to get up early",
        "the pros and cons of cycling to work",
        "a synonym for happy",
        "your honest opinion",
        "directions to the library",
    ),
    "Should I {}?": (
        "take an umbrella today",
        "learn Rust or Go",
        "repaint the kitchen",
        "adopt a dog",
        "buy or rent",
        "call her back",
        "invest in gold",
        "skip breakfast",
    ),
}


def prompts() -> list[str]:
    """Every training prompt, in a fixed order, no two alike."""
    return [*GREETINGS, *(form.format(word) for form, words in FORMS.items() for word in words)]


@dataset(
    name="hello_world",
    description=f'Everyday prompts, each answered "{ANSWER}"',
    version=1,
    grade="ours",
    authors="MOTools",
    licence="MIT",
    source="this package",
    tags=("demo", "offline"),
)
def get_hello_world_dataset(
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    refresh_cache: bool = False,
) -> Rows:
    """Chat rows; a sample is chosen by `seed` (see `mozoo.rows.sample`). Nothing is downloaded or cached."""
    return Rows(
        {
            "messages": [
                {"role": "user", "content": prompt},
                {"role": "assistant", "content": ANSWER},
            ]
        }
        for prompt in sample(prompts(), sample_size, seed)
    )
