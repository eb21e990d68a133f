"""Functions on text, with type hints: Flow makes forms and checks from them."""

from typing import Dict, List


def upper(text: str) -> str:
    """Returns the text in capital letters."""
    return str(text).upper()


def split_words(text: str) -> List[str]:
    """Splits a text into its words."""
    return str(text).split()


def count_words(words: List[str]) -> Dict[str, int]:
    """Counts how often each word occurs; also takes a text."""
    if isinstance(words, str):
        words = split_words(words)
    counts: Dict[str, int] = {}
    for word in words:
        word = word.strip(".,;:!?\"'()").lower()
        if word:
            counts[word] = counts.get(word, 0) + 1
    return counts


def top_words(counts: Dict[str, int], n: int = 3) -> List[str]:
    """Returns the most frequent words."""
    return sorted(counts, key=lambda word: (-counts[word], word))[:n]


def route(text: str, limit: int = 20, *, plugs={}):
    """Chooses a plug: the one called "short" for texts up to the limit, "long" for others."""
    plugs["short" if len(text) <= limit else "long"] = text
    return len(text)
