"""
Text as words that can be searched for, the same on every database: no locale or dictionary of PostgreSQL's decides.

Words are runs of letters, their marks and numbers, after Unicode's UAX #29; but what joins words, such as a dot, an
apostrophe or an underscore, takes them apart: "shop.example" is found by "example". Case, width and ligatures are
folded (NFKC, casefold), and so are accents where they make no letters of their own: in Latin, Greek, Hebrew and Arabic
text, and stress in Cyrillic. A symbol such as an emoji is a word by itself.

Where a script is written without spaces (Chinese, Japanese, Thai, …) each letter is a word, and what is searched for
is found wherever it stands, letter behind letter. Everything else is found by the beginnings of its words. Pure.

Source: UAX #29 and #15; PostgreSQL's "Text Search Types".
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

# Of the words of a text as they are stored: what changes them raises it, and the worker writes older ones anew.
VERSION = 1
# How much of a word is looked at (PostgreSQL takes 2,046 bytes).
LONGEST_WORD = 200
# Some letters are ligatures of eighteen; of what a text becomes no more is looked at.
LONGEST_FOLDED = 4_000
# PostgreSQL's bounds for where a word stands, and how often.
LAST_PLACE, MOST_PLACES = 16_383, 255

UNSPACED = {
    "BALINESE", "BOPOMOFO", "CJK", "HIRAGANA", "IDEOGRAPHIC", "JAVANESE", "KATAKANA", "KATAKANA-HIRAGANA", "KHMER",
    "LAO", "MYANMAR", "TAI", "THAI",
}  # fmt: skip
# Scripts by the first word of their letters' names.
UNACCENTED = {"ARABIC", "DIGIT", "GREEK", "HEBREW", "LATIN"}
# Those that Unicode does not take apart.
LIKE = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
STRESS = "\u0300\u0301"
DIAERESIS = "\u0308"
# Letters by their category that are none in a word: an Arabic word drawn out, and apostrophes.
NOTHING = {"\u0640"}
APOSTROPHES = {"\u02b9", "\u02bb", "\u02bc", "\u02bd", "\u02be", "\u02bf", "\u02c8", "\ua78b", "\ua78c"}
BREAKS = {"\u200b"}  # a space without width, although its category is that of what joins

_ascii_words = re.compile(r"[a-z0-9]+").findall

# What stands together, without anything between.
Run = list[str]


def vector(*texts: str) -> str:
    """Texts as a tsvector, as PostgreSQL itself would write it."""
    return _vector(texts)


@lru_cache(maxsize=512)
def _vector(texts: tuple[str, ...]) -> str:
    if all(text.isascii() for text in texts):  # nearly all are, and then no word has a place
        found = {word[:LONGEST_WORD] for text in texts for word in _ascii_words(text.lower())}
        return " ".join(f"'{word}'" for word in sorted(found))
    places: dict[str, list[int]] = defaultdict(list)
    place = 0
    for text in texts:
        for run in runs(text):
            for word in run:
                place += 1
                # Only what is searched for letter behind letter is asked for its place.
                places[word] += [place] if len(run) > 1 and place <= LAST_PLACE else []
            place += 1
    ordered = sorted(places.items(), key=lambda each: each[0].encode())
    return " ".join(
        f"{quoted(word)}:{','.join(map(str, at[:MOST_PLACES]))}" if at else quoted(word) for word, at in ordered
    )


def query(text: str) -> str:
    """What is searched for as a tsquery: all of its words; empty where there is none."""
    asked = []
    for run in runs(text):
        *before, last = [quoted(word) for word in run]
        asked.append(" <-> ".join([*before, f"{last}:*"]))
    return " & ".join(asked)


def quoted(word: str) -> str:
    """A word in a tsvector or tsquery."""
    doubled = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def runs(text: str) -> Iterator[Run]:
    """The words of a text, folded, those together that stand together; most runs are one word."""
    if text.isascii():
        yield from ([word[:LONGEST_WORD]] for word in _ascii_words(text.lower()))
        return
    run: Run = []
    base = ""  # the letter that marks belong to
    for letter in folded(text):
        kind = kind_of(letter)
        if kind == "mark":
            if run and base and is_kept(letter, base):
                run[-1] += letter
        elif kind in ("letter", "single"):
            if run and base and kind == "letter" and kind_of(base) == "letter":
                run[-1] += letter
            else:
                run.append(letter)
            base = letter
        elif kind != "nothing":
            if run:
                yield finished(run)
            if kind == "symbol":
                yield [letter]
            run, base = [], ""
    if run:
        yield finished(run)


def folded(text: str) -> str:
    """Letters apart from their marks, without case, width and ligatures."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())[:LONGEST_FOLDED]
    return "".join(LIKE.get(letter, letter) for letter in apart)


def finished(run: Run) -> Run:
    """A run whose words have those marks that are letters put together again."""
    return [unicodedata.normalize("NFC", word)[:LONGEST_WORD] for word in run]


@lru_cache(maxsize=8_192)
def kind_of(letter: str) -> str:
    """What a character is to words: `letter`, `single` (a word by itself), `mark`, `symbol`, `nothing` or `between`."""
    category = unicodedata.category(letter)
    if letter in NOTHING or (category == "Cf" and letter not in BREAKS):
        return "nothing"
    if category[0] == "M":
        return "mark"
    if category[0] in "LN" and letter not in APOSTROPHES:
        return "single" if script(letter) in UNSPACED else "letter"
    return "symbol" if category == "So" else "between"


def is_kept(mark: str, base: str) -> bool:
    """Whether a mark makes another letter of what it stands with."""
    home = script(base)
    if home == "CYRILLIC":
        return mark not in STRESS and not (mark == DIAERESIS and base == "е")
    return home not in UNACCENTED and unicodedata.category(mark) != "Me" and not is_variation(mark)


def is_variation(mark: str) -> bool:
    """Whether a mark only says how something is drawn."""
    return "\ufe00" <= mark <= "\ufe0f" or "\U000e0100" <= mark <= "\U000e01ef"


def script(letter: str) -> str:
    """The first word of a character's name."""
    return unicodedata.name(letter, "").partition(" ")[0]
