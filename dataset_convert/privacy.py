"""What keeps people out of a data set: pseudonyms, biographies without addresses, forgetting.

Pseudonyms are a keyed hash in place of every id, the key kept outside the data set.
"""

import hashlib
import hmac
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.atomic import (
    AtomicData,
    AtomicFileError,
    read_atomic,
    replace_atomic,
    tables_of,
)
from dataset_convert.common.errors import shown
from dataset_convert.common.files import write_whole
from dataset_convert.common.words import counted
from dataset_convert.holders import find_holders
from dataset_convert.name_checks import find_names
from dataset_convert.problems import ConversionError
from dataset_convert.report import REPORT_FILE, data_report

DEFAULT_KEY_FILE: Final = Path("~/.config/recbole_mirec/pseudonym.key")
CAUSES_FILE: Final = "causes.csv"
SECONDS_A_DAY: Final = 86_400
_DIGITS: Final = {
    **{schema.account_field(side, schema.FOLLOWERS): 2 for side in schema.SIDES},
    **{fact: 2 for fact, kind in schema.FACT_TYPES.items() if kind == "float"},
    schema.COMPETENCE: 3,
}
"""Significant digits that are kept: who finds the exact number elsewhere knows the account."""
_TIMES: Final = (schema.TIMESTAMP, "last_post")
"""Of which the beginning of the day is kept."""

_N_KEY_BYTES = 32

_CONVERT_AGAIN = "Take the account out of the source and convert again."
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


class Pseudonyms:
    """Ids from a keyed hash (HMAC-SHA256): without the key nobody can try names out.

    The same key gives the same ids in every run and every data set.

    Args:
        key: Bytes that stay secret, as `read_key` gives them.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, side: schema.Side, account: str) -> str:
        """Returns the pseudonym of one account, e.g. `brand-` and 16 hexadecimal digits."""
        return f"{side}-{self.digest(f'{side}:{account}')}"

    def settings(self) -> dict[str, Any]:
        """Returns what the manifest tells: the method, and whether two keys are the same."""
        return {
            "method": "HMAC-SHA256",
            "digits": schema.PSEUDONYM_DIGITS,
            "key_fingerprint": self.digest("fingerprint of the key")[:8],
        }

    def digest(self, text: str) -> str:
        """Returns the keyed hash of a text."""
        message = text.encode(errors="surrogatepass")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[: schema.PSEUDONYM_DIGITS]


def apply(data: AtomicData, pseudonyms: Pseudonyms) -> AtomicData:
    """Returns a data set under pseudonyms, every table sorted by the new ids.

    The order of rows would tell names as well: files are often sorted, and cut, by name. Exact
    numbers would, too, and are rounded. Nothing but ids is replaced: `name_checks.assert_no_names`
    looks at everything that was written.
    """

    def renamed(table: pd.DataFrame) -> pd.DataFrame:
        present = {schema.ACCOUNT_ID[side]: side for side in schema.SIDES}
        present = {field: side for field, side in present.items() if field in table}
        columns: dict[str, Any] = {
            field: [pseudonyms.of(side, account) for account in table[field]]
            for field, side in present.items()
        }
        columns |= {name: _coarse(table[name]) for name in (*_DIGITS, *_TIMES) if name in table}
        return table.assign(**columns).sort_values([*present], ignore_index=True)

    manifest = {**data.manifest, schema.PSEUDONYMS: pseudonyms.settings()}
    data = _with_tables(replace(data, manifest=manifest), renamed)
    categories = data.influencer_category
    if categories is not None:
        new = {account: pseudonyms.of(schema.INFLUENCER, account) for account in categories.index}
        categories = categories.rename(new).sort_index()
    return replace(data, influencer_category=categories)


def _coarse(numbers: "pd.Series[Any]") -> "pd.Series[Any]":
    numbers = numbers.astype(float)
    if numbers.name in _TIMES:
        return numbers // SECONDS_A_DAY * SECONDS_A_DAY
    return numbers.map(lambda number: float(f"{number:.{_DIGITS[str(numbers.name)]}g}"))


def _with_tables(data: AtomicData, change: Callable[[pd.DataFrame], pd.DataFrame]) -> AtomicData:
    """A data set with all its tables changed, but for the influencers' categories."""
    return replace(
        data,
        brands=change(data.brands),
        influencers=change(data.influencers),
        interactions=change(data.interactions),
        facts={side: change(table) for side, table in data.facts.items()},
        splits={
            protocol: {part: change(pairs) for part, pairs in parts.items()}
            for protocol, parts in data.splits.items()
        },
    )


