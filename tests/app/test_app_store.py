"""Decisions stay, whoever else writes and whatever is killed."""

import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataset_convert.common.errors import UsageError
from recbole_mirec.app.store import Store

# Decides one after the other, and says so after each; the parent kills it.
DECIDE = """
import sys
from pathlib import Path
from recbole_mirec.app.store import Store
store, first = Store(Path(sys.argv[1])), int(sys.argv[2])
store.keep_list("l", "shop", "d", "t", {})
for n in range(first, first + 1000):
    store.decide(list_id="l", key="k", brand="b", influencer=f"i{n}", who="Ann",
                 decision="yes", note="")
    print(n, flush=True)
"""


def decide(store: Store, influencer: str, who: str = "", **said: str) -> None:
    store.keep_list("l", "shop", "d", "t", {"top": 1})
    values = {"decision": "yes", "note": ""} | said
    store.decide(list_id="l", key="k", brand="b", influencer=influencer, who=who, **values)


def test_no_decision_that_was_answered_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path, answered = tmp_path / "decisions.sqlite", 0
    for _ in range(3):
        command = [sys.executable, "-c", DECIDE, str(path), str(answered)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(7):
                answered = int(process.stdout.readline()) + 1
            process.kill()
            answered += len(process.stdout.read().split())
        store = Store(path)
        kept = {x["influencer"] for x in store.decisions("k")}
        store.close()
        assert {f"i{n}" for n in range(answered)} <= kept
        answered = len(kept)


def test_several_write_at_once(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "decisions.sqlite") for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: decide(stores[n % 2], f"i{n}", f"who{n % 3}"), range(60)))
    assert len(stores[0].decisions("k")) == 60
    for store in stores:
        store.close()


def test_hostile_texts_come_back_as_they_are(store: Store) -> None:
    text = "'; drop table decisions; -- \x00 \u202e <script>"
    decide(store, text, text, note=text)
    (found,) = store.decisions("k")
    assert (found["influencer"], found["who"], found["note"]) == (text, text, text)


def test_the_file_is_its_owners_alone(store: Store) -> None:
    if os.name == "posix":
        assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_every_decision_stays_in_the_file(store: Store) -> None:
    for decision in ("yes", "no", ""):
        decide(store, "i1", decision=decision)
    assert store.decisions("k") == []
    with sqlite3.connect(store.path) as file:
        rows = file.execute("select decision from decisions order by number").fetchall()
    file.close()
    assert rows == [("yes",), ("no",), ("",)]


def test_a_file_of_something_else_is_refused_and_left(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as file:
        file.execute("create table mine (a)")
    file.close()
    text = tmp_path / "text.sqlite"
    text.write_text("no database at all, but a text of some length " * 20)
    before = text.read_bytes()
    for path in (other, text, tmp_path):
        with pytest.raises(UsageError, match="cannot keep decisions"):
            Store(path)
    assert text.read_bytes() == before
    with sqlite3.connect(other) as file:
        assert file.execute("select name from sqlite_master").fetchall() == [("mine",)]
    file.close()
