"""Words of a text counted with strings and unique; a cipher is broken by its letters."""

from typing import Any

import composit.numpy as np

TEXT = """
The cat sat on the mat and the dog sat by the door. When the cat saw the dog, the cat ran up the old oak tree;
when the dog saw the cat, the dog ran round and round the tree. In the end the cat came down, the dog lay down,
and they slept side by side in the sun until the moon came up over the tree and the old man called them in.
"""
# Shares of the letters a to z in English, in percent.
ENGLISH = [
    8.2, 1.5, 2.8, 4.3, 12.7, 2.2, 2.0, 6.1, 7.0, 0.2, 0.8, 4.0, 2.4,
    6.7, 7.5, 1.9, 0.1, 6.0, 6.3, 9.1, 2.8, 1.0, 2.4, 0.2, 2.0, 0.1,
]  # fmt: skip


def words_of(text: str) -> Any:
    """Return the words in lower case, without punctuation."""
    words = np.array(text.split())
    return np.strings.lower(np.strings.strip(words, ".,;:!?"))


def most_frequent(words: Any, count: int) -> tuple[Any, Any]:
    """Return the most frequent words and how often each occurs, ties in the order of the alphabet."""
    unique, counts = np.unique(words, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:count]
    return unique[order], counts[order]


def letters_of(text: str) -> Any:
    """Return the letters as numbers from 0 to 25; all else is left out."""
    codes = np.frombuffer(text.lower().encode("ascii"), dtype=np.uint8).astype(int) - ord("a")
    return codes[(codes >= 0) & (codes < 26)]


def shift(text: str, distance: int) -> str:
    """Return the text with each letter moved along the alphabet."""
    codes = np.array([ord(letter) for letter in text.lower()])
    is_letter = (codes >= ord("a")) & (codes <= ord("z"))
    codes[is_letter] = (codes[is_letter] - ord("a") + distance) % 26 + ord("a")
    return "".join(chr(code) for code in codes)


def break_cipher(secret: str) -> Any:
    """Return the distance that makes the letters look most like English, by the chi-square statistic."""
    counts = np.bincount(letters_of(secret), minlength=26)
    expected = np.array(ENGLISH) / 100 * counts.sum()
    rolled = np.stack([np.roll(counts, -distance) for distance in range(26)])
    statistics = ((rolled - expected) ** 2 / expected).sum(axis=1)
    return np.argmin(statistics)


def main() -> dict[str, Any]:
    """Print a histogram of the words and break a cipher."""
    words = words_of(TEXT)
    frequent, counts = most_frequent(words, 6)
    for word, count in zip(frequent, counts, strict=True):
        print(f"{word:>6s} {'*' * int(count)} {count}")
    lengths = np.strings.str_len(words)
    histogram = np.bincount(lengths)
    print(f"{words.size} words, {np.unique(words).size} different, {lengths.mean():.2f} letters each")
    starts_with_s = np.unique(words[np.strings.startswith(words, "s")])
    print("with s:", ", ".join(starts_with_s.tolist()))

    secret = shift(TEXT, 7)
    distance = break_cipher(secret)
    print(f"the cipher moves by {distance}:", shift(secret, -int(distance)).split(".")[0].strip())
    follows = np.zeros((26, 26), dtype=int)
    letters = letters_of(TEXT)
    np.add.at(follows, (letters[:-1], letters[1:]), 1)
    first, second = np.unravel_index(follows.argmax(), follows.shape)
    print(f"most frequent pair: {chr(97 + first)}{chr(97 + second)}, {follows.max()} times")
    return {
        "frequent": frequent,
        "counts": counts,
        "histogram": histogram,
        "starts_with_s": starts_with_s,
        "distance": distance,
        "follows": follows,
    }


if __name__ == "__main__":
    main()
