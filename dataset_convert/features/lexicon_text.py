"""Texts of social media as plain words: escapes, fancy letters, accents, links and names folded."""

import re
import unicodedata

# Lengths are bounded here and below, so that no text takes more than linear time.
_ESCAPE = re.compile(r"\\{1,4}(?:u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|[nrt])")
_ACCENTS_AND_VARIANTS = re.compile("[\u0300-\u036f\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_DOMAIN = re.compile(
    r"\b[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.(?:com|net|org|info|shop|store|blog|io|ly|ee|me|tv|co)\b"
    r"(?:/\S*)?"
)
_NAME_OR_MAIL = re.compile(r"[\w.+-]{0,64}@[\w.-]{1,255}")
_APOSTROPHE = re.compile("['\u2018\u2019\u02bc`]")
# Vowel signs of the Indic scripts, Thai and Lao are no letters to `re` but stand inside words.
_LETTER = r"(?:[^\W_]|[\u0900-\u0dff\u0e00-\u0eff])"
_TOKEN = re.compile(rf"#(?:{_LETTER}|_)+|{_LETTER}+|[^\w \t#-]")
_HASHTAG = re.compile(rf"[#\uff03](?:{_LETTER}|_)+")

HASH = "#"


def fold(text: str) -> str:
    r"""Returns a text as it is compared: lower case, plain letters, escapes decoded.

    A literal `\n` becomes a line break and a literal `\ud83d\udc84` the emoji; skin tones,
    variation selectors, Latin accents and apostrophes are left out, `&` is read as "and".
    """
    plain = unicodedata.normalize("NFKC", _unescaped(text)).casefold()
    plain = _ACCENTS_AND_VARIANTS.sub("", unicodedata.normalize("NFKD", plain))
    plain = _APOSTROPHE.sub("", unicodedata.normalize("NFC", plain))
    return plain.replace("&", " and ")


def segments(text: str) -> list[list[str]]:
    """Returns the words of a folded text, in runs that no punctuation or line break divides.

    Links, mentions and e-mail addresses are left out. A hashtag is a run of its own and keeps its
    hash, its underscores are left out.
    """
    text = _DOMAIN.sub("\n", _LINK.sub("\n", text))
    if "@" in text:
        text = _NAME_OR_MAIL.sub("\n", text)
    runs: list[list[str]] = [[]]
    for token in _TOKEN.findall(text):
        if token[0] == HASH:
            runs += [[token.replace("_", "")], []]
        elif token[0].isalnum():
            runs[-1].append(token)
        else:
            runs.append([])
    return [run for run in runs if run]


def hashtags(text: str) -> set[str]:
    """Returns the distinct hashtags of a text, folded, without hash and underscores."""
    tags = fold(" ".join(_HASHTAG.findall(_unescaped(text)))).replace("_", "")
    return {tag for tag in tags.replace(HASH, " ").split() if tag}


def phrase(text: str) -> str | None:
    """Returns a phrase of the lexicon as its words with spaces between; None if it is none."""
    runs = segments(fold(text))
    if len(runs) != 1 or runs[0][0].startswith(HASH):
        return None
    return " ".join(runs[0])


def plural(words: str) -> str:
    """Returns the regular English plural of the last word; of other words nothing sensible."""
    if words.endswith(("s", "x", "z", "ch", "sh")):
        return f"{words}es"
    if words.endswith("y") and words[-2:-1] not in ("", *"aeiou"):
        return f"{words[:-1]}ies"
    return f"{words}s"


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    decoded = _ESCAPE.sub(_character, text)
    # Two escapes of a surrogate pair are one character; half a pair is none.
    return decoded.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _character(escape: re.Match[str]) -> str:
    code = escape["short"] or escape["long"]
    if code is None:
        return "\n"
    return chr(int(code, 16)) if int(code, 16) <= 0x10FFFF else "\n"
