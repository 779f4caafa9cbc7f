"""Biographies without the ways to reach a person: e-mail addresses, telephone numbers, URLs."""

import re

# A line break: what stood before and after a removed address must not meet and look like one.
_GAP = "\n"

_WEB_ADDRESS = re.compile(r"(?:\bhttps?://|\bwww\.)\S*", re.IGNORECASE)
# Lookbehinds and possessive quantifiers keep the time linear in the length of any text.
_E_MAIL = re.compile(
    r"""
    (?<![\w.%+-]) [\w.%+-]++
    (?: [@\uff20] | [ \t]{0,3} [\[({<] [ \t]{0,3} (?:at|@) [ \t]{0,3} [\])}>] [ \t]{0,3} )
    [\w-]++
    (?: (?: \. | [ \t]{0,3} [\[({<] [ \t]{0,3} (?:dot|punkt|\.) [ \t]{0,3} [\])}>] [ \t]{0,3} )
        [\w-]++ )++
    """,
    re.IGNORECASE | re.VERBOSE,
)
_COMMON_ENDINGS = (
    "com|net|org|info|biz|edu|gov|int|app|art|bio|blog|cafe|club|coach|dev|fashion|fit|life|link|"
    "live|love|media|mobi|name|online|page|photo|photography|pro|shop|site|space|store|studio|"
    "style|tech|travel|world|xyz"
)
# Words joined by a full stop ("coach.mother") are no domain, so a bare one needs a known ending
# (two letters are a country's) or a path.
_BARE_DOMAIN = re.compile(
    rf"(?<![\w@\uff20.-])(?:[\w-]+\.)+(?:(?:{_COMMON_ENDINGS}|[a-z]{{2}})(?!\w)(?:[/?#:]\S*)?|\w+/\S+)",
    re.IGNORECASE,
)
# Digits may be emoji keycaps, which are a digit and two marks.
_TELEPHONE = re.compile(
    r"(?<!\d)[+\uff0b]?\(?\d(?:[ \t\u00a0\u202f().\-/\u2010-\u2015\ufe0f\u20e3]{0,4}\d){6,}+"
)


def scrub(text: str) -> str:
    """Returns a text without e-mail addresses, telephone numbers and URLs.

    Seven digits or more with single separators between them count as a telephone number, so long
    numbers of other kinds go too: losing a number costs nothing, keeping a telephone number does.
    E-mail addresses written with `(at)` and `[dot]` are found. Each removal leaves a line break.
    Takes time linear in the length of the text.

    Args:
        text: A biography, in any script.
    """
    for pattern in (_WEB_ADDRESS, _E_MAIL, _BARE_DOMAIN, _TELEPHONE):
        text = pattern.sub(_GAP, text)
    return text
