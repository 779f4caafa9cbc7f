"""Accounts as people write them: names, addresses of profiles, several in one cell."""

import ast
import re
import unicodedata
from urllib.parse import unquote

from dataset_convert.values import BadValue, tidy

AN_ACCOUNT = "an account: its name, @name or the address of its profile"

PLATFORMS = {
    word: name
    for name, words in {
        "instagram": "instagram insta ig instagr.am instagram.com",
        "tiktok": "tiktok tt tiktok.com",
        "youtube": "youtube yt youtu.be youtube.com",
        "facebook": "facebook fb fb.com fb.me facebook.com",
        "x": "x twitter x.com twitter.com",
        "threads": "threads threads.net threads.com",
        "twitch": "twitch twitch.tv",
        "pinterest": "pinterest pinterest.com pinterest.de pinterest.fr pinterest.es pinterest.it",
        "snapchat": "snapchat snap snapchat.com",
        "linkedin": "linkedin linkedin.com",
    }.items()
    for word in words.split()
}
"""Word or host -> platform."""

# What stands before an account's name in an address, and what stands where no name is.
_BEFORE = {
    "instagram": {"_u", "stories"},
    "youtube": {"c", "user", "channel"},
    "facebook": {"pg"},
    "snapchat": {"add"},
    "linkedin": {"in", "company"},
}
_NO_NAME = {
    "instagram": "p reel reels tv explore accounts direct s highlights share web",
    "youtube": "watch shorts playlist live embed results feed hashtag post clip",
    "facebook": "groups events photo photo.php photos story.php permalink.php watch share sharer "
    "sharer.php reel hashtag login marketplace profile.php people pages p",
    "x": "i home search hashtag intent explore share messages notifications",
    "twitch": "videos directory",
    "pinterest": "pin ideas search",
    "snapchat": "spotlight discover t",
    "linkedin": "posts feed pulse jobs",
}
# Here a name without @ in an address is something else.
_WITH_AT = ("tiktok", "threads")
_HOSTS = "|".join(re.escape(word) for word in PLATFORMS if "." in word)
_ADDRESS = re.compile(
    rf"(?<![\w.@/%-])(?:https?:/+)?(?:[\w-]{{1,20}}\.){{0,2}}({_HOSTS})(?:/+([^\s\"'<>)\]]*)|$)",
    re.IGNORECASE,
)
_WORDS = "|".join(re.escape(word) for word in PLATFORMS if "." not in word)
_REMARK = re.compile(rf"\s*[(\[](?:{_WORDS})[)\]]$", re.IGNORECASE)
_PREFIX = re.compile(rf"^(?:{_WORDS})\s*(?::\s*|(?=@))", re.IGNORECASE)
# Lena Moves (@lena.moves)
_NAMED = re.compile(r"[^,;&/+|]*[\s(]@([\w.-]+)\)?")
_MARKED = re.compile(r"(?:^|[\s,;&/+|(])@+\w")
_PLAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_.]*[a-z0-9_])?")
_DAMAGED = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
_WIDE_AT = {0xFF20: "@", 0xFE6B: "@"}
_MAX_LENGTH = 2_048


def damaged_id(text: str) -> bool:
    """Returns whether a spreadsheet has made a rounded number of an id: 1.78414E+16."""
    return _DAMAGED.fullmatch(text.strip()) is not None


def handle(text: str, *, exact: bool = False) -> str:
    """Returns an account's id, equal for all spellings of it.

    Platforms tell names apart by ASCII letters, digits, '.', '_' and '-' alone, so that capitals,
    full-width and decorated letters (NFKC) are spellings. Ids of one's own that differ in nothing
    else are merged by that; `exact` keeps letters as they stand.

    Args:
        text: The cell: name, @name, or a profile's address.
        exact: Whether letters keep their case and form.

    Raises:
        BadValue: An empty cell, an id that a spreadsheet has damaged, the address of a post or of
            anything else that is no account.
    """
    if len(text) > _MAX_LENGTH:
        raise BadValue(text, AN_ACCOUNT)
    if _PLAIN.fullmatch(text) and not text.startswith("www.") and not text.endswith(".0"):
        return text
    found = text
    # Name within a prefix within an address: until nothing is left to take off.
    for _ in range(10):
        found, before = _one_layer(found, exact), found
        if not found:
            raise BadValue(text, AN_ACCOUNT)
        if found == before:
            return found
    raise BadValue(text, AN_ACCOUNT)


