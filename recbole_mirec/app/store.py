"""Lists that were asked for and decisions on them, in a SQLite file of the owner's.

A decision is one transaction that is on the disk before it is answered; none is ever changed, and
the last of each person on each influencer holds. Whatever reads SQLite can read the file.
"""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from dataset_convert.common.errors import UsageError

# "MIRc" in ASCII, by which we know our own files; the version of the tables.
_APPLICATION, _VERSION = 0x4D495263, 1
_TABLES = f"""
begin immediate;
create table if not exists lists (
    id text primary key, bundle text not null, digest text not null, title text not null,
    request text not null, made_at text not null);
create table if not exists decisions (
    number integer primary key, brand_key text not null, brand text not null,
    influencer text not null, who text not null, decision text not null, note text not null,
    list text not null references lists (id), decided_at text not null);
create index if not exists by_brand on decisions (brand_key, influencer, who);
create view if not exists latest as select * from decisions where number in
    (select max(number) from decisions group by brand_key, influencer, who);
pragma application_id = {_APPLICATION};
pragma user_version = {_VERSION};
commit;
"""


class Store:
    """The file, for as many threads and processes as like.

    Args:
        path: the file, made where it is missing, for its owner alone.

    Raises:
        UsageError: it cannot be written, or is none of ours.
    """

    def __init__(self, path: Path):
        self.path, self._lock = path, Lock()
        is_new = not path.exists()
        try:
            if is_new:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
            self._file = sqlite3.connect(path, timeout=30, check_same_thread=False)
            self._file.isolation_level = None  # transactions are told
            self._file.row_factory = sqlite3.Row
            self._file.execute("pragma journal_mode = wal")
            self._file.execute("pragma synchronous = full")
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise UsageError(f"'{path}' cannot keep decisions: {error}. Name another.") from None

    def _prepare(self) -> None:
        own = [self._file.execute(f"pragma {x}").fetchone()[0] for x in _MARKS]
        n_tables = self._file.execute("select count(*) from sqlite_master").fetchone()[0]
        if own != [_APPLICATION, _VERSION] and (n_tables or own != [0, 0]):
            raise sqlite3.DatabaseError("it is the database of something else")
        self._file.executescript(_TABLES)

    def _write(self, sql: str, *values: Any) -> None:
        with self._lock:
            self._file.execute(sql, values)

    def _rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with self._lock, closing(self._file.execute(sql, values)) as found:
            return [dict(row) for row in found]

    def keep_list(self, name: str, bundle: str, digest: str, title: str, request: Any) -> None:
        """Keep what a list was asked for by, and the state of the bundle that answered."""
        text = json.dumps(request)
        values = (name, bundle, digest, title, text, _now())
        self._write(
            "insert into lists values (?, ?, ?, ?, ?, ?) on conflict (id) do update set "
            "digest = excluded.digest, made_at = excluded.made_at",
            *values,
        )

    def find_list(self, name: str) -> Mapping[str, Any] | None:
        """What `keep_list` kept, `request` as it was; None: nothing."""
        for row in self._rows("select * from lists where id = ?", name):
            return {**row, "request": json.loads(row["request"])}
        return None

    def newest_lists(self, n: int = 20) -> list[dict[str, Any]]:
        """Lists that were asked for last, without their requests."""
        columns = "id, bundle, title, made_at"
        return self._rows(f"select {columns} from lists order by made_at desc limit ?", n)

    def decide(
        self, *, list_id: str, key: str, brand: str, influencer: str, who: str, **said: str
    ) -> None:
        """Keep a decision; it is on the disk when this returns.

        Args:
            list_id: the list that it was made on.
            key: the brand's, as `ListView.key` has it.
            brand: what the brand is called.
            influencer: her id.
            who: whose decision it is; may be empty.
            said: `decision` (`yes`, `maybe`, `no`, or empty to take it back) and `note`.
        """
        self._write(
            "insert into decisions values (null, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(key, brand, influencer, who, said["decision"], said["note"], list_id, _now()),
        )

    def decisions(self, key: str) -> list[dict[str, Any]]:
        """The last decision of each person on each influencer for a brand, the newest first."""
        columns = "influencer, who, decision, note, decided_at"
        return self._rows(
            f"select {columns} from latest where brand_key = ? and (decision != '' or note != '') "
            "order by number desc",
            key,
        )

    def close(self) -> None:
        """Close the file; what was decided is in it."""
        with self._lock, suppress(sqlite3.Error):
            self._file.close()


_MARKS = ("application_id", "user_version")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
