"""Bundles as they are served: they may change under it, take uploads, and make lists."""

import re
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, shown
from dataset_convert.common.files import sha256_of
from dataset_convert.holders import BUNDLE
from dataset_convert.input_files import SUFFIXES
from recbole_mirec.recommend.accounts import Account
from recbole_mirec.recommend.page import ListView
from recbole_mirec.recommend.recommender import Recommender

MOST_TOP: Final = 500
# Lists of a bundle that stay made, and uploads that stay read.
_N_MADE, _N_UPLOADS = 64, 16
_TITLE = 120
# A table of posts alone is of brands.
_POSTS_ALONE = "source: {tables: {brands: {from: posts, columns: {id: account}}}}\n"
_ID = r"^[0-9a-f]{24}$"
T = TypeVar("T")
Word = Annotated[str, Field(max_length=500)]
Words = Annotated[tuple[Word, ...], Field(max_length=5000)]
Name = Annotated[str, Field(max_length=80)]


class ChangedError(UsageError):
    """A bundle, `args[1]`, is no longer what it was when it was loaded."""

    def __str__(self) -> str:
        return str(self.args[0])


class UnknownError(UsageError):
    """A bundle, list or upload is not here."""


class Asked(BaseModel):
    """What a list is asked for by; see `Recommender.recommend`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    brand: Word | None = Field(None, description="id or handle, of the bundle or of the upload")
    brief: Annotated[str, Field(max_length=20_000)] | None = Field(
        None, description="instead of a brand, words: what is sold, to whom, where"
    )
    upload: Annotated[str, Field(pattern=_ID)] | None = Field(
        None, description="an upload's id: its influencers become candidates"
    )
    top: int = Field(20, ge=1, le=MOST_TOP)
    where: Annotated[tuple[Word, ...], Field(max_length=50)] = Field(
        (), description="conditions such as followers>=5000 or country=DE,AT"
    )
    include: Words | None = Field(None, description="the only candidates")
    exclude: Words = ()
    competitors: Words = Field((), description="brands whose partners are left out")
    diversity: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)
    with_partners: bool = False
    name_others: bool = Field(False, description="whether reasons name other brands")
    language: Literal["en", "de"] = "en"

    def id_by(self, bundle: str) -> str:
        """The list's id: the same for whoever asks a bundle the same."""
        return sha256(f"{bundle}\n{self.model_dump_json()}".encode()).hexdigest()[:24]


