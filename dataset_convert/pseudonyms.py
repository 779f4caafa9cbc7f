"""Pseudonyms of accounts: a keyed hash in place of every id, the key kept outside the data set."""

import hashlib
import hmac
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.atomic import AtomicData
from dataset_convert.common.errors import shown
from dataset_convert.problems import ConversionError

DEFAULT_KEY_FILE: Final = Path("~/.config/recbole_mirec/pseudonym.key")
MANIFEST_KEY: Final = "pseudonyms"
"""Where the manifest tells that ids are pseudonyms."""
N_DIGITS: Final = 16

_N_KEY_BYTES = 32
_MAX_DIGITS = 2 * hashlib.sha256().digest_size


class Pseudonyms:
    """Ids from a keyed hash (HMAC-SHA256): without the key nobody can try names out.

    The same key gives the same ids in every run and every data set.

    Args:
        key: 32 bytes that stay secret.
        n_digits: Hexadecimal digits of an id, 1 to 64.

    Raises:
        ValueError: A key of another length, or too few or too many digits.
    """

    def __init__(self, key: bytes, *, n_digits: int = N_DIGITS) -> None:
        if len(key) != _N_KEY_BYTES:
            raise ValueError(
                f"The 'key' parameter of Pseudonyms must be {_N_KEY_BYTES} bytes long. "
                f"Received: {len(key)} bytes"
            )
        if not 1 <= n_digits <= _MAX_DIGITS:
            raise ValueError(
                f"The 'n_digits' parameter of Pseudonyms must be 1 to {_MAX_DIGITS}. "
                f"Received: {n_digits}"
            )
        self._key = key
        self._n_digits = n_digits

    @classmethod
    def from_file(
        cls, path: Path | None, *, outside: Path, tell: Callable[[str], None] | None
    ) -> Self:
        """Returns the pseudonyms of a key file.

        Args:
            path: The key file; None for the user's own, `DEFAULT_KEY_FILE`.
            outside: The data set's folder, which must not hold the key.
            tell: Called with a line where a key is made; None makes none.

        Raises:
            ConversionError: The file lies in the data set, is not its owner's alone, or is no key.
        """
        return cls(read_key(path, outside=outside, tell=tell))

    def of(self, side: schema.Side, account: str) -> str:
        """Returns the pseudonym of one account, e.g. `brand-` and 16 hexadecimal digits."""
        return f"{side}-{self._digest(f'{side}:{account}')}"

    def of_all(self, side: schema.Side, accounts: Collection[str]) -> dict[str, str]:
        """Returns account -> pseudonym.

        Raises:
            ConversionError: Two accounts have the same pseudonym.
        """
        pseudonyms = {account: self.of(side, account) for account in accounts}
        n_shared = len(pseudonyms) - len(set(pseudonyms.values()))
        if n_shared:
            raise ConversionError(
                f"{n_shared} of {len(pseudonyms)} {side}s share their pseudonym of "
                f"{self._n_digits} digits with another one; use more digits or another key."
            )
        return pseudonyms

    def settings(self) -> dict[str, Any]:
        """Returns what the manifest tells: the method, and whether two keys are the same."""
        return {
            "method": "HMAC-SHA256",
            "digits": self._n_digits,
            "key_fingerprint": self._digest("fingerprint of the key")[:8],
        }

    def _digest(self, text: str) -> str:
        message = text.encode(errors="surrogatepass")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[: self._n_digits]


def apply(data: AtomicData, pseudonyms: Pseudonyms) -> AtomicData:
    """Returns a data set under pseudonyms, every table sorted by the new ids.

    The order of rows would tell names as well: files are often sorted, and cut, by name. Nothing
    but ids is replaced; `name_checks.assert_no_names` looks at everything that was written.

    Args:
        data: A data set under the accounts' own ids.
        pseudonyms: Of the accounts.

    Returns:
        The data set with `pseudonyms` in its manifest.

    Raises:
        ConversionError: Two accounts have the same pseudonym.
        ValueError: A pair or a category is of an account that the data set does not hold.
    """
    tables = {schema.BRAND: data.brands, schema.INFLUENCER: data.influencers}
    new = {
        side: pseudonyms.of_all(side, list(tables[side][schema.ACCOUNT_ID[side]]))
        for side in schema.SIDES
    }
    categories = data.influencer_category
    if categories is not None:
        ids = _renamed(categories.index.to_series(), new[schema.INFLUENCER])
        categories = categories.set_axis(pd.Index(ids, name=schema.INFLUENCER_ID)).sort_index()
    return replace(
        data,
        brands=_renamed_table(data.brands, new),
        influencers=_renamed_table(data.influencers, new),
        interactions=_renamed_table(data.interactions, new),
        influencer_category=categories,
        facts={side: _renamed_table(table, new) for side, table in data.facts.items()},
        splits={
            protocol: {part: _renamed_table(pairs, new) for part, pairs in parts.items()}
            for protocol, parts in data.splits.items()
        },
        manifest={**data.manifest, MANIFEST_KEY: pseudonyms.settings()},
    )


def _renamed_table(table: pd.DataFrame, new: dict[schema.Side, dict[str, str]]) -> pd.DataFrame:
    fields = {schema.ACCOUNT_ID[side]: new[side] for side in schema.SIDES}
    present = [field for field in fields if field in table.columns]
    columns = {field: _renamed(table[field], fields[field]) for field in present}
    return table.assign(**columns).sort_values(present, ignore_index=True)


def _renamed(ids: "pd.Series[str]", new: dict[str, str]) -> list[str]:
    unknown = next((account for account in ids if account not in new), None)
    if unknown is not None:
        raise ValueError(
            "The 'data' parameter of apply must hold a row for every account that it names. "
            f"Received: pairs or categories of {shown(unknown)}"
        )
    return [new[account] for account in ids]


def write_ids(path: Path, accounts: pd.DataFrame, pseudonyms: Pseudonyms) -> None:
    """Writes which account has which pseudonym, as CSV that its owner alone can read.

    Args:
        path: New, or to be replaced.
        accounts: `account_id` and `role`.
        pseudonyms: Of the accounts.
    """
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