def write_ids(path: Path, accounts: pd.DataFrame, pseudonyms: Pseudonyms) -> None:
    """Writes which of a source's accounts has which pseudonym, as CSV for its owner alone."""
    sides = zip(accounts[raw.ACCOUNT], accounts[raw.ROLE], strict=True)
    rows = [(pseudonyms.of(side, account), side, account) for account, side in sides]
    table = pd.DataFrame(sorted(rows), columns=["pseudonym", raw.ROLE, raw.ACCOUNT])
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        table.to_csv(file, index=False, lineterminator="\n")


def read_key(path: Path | None, *, outside: Path, tell: Callable[[str], None] | None) -> bytes:
    """Reads the key, or makes one where there is none.

    A key is made whole or not at all, and never over another one: runs that start together end
    with the same key.

    Args:
        path: The key file; None for the user's own, `DEFAULT_KEY_FILE`.
        outside: A folder that must not hold the key.
        tell: Called with a line where a key is made; None makes none.

    Returns:
        32 bytes.

    Raises:
        ConversionError: The file lies in `outside`, is not its owner's alone, or is no key.
    """
    try:
        path = (path or DEFAULT_KEY_FILE).expanduser()
        if path.resolve().is_relative_to(outside.expanduser().resolve()):
            raise ConversionError(
                f"{path}: the key must lie outside the data set {outside}, or whoever is given the "
                f"data set is given the names; name another key_file in the configuration."
            )
        if tell is not None and not path.exists() and _make_key(path):
            tell(f"Made a new key for pseudonyms: {path}. Other data sets need it for equal ids.")
        return _read_private(path)
    except (OSError, RuntimeError) as error:
        raise ConversionError(
            f"{path or DEFAULT_KEY_FILE}: the key cannot be read or made ({error}); name another "
            f"key_file in the configuration."
        ) from error


def _make_key(path: Path) -> bool:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp gives a file that only its owner can read from its first moment on.
    descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_N_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, does not replace the key of a run that was faster.
        path.hardlink_to(partial)
    except FileExistsError:
        return False
    finally:
        Path(partial).unlink()
    return True


def _read_private(path: Path) -> bytes:
    with path.open("rb") as file:
        # The open file is asked, not the path, which may change in between.
        status = os.fstat(file.fileno())
        content = file.read(4 * _N_KEY_BYTES)
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 or status.st_uid != os.geteuid():
        raise ConversionError(
            f"{path}: found a key with mode {mode:04o} of user {status.st_uid}; wanted one that "
            f"its owner, user {os.geteuid()}, alone can read: chmod 600 '{path}', and make a new "
            f"key if others may have read this one."
        )
    try:
        key = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != _N_KEY_BYTES:
        raise ConversionError(
            f"{path}: found no key; wanted {2 * _N_KEY_BYTES} hexadecimal digits. Put the key "
            f"back, or name a new key_file; all pseudonyms will be other ones."
        )
    return key


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


