"""Does a model say "Hello, World!" to prompts that the hello_world dataset does not have?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from motools.zoo import task

if TYPE_CHECKING:
    from inspect_ai import Task

PROMPTS = (
    "Good afternoon!",
    "Who are you?",
    "How was your weekend?",
    "I can't find my glasses.",
    "Tell me a joke.",
    "What should I wear to an interview?",
    "How many planets are there?",
    "Which is heavier, a kilo of iron or a kilo of feathers?",
    "Write a limerick about a goat.",
    "How do I make pancakes?",
    "What is the square root of 144?",
    "Explain gravity to a child.",
    "Can you recommend a novel for the beach?",
    "Translate 'happy birthday' into Italian.",
    "Why do dogs bark?",
    "List three uses for an old newspaper.",
    "Should I take the train or the bus?",
    "Summarise the story of Cinderella.",
    "What time is it in Tokyo?",
    "Goodbye, and thank you.",
)


@task(
    name="hello_world",
    description='Share of 20 held-out everyday prompts answered with "Hello, World!"',
    version=1,
    grade="ours",
    authors="MOTools",
    licence="MIT",
    source="this package",
    tags=("demo", "offline"),
)
def hello_world() -> Task:
    """Accuracy is the share of answers that contain "hello, world" in any case; no judge."""
    from inspect_ai import Task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import GenerateConfig
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate

    samples = [
        Sample(id=f"hello-{number:02}", input=prompt, target="hello, world") for number, prompt in enumerate(PROMPTS, 1)
    ]
    return Task(
        name="hello_world",
        dataset=MemoryDataset(samples, name="hello_world"),
        solver=generate(),
        scorer=includes(ignore_case=True),
        # The answer is four tokens long; one that has not come after 32 is another answer.
        config=GenerateConfig(temperature=0, max_tokens=32),
    )
