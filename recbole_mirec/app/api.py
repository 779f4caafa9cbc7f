"""The JSON API: what pages do, for other programs."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

import pandas as pd
from fastapi import APIRouter, Depends, File, Query, Request, Response, UploadFile
from pydantic import BaseModel

from dataset_convert import schema
from dataset_convert.common.errors import shown
from dataset_convert.common.files import guarded
from recbole_mirec.app.desk import Asked, Decision, Served, UnknownError
from recbole_mirec.app.store import Store
from recbole_mirec.recommend.export import workbook
from recbole_mirec.recommend.page import ListView, Pick, render_shortlist

Kind = Literal["csv", "xlsx", "json", "html"]
TYPES: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class Problem(BaseModel):
    """Why something was refused."""

    detail: str


class About(BaseModel):
    """A bundle."""

    name: str
    model: str
    dataset: str
    synthetic: bool
    n_brands: int
    n_influencers: int
    facts: list[str]
    features: list[str]


class Candidate(BaseModel):
    """An influencer on a list; `fit` is 100 for the brand's best and 0 for the average one."""

    id: str
    name: str
    rank: int
    score: float
    fit: float
    chance: float | None
    partner: bool
    facts: dict[str, Any]
    parts: dict[str, float]
    why: list[str]


class Shortlist(BaseModel):
    """A list; `remade` says that the bundle has changed since it was asked for first."""

    id: str
    bundle: str
    brand: str
    title: str
    synthetic: bool
    remade: bool
    n_candidates: int
    notes: list[str]
    left_out: list[str]
    candidates: list[Candidate]


class Decided(Decision):
    """A decision, and when it was made."""

    decided_at: str


class Uploaded(BaseModel):
    """What uploaded tables hold."""

    upload: str
    brands: list[str]
    influencers: list[str]
    notes: list[str]


@dataclass(frozen=True)
class Opened:
    """A list as it was asked for, made."""

    id: str
    bundle: str
    remade: bool
    view: ListView

    def pick(self, influencer: str) -> Pick:
        """A candidate of the list.

        Raises:
            UnknownError: she is not on it.
        """
        for one in self.view.picks:
            if one.id == influencer:
                return one
        raise UnknownError(f"{shown(influencer)} is not on this list.")


@dataclass(frozen=True)
class Office:
    """What answers have in common: the bundles, by name, and the decisions."""

    bundles: Mapping[str, Served]
    store: Store

    def bundle(self, name: str) -> Served:
        """A bundle by its name.

        Raises:
            UnknownError: none has it.
        """
        if name not in self.bundles:
            raise UnknownError(f"No bundle {shown(name)} is served: {', '.join(self.bundles)} are.")
        return self.bundles[name]

    def ask(self, bundle: str, asked: Asked) -> Opened:
        """Make a list and keep what it was asked for by, so that it can be opened again."""
        own = self.bundle(bundle)
        view, name = own.shortlist(asked), asked.id_by(bundle)
        self.store.keep_list(name, bundle, own.digest, view.title, asked.model_dump(mode="json"))
        return Opened(name, bundle, False, view)

    def open(self, name: str) -> Opened:
        """A list that was asked for before.

        Raises:
            UnknownError: it was not.
        """
        kept = self.store.find_list(name)
        if kept is None:
            raise UnknownError(f"There is no list {shown(name)}: ask for one.")
        own = self.bundle(kept["bundle"])
        view = own.shortlist(Asked(**kept["request"]))
        return Opened(name, kept["bundle"], own.digest != kept["digest"], view)

    def decide(self, name: str, said: Decision) -> None:
        """Keep a decision on a candidate of a list."""
        opened = self.open(name)
        brand = opened.view.found.brand.name
        opened.pick(said.influencer)
        self.store.decide(list_id=name, key=opened.view.key, brand=brand, **said.model_dump())

    def decisions(self, opened: Opened) -> list[dict[str, Any]]:
        """Everybody's last decisions for the list's brand, the newest first."""
        return self.store.decisions(opened.view.key)


def office(request: Request) -> Office:
    """The application's own."""
    found: Office = request.app.state.office
    return found


In = Annotated[Office, Depends(office)]
_REFUSED: Any = {code: {"model": Problem} for code in (400, 401, 403, 404, 409, 413, 422, 503)}
router = APIRouter(prefix="/api", responses=_REFUSED)


@router.get("/bundles")
def bundles(office: In) -> list[About]:
    """The bundles that are served."""
    return [about(name, own) for name, own in office.bundles.items()]


def about(name: str, own: Served) -> About:
    """What a bundle is."""
    recommender = own.recommender
    return About(
        name=name,
        n_brands=len(recommender.brands),
        n_influencers=len(recommender.influencers),
        facts=recommender.bundle.facts(),
        features=[*recommender.bundle.sides[schema.INFLUENCER].table],
        **{key: recommender.bundle.about[key] for key in ("model", "dataset", "synthetic")},
    )