def _one_layer(text: str, exact: bool) -> str:
    text = " ".join(tidy(text).translate(_WIDE_AT).split())
    if damaged_id(text):
        raise BadValue(text, f"{AN_ACCOUNT}; this is an id that a spreadsheet has damaged")
    address = _ADDRESS.search(text)
    if address:
        text = _name_in(address, text)
    else:
        text = re.sub(r"^(?:https?:/+)?(?:www\.)*", "", text, flags=re.IGNORECASE)
        text = _PREFIX.sub("", _REMARK.sub("", text))
        if len(_MARKED.findall(text)) > 1:
            raise BadValue(text, f"{AN_ACCOUNT}; here are several")
        named = _NAMED.fullmatch(text)
        text = named[1] if named else text
    text = text.strip("\"'<> ,;:").rstrip("/ ").lstrip("@ ")
    if re.fullmatch(r"\d{5,15}\.0", text):
        text = text[:-2]
    if exact:
        return unicodedata.normalize("NFC", text)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _name_in(address: re.Match[str], text: str) -> str:
    platform = PLATFORMS[address[1].lower()]
    path, _, query = (address[2] or "").partition("#")[0].partition("?")
    parts = [unquote(part) for part in path.split("/") if part]
    first = parts[0].lower() if parts else ""
    if platform == "facebook" and first in ("profile.php", "people", "pages", "p"):
        number = re.search(r"(?:^|&)id=(\d+)|(?:^|[/-])(\d+)$", query or "/".join(parts))
        parts = [number[1] or number[2]] if number else []
    if first in _BEFORE.get(platform, ()):
        parts = parts[1:]
    name = parts[0] if parts else ""
    is_name = name.startswith("@") or platform not in _WITH_AT
    if not is_name or name.lower() in ("", "@", *_NO_NAME.get(platform, "").split()):
        raise BadValue(text, f"{AN_ACCOUNT}; this address is a post's, or that of no account")
    return name


def platform(text: str) -> str:
    """Returns the platform that a cell names: IG is instagram; unknown words are lowered."""
    word = tidy(text).casefold()
    return PLATFORMS.get(word, word)


_STRONG = re.compile(r"[\n\r;|]+")
_WEAK = re.compile(r"\s*,\s*|\s*[&+]\s*|\s+/\s*|\s*/\s+|\s+(?:und|and|et|y|e|x)\s+")
_LISTED = re.compile(r"\s*,\s*|\s+/\s+")


def split_handles(text: str, *, exact: bool = False, sign: str = "") -> list[str]:
    """Returns the accounts that one cell names, each once, in order.

    A sign that is given parts them, as do the commas of a list in brackets. Otherwise line breaks,
    ';' and '|' do; ',', '/', '&', '+', 'x' and 'and' in five languages where '@' or an address says
    so; ',' and ' / ' also between names that no sentence has, in small letters without spaces. H&M
    and "Ben and Co" stay whole.

    Raises:
        BadValue: As `handle`, for any of them.
    """
    if text.lstrip().startswith("="):
        return [handle(text, exact=exact)]
    listed = text.split(sign) if sign else _elements(text)
    cells = listed or [part for cell in _STRONG.split(text) for part in _parted(cell)]
    cells = [cell for cell in cells if cell.strip()]
    return list(dict.fromkeys(handle(part, exact=exact) for part in cells or [text]))


def _elements(text: str) -> list[str]:
    """The texts of a list as programs write it: ["a", "b"]; none where it is no such list."""
    try:
        found = ast.literal_eval(text.strip()) if text.lstrip().startswith("[") else []
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    is_list = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return found if is_list else []


def _parted(cell: str) -> list[str]:
    cell = tidy(cell).translate(_WIDE_AT)
    if not _ADDRESS.search(cell):
        cell = cell.replace("/@", " / @")
    words = cell.split()
    if len(words) > 1 and all(_is_marked(word) for word in words):
        cell = " , ".join(words)
    parts = [part.strip() for part in _WEAK.split(cell) if part.strip()]
    if any(map(_is_marked, parts)) and all(_is_marked(p) or " " not in p for p in parts):
        return parts
    listed = _LISTED.split(cell)
    return listed if all(_PLAIN.fullmatch(part) for part in listed) else [cell]


def _is_marked(part: str) -> bool:
    return part.startswith("@") or _ADDRESS.match(part) is not None