class Decision(BaseModel):
    """What somebody decides on an influencer of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    influencer: Word
    decision: Literal["yes", "maybe", "no", ""] = Field("", description="empty takes it back")
    note: Annotated[str, Field(max_length=1000)] = ""
    who: Name = ""


@dataclass(frozen=True, eq=False)
class Upload:
    """The accounts of uploaded tables.

    Attributes:
        id: the same for the same files.
        brands, influencers: the accounts of which something is known.
        notes: what must be said of it all.
    """

    id: str
    brands: Mapping[str, Account]
    influencers: tuple[Account, ...]
    notes: tuple[str, ...]


def _keep(things: OrderedDict[str, T], most: int, name: str, thing: T) -> T:
    """Keep a thing, in place of the oldest one where there are too many."""
    things[name] = thing
    while len(things) > most:
        things.popitem(last=False)
    return thing


class Served:
    """A bundle: loaded once, and refused as soon as it is no longer what was loaded.

    Args:
        name: what it is asked for by.
        place: a bundle's folder, or a finished run's.
        key_file: of pseudonyms; None: the user's own.

    Raises:
        UsageError: it cannot be used.
    """

    def __init__(self, name: str, place: Path, key_file: Path | None = None):
        self.name, self._place, self._key_file = name, place, key_file
        # Recommenders keep what they have computed last: one thread at a time.
        self._lock, self._reading = Lock(), Lock()
        self.reload()

    def reload(self) -> None:
        """Load the bundle as it is now.

        Raises:
            UsageError: it cannot be used.
        """
        with self._lock:
            recommender = Recommender.load(self._place, key_file=self._key_file)
            self._manifest = recommender.bundle.model.parent / BUNDLE
            self._state, self.digest = self._stat(), sha256_of(self._manifest)
            self._recommender = recommender
            self._made = OrderedDict[str, ListView]()
            self._uploads = OrderedDict[str, Upload]()

    def _stat(self) -> tuple[int, ...]:
        try:
            found = self._manifest.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino

    @property
    def recommender(self) -> Recommender:
        """The bundle, for use.

        Raises:
            ChangedError: its folder holds another one by now, or none.
        """
        if (state := self._stat()) != self._state:
            if not state or sha256_of(self._manifest) != self.digest:
                raise ChangedError(
                    f"Bundle {self.name} has changed since it was loaded, so its lists would not "
                    f"be those of the files. Reload it, and ask again.",
                    self.name,
                )
            self._state = state
        return self._recommender

    def upload(self, files: Iterable[tuple[str, bytes]]) -> Upload:
        """Read uploaded tables of new accounts; they stay in memory, and only the last few.

        Args:
            files: names and contents.

        Raises:
            UsageError: they are none of the converter's tables, or cannot be read.
        """
        given, digest = dict[str, bytes](), sha256(self.digest.encode())
        for name, content in files:
            safe = re.sub(r"[^\w.-]", "_", name.replace("\\", "/").rpartition("/")[2])[-100:]
            if safe in given or Path(safe).suffix.lower() not in SUFFIXES or safe[0] == ".":
                kinds = ", ".join(SUFFIXES)
                raise UsageError(f"Upload each table once, unpacked: a file ending in {kinds}.")
            given[safe] = content
            digest.update(f"{safe}\n{len(content)}\n".encode() + content)
        found, recommender = digest.hexdigest()[:24], self.recommender
        with self._reading:
            if found in self._uploads:
                return self._uploads[found]
            with tempfile.TemporaryDirectory() as scratch:
                accounts, notes = _read(recommender, given, Path(scratch))
        brands = {one.name: one for one in accounts[schema.BRAND]}
        influencers = tuple(accounts[schema.INFLUENCER])
        made = Upload(found, brands, influencers, tuple(notes))
        return _keep(self._uploads, _N_UPLOADS, found, made)

    def shortlist(self, asked: Asked) -> ListView:
        """Make a list, or take it as it was made.

        Raises:
            UsageError: it cannot be made; `UnknownError`: its upload is not here any more.
        """
        name = asked.id_by(self.name)
        with self._lock:
            recommender = self.recommender
            if name in self._made:
                return self._made[name]
            view = self._view(recommender, asked)
            _ = view.picks  # worked out now, by one thread
            return _keep(self._made, _N_MADE, name, view)

    def _view(self, recommender: Recommender, asked: Asked) -> ListView:
        upload = None
        if asked.upload is not None:
            upload = self._uploads.get(asked.upload)
            if upload is None:
                raise UnknownError("The uploaded files are no longer here: upload them again.")
            recommender = Recommender(recommender.bundle, key_file=self._key_file)
            recommender.add_influencers(upload.influencers)
        account = _account(recommender, asked, upload)
        keys = ("where", "include", "exclude", "competitors", "diversity", "with_partners")
        how = {key: getattr(asked, key) for key in keys}
        found = recommender.recommend(account, asked.top, **how)
        if upload is not None:
            found = replace(found, notes=(*found.notes, *upload.notes))
        brief = " ".join((asked.brief or "").split())
        return ListView(
            recommender,
            found,
            asked=how,
            title=brief if len(brief) <= _TITLE else f"{brief[:_TITLE]}…",
            language=asked.language,
            name_others=asked.name_others,
        )


def _read(
    recommender: Recommender, given: Mapping[str, bytes], scratch: Path
) -> tuple[Mapping[schema.Side, list[Account]], list[str]]:
    """The accounts of tables, by way of a folder."""
    folder, config = scratch / "upload", None
    folder.mkdir()
    for name, content in given.items():
        (folder / name).write_bytes(content)
    if all(name.lower().startswith("posts.") for name in given):
        config = scratch / "posts.yaml"
        config.write_text(_POSTS_ALONE, encoding="utf-8")
    try:
        return recommender.folder(folder, config)
    except UsageError as error:
        text = str(error).replace(f"{scratch}/", "")
        # of messages that cut it, too
        raise UsageError(re.sub(rf"{re.escape(str(scratch.parent))}[\w/.-]*", "…", text)) from None


def _account(recommender: Recommender, asked: Asked, upload: Upload | None) -> Account:
    """Whom a list is for."""
    if asked.brief is not None and asked.brief.strip():
        if asked.brand is not None:
            raise UsageError("Ask for a brand or by a brief, not for both.")
        return recommender.brief(asked.brief)
    theirs = {} if upload is None else upload.brands
    if asked.brand is not None:
        return theirs.get(asked.brand) or recommender.account(asked.brand)
    if len(theirs) == 1:
        return next(iter(theirs.values()))
    several = f" The upload has {', '.join(map(shown, [*theirs][:20]))}." if theirs else ""
    raise UsageError(f"Say for whom: a brand, a brief, or tables with a brand in them.{several}")


def served(places: Iterable[Path], key_file: Path | None = None) -> dict[str, Served]:
    """Bundles by names that addresses can hold: their folders', with a number if one is taken."""
    found: dict[str, Served] = {}
    for place in places:
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", place.resolve().name).strip("-") or "bundle"
        name, n = base, 1
        while name in found:
            n += 1
            name = f"{base}-{n}"
        found[name] = Served(name, place, key_file)
    return found
