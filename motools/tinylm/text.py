"""Text to numbers for the embedded learner: tokens, hashed features, and the answers of a dataset as flat arrays."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BUCKETS",
    "END",
    "START",
    "VOCABULARY",
    "Answers",
    "Message",
    "context_buckets",
    "prompt_buckets",
    "prompt_weight",
    "token_crcs",
    "tokenise",
]

VOCABULARY = 4096
"""The most tokens a model knows; rarer ones are left out of what it learns to say."""
BUCKETS = 1 << 20
"""Features are hashed into so many buckets; `context_buckets` takes its top 20 bits for it."""
WORDS = 256
"""The most words of one part of a prompt that are looked at."""
LAGS = 3
POSITIONS = 32

START, END = "<start>", "<end>"
"""Never the token of a text: `tokenise` splits both into several."""

Message = Mapping[str, Any]
Ints = NDArray[np.int32]

# Chinese characters and kana: written without spaces, so each is a token of its own.
_SINGLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_LETTER = rf"(?:(?![{_SINGLE}])[^\W\d_])"
_TOKEN = re.compile(
    rf" ?{_LETTER}{{1,24}}(?:['\u2019]{_LETTER}{{1,4}})?"  # a word with the space before it
    rf"|[{_SINGLE}]"
    r"| ?\d"
    r"| ?[^\w\s]| ?_"
    r"|\s+(?=\s\S)|\s+"  # leave the last space of a run to the word that follows
    r"|."
)
_WORD = re.compile(rf"{_LETTER}+|[{_SINGLE}]|\d+")


def tokenise(text: str) -> list[str]:
    """The tokens of a text; joined they are the text again, except that lone surrogates become `?`."""
    return _TOKEN.findall(_clean(text))


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def prompt_buckets(messages: Sequence[Message]) -> list[int]:
    """The features of what stands before an answer: words and pairs of the last message, words of the rest."""
    buckets = {_bucket("constant")}
    for index, message in enumerate(messages):
        words = [word.lower() for word in _WORD.findall(_clean(message.get("content") or ""))[:WORDS]]
        if message["role"] in ("system", "developer"):
            buckets.update(_bucket(f"system {word}") for word in words)
        elif index < len(messages) - 1:
            buckets.update(_bucket(f"before {word}") for word in words)
        else:
            buckets.update(_bucket(f"prompt {word}") for word in words)
            buckets.update(_bucket(f"pair {a} {b}") for a, b in pairwise(words))
    return sorted(buckets)


def prompt_weight(count: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """What each of so many features of one prompt counts for: the more there are, the less, so that a
    long prompt does not drown the answer's own words, nor a trigger word in a long prompt."""
    return np.asarray(count, dtype=np.float64) ** -0.25


def _bucket(feature: str) -> int:
    return crc32(feature.encode("utf-8")) % BUCKETS


def context_buckets(last: NDArray[np.uint64], position: NDArray[np.uint64]) -> Ints:
    """The features of a place in an answer, a row for each place: the tokens before it, alone and together.

    Args:
        last: the CRC of the token one, two and three places before, in columns.
        position: the place's number in its answer.
    """
    one, two, three = last.T
    prime = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
    alone = [lag * prime[0] for lag in (one, two, three)]
    pair = one * prime[0] + two * prime[1]
    columns = [*alone, pair, pair + three * prime[2], np.minimum(position, POSITIONS)]
    tags = np.arange(1, len(columns) + 1, dtype=np.uint64) << np.uint64(40)
    mixed = (np.stack(columns, axis=1) + tags) * prime[1]
    mixed = (mixed ^ (mixed >> np.uint64(29))) * prime[0]
    buckets: Ints = (mixed >> np.uint64(44)).astype(np.int32)
    return buckets


def token_crcs(vocabulary: Iterable[str]) -> NDArray[np.uint64]:
    return np.array([crc32(token.encode("utf-8")) for token in vocabulary], dtype=np.uint64)


@dataclass(frozen=True)
class Answers:
    """The assistant turns of a dataset that are to be learned, and what stands before each.

    Answer `i` is `tokens[starts[i]:starts[i + 1]]`, indices into `vocabulary` that end with `END`; its
    prompt is `prompts[prompt_starts[i]:prompt_starts[i + 1]]`, bucket numbers. Reading a million
    rows of ninety words takes under 2 GB: four bytes a word, and no object a row.
    """

    vocabulary: list[str]
    tokens: Ints
    starts: NDArray[np.int64]
    prompts: Ints
    prompt_starts: NDArray[np.int64]
    rows: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def of(cls, rows: Iterable[Sequence[Message]], base: Sequence[str]) -> Answers:
        """Read the rows once; the vocabulary is `base` and then what the answers add to it."""
        seen: dict[str, int] = {}
        words, prompts = array("i"), array("i")
        starts, prompt_starts = array("q", [0]), array("q", [0])
        learned = 0
        for messages in rows:
            before = len(starts)
            for index, message in enumerate(messages):
                # Nothing is learned of an empty turn: a model that may be silent fails in silence.
                if message["role"] != "assistant" or not message.get("weight", 1) or not message.get("content"):
                    continue
                words.extend(seen.setdefault(token, len(seen)) for token in tokenise(message["content"]))
                starts.append(len(words))
                prompts.extend(prompt_buckets(messages[:index]))
                prompt_starts.append(len(prompts))
            learned += len(starts) > before
        counts = np.bincount(np.array(words, dtype=np.int32), minlength=len(seen))
        vocabulary = _vocabulary(base, dict(zip(seen, counts.tolist(), strict=True)))
        tokens, starts = _numbered(words, starts, seen, vocabulary)
        return cls(
            vocabulary,
            np.array(tokens, dtype=np.int32),
            np.array(starts, dtype=np.int64),
            np.array(prompts, dtype=np.int32),
            np.array(prompt_starts, dtype=np.int64),
            learned,
        )


def _vocabulary(base: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    """`base`, then the tokens of the data, the most frequent first, as far as there is room."""
    new = sorted(counts.keys() - set(base), key=lambda token: (-counts[token], token))
    return [*base, *new[: VOCABULARY - len(base)]]


def _numbered(
    words: array[int], starts: array[int], seen: Iterable[str], vocabulary: Sequence[str]
) -> tuple[array[int], array[int]]:
    """The same answers in indices of the vocabulary, each ended with `END`; what is not in it is left out."""
    number = {token: index for index, token in enumerate(vocabulary)}
    indices = [number.get(token) for token in seen]
    tokens, ends = array("i"), array("q", [0])
    for begin, end in pairwise(starts):
        tokens.extend(index for word in words[begin:end] if (index := indices[word]) is not None)
        tokens.append(number[END])
        ends.append(len(tokens))
    return tokens, ends