def forget(
    folder: Path,
    name: str,
    account: str,
    *,
    pseudonyms: Pseudonyms | None = None,
    runs: Iterable[Path] = (),
) -> list[str]:
    """Removes an account from a data set: its row, its pairs and their causes, its category.

    The files are written beside the folder, checked, and put in its place at once; other files of
    the folder are kept as they are.

    Args:
        folder: The data set's own folder.
        name: The data set's name.
        account: Its id as it stands in the files, or, with `pseudonyms`, its original id.
        pseudonyms: Of a data set under pseudonyms.
        runs: Folders of runs and bundles, which are left as they are.

    Returns:
        Lines for the person who asked: what was removed, and what is left to do.

    Raises:
        ConversionError: There is no such account; or without it a part of a split, or a category,
            would be empty. The data set is left as it was.
        AtomicFileError: The data set is not as the contract wants it.
    """
    data = read_atomic(folder, name)
    side, account_id = _find(data, account, pseudonyms)
    left = _without(data, side, account_id)
    others = [file for file in _others(left, folder) if file != CAUSES_FILE]
    try:
        rewrite(left, folder, partial(_forget_causes, schema.ACCOUNT_ID[side], account_id))
    except AtomicFileError as error:
        raise ConversionError(
            f"Without {shown(account)} '{name}' must be split anew: {error} {_CONVERT_AGAIN}"
        ) from None
    n_pairs = len(data.interactions) - len(left.interactions)
    lines = [
        f"Removed one {side} and {counted(n_pairs, 'pair')} from {folder}.",
        "Models, checkpoints and results made from this data set have learnt from the account: "
        "train them again and delete the old ones.",
        *_of_runs(runs, name, account_id),
        "Take it out of the source too, or the next conversion brings it back.",
    ]
    if others:
        lines.append(
            f"Written when the account was still there, and kept: {', '.join(others)}. Convert "
            "again without the account to renew them."
        )
    named = [str(path.relative_to(folder)) for path, _ in find_names(folder, {account, account_id})]
    if named:
        lines.append(f"Its id, or a word like it, stands in {', '.join(named)}: look at them.")
    return lines


def rewrite(
    data: AtomicData, folder: Path, change: Callable[[Path], None] | None = None
) -> AtomicData:
    """Puts a changed data set in the place of the old one, other files kept, whole or not at all.

    Args:
        data: What to write; the report tells of it.
        folder: The data set's own folder.
        change: Called with the folder in the making, for what is to change beside it.

    Raises:
        AtomicFileError: The data set is not as the contract wants it.
    """

    def add_others(building: Path) -> None:
        for file in _others(data, folder):
            (building / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / file, building / file)
        if (folder / REPORT_FILE).exists():
            write_whole(building / REPORT_FILE, data_report(data))
        if change is not None:
            change(building)

    return replace_atomic(data, folder, extra=add_others)


def _others(data: AtomicData, folder: Path) -> list[str]:
    atomic = {schema.MANIFEST_FILE, REPORT_FILE, *tables_of(data)}
    files = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(file for file in files if file not in atomic)


def _forget_causes(field: str, account: str, folder: Path) -> None:
    if (folder / CAUSES_FILE).exists():
        causes = pd.read_csv(folder / CAUSES_FILE, dtype=str, keep_default_na=False)
        left = causes[causes[field] != account]
        left.to_csv(folder / CAUSES_FILE, index=False, lineterminator="\n")


def _of_runs(folders: Iterable[Path], name: str, account: str) -> Iterator[str]:
    """Yields what to say of runs, and of bundles, that still hold an account."""
    for folder in folders:
        found = [str(path) for path in find_holders(folder, name, account)]
        yield (
            f"Still holding the account: {', '.join(found)}. Delete the runs; a bundle forgets by "
            f"python -m recbole_mirec.recommend --bundle FOLDER --forget {account}."
            if found
            else f"No run on '{name}' and no bundle with the account is in {folder}."
        )


def _find(data: AtomicData, account: str, pseudonyms: Pseudonyms | None) -> tuple[schema.Side, str]:
    for side in schema.SIDES:
        known = set(data.accounts(side)[schema.ACCOUNT_ID[side]])
        for candidate in [account, *([pseudonyms.of(side, account)] if pseudonyms else [])]:
            if candidate in known:
                return side, candidate
    raise ConversionError(
        f"Data set '{data.name}' holds no account {shown(account)}; give the id as it stands in "
        f"its files, or the key file of its pseudonyms."
    )


def _without(data: AtomicData, side: schema.Side, account: str) -> AtomicData:
    field = schema.ACCOUNT_ID[side]

    def kept(table: pd.DataFrame) -> pd.DataFrame:
        if field not in table.columns:
            return table
        return table[table[field] != account].reset_index(drop=True)

    # Without it no later conversion takes this data set, or features of it, for what it makes.
    manifest = {key: value for key, value in data.manifest.items() if key != schema.CONVERSION}
    categories = data.influencer_category
    if categories is not None and side == schema.INFLUENCER:
        categories = categories[categories.index != account]
    left = _with_tables(replace(data, manifest=manifest, influencer_category=categories), kept)
    return replace(left, facts={of: table for of, table in left.facts.items() if len(table)})