@router.get("/bundles/{bundle}/brands")
def brands(
    office: In,
    bundle: str,
    search: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> list[str]:
    """Ids of a bundle's brands that hold some words."""
    names = office.bundle(bundle).recommender.brands
    return [name for name in names if search.casefold() in name.casefold()][:limit]


@router.post("/bundles/{bundle}/reload")
def reload(office: In, bundle: str) -> About:
    """Load a bundle as it is now, after it has changed."""
    own = office.bundle(bundle)
    own.reload()
    return about(bundle, own)


@router.post("/bundles/{bundle}/uploads", status_code=201)
def upload(office: In, bundle: str, files: Annotated[list[UploadFile], File()]) -> Uploaded:
    """Read tables of new accounts, as `python -m dataset_convert` takes them, for lists to use."""
    made = office.bundle(bundle).upload((x.filename or "", x.file.read()) for x in files)
    names = [one.name for one in made.influencers]
    return Uploaded(upload=made.id, brands=[*made.brands], influencers=names, notes=[*made.notes])


@router.post("/bundles/{bundle}/lists", status_code=201)
def ask(office: In, bundle: str, asked: Asked) -> Shortlist:
    """Make a list; it can be opened again by its id."""
    return shortlist(office.ask(bundle, asked))


@router.get("/lists/{name}")
def open_list(office: In, name: str) -> Shortlist:
    """A list that was asked for before, made by the bundle as it is now."""
    return shortlist(office.open(name))


@router.get("/lists/{name}/compare")
def compare(office: In, name: str, one: str, other: str) -> list[Candidate]:
    """Two candidates of a list."""
    opened = office.open(name)
    wanted = [opened.pick(influencer).id for influencer in (one, other)]
    found = {candidate.id: candidate for candidate in shortlist(opened).candidates}
    return [found[influencer] for influencer in wanted]


@router.get("/lists/{name}/decisions")
def decisions(office: In, name: str) -> list[Decided]:
    """The last decision of each person on each influencer for the list's brand, newest first."""
    return [Decided(**one) for one in office.decisions(office.open(name))]


@router.post("/lists/{name}/decisions", status_code=201)
def decide(office: In, name: str, said: Decision) -> Decision:
    """Decide on a candidate; it is kept when this is answered."""
    office.decide(name, said)
    return said


@router.get("/lists/{name}/decisions.csv", response_class=Response)
def decisions_file(office: In, name: str) -> Response:
    """Decisions as a table that `--include` and `--exclude` read."""
    opened = office.open(name)
    columns = ["influencer", "decision", "note", "who", "decided_at"]
    frame = pd.DataFrame(office.decisions(opened), columns=columns, dtype=str)
    frame = frame.rename(columns={"influencer": schema.INFLUENCER_ID})
    return download(_csv(frame.assign(brand_id=opened.view.found.brand.name)), name, "csv")


@router.get("/lists/{name}/file.{kind}", response_class=Response)
def file(office: In, name: str, kind: Kind) -> Response:
    """A list as CSV, workbook, JSON, or as one page to mail."""
    view = office.open(name).view
    if kind == "html":
        return download(render_shortlist(view).encode(), name, kind)
    frame = view.found.frame.copy()
    frame["why"] = [pick.why.sentence() for pick in view.picks]
    frame.insert(0, schema.BRAND_ID, view.found.brand.name)
    if kind == "json":
        return download(frame.to_json(orient="records", indent=1).encode(), name, kind)
    return download(_csv(frame) if kind == "csv" else workbook(frame), name, kind)


def shortlist(opened: Opened) -> Shortlist:
    """A list as JSON has it."""
    view = opened.view
    return Shortlist(
        id=opened.id,
        bundle=opened.bundle,
        remade=opened.remade,
        brand=view.found.brand.name,
        title=view.title,
        synthetic=view.about["synthetic"],
        n_candidates=view.found.n_candidates,
        notes=view.notes,
        left_out=view.left_out,
        candidates=_candidates(view),
    )


@lru_cache(maxsize=64)
def _candidates(view: ListView) -> list[Candidate]:
    """A list's candidates, put in words once."""
    return [
        Candidate(**plain, partner=pick.partner, why=view.why(pick))
        for plain, pick in zip(view.data["picks"], view.picks, strict=True)
    ]


def download(content: bytes, name: str, kind: str) -> Response:
    """A file to keep."""
    place = {"content-disposition": f'attachment; filename="shortlist-{name[:24]}.{kind}"'}
    return Response(content, media_type=TYPES[kind], headers=place)


def _csv(frame: pd.DataFrame) -> bytes:
    return guarded(frame).to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode()
