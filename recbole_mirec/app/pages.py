"""What a browser sees: a form, lists to decide on, two side by side, honest messages."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from secrets import token_hex
from typing import Annotated, Any
from urllib.parse import quote, unquote

import pandas as pd
from fastapi import APIRouter, Cookie, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from markupsafe import Markup
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, shown
from recbole_mirec import plots
from recbole_mirec.app import api
from recbole_mirec.app.api import In
from recbole_mirec.app.desk import Asked, Decision, Name, Served
from recbole_mirec.app.gate import COOKIE, LOGIN, POLICY, Door
from recbole_mirec.recommend.page import DATE, SHARE, ListView, choices
from recbole_mirec.templates import render, script_digest, source

WHO = "who"
_MOST_BRANDS, _A_YEAR = 5000, 365 * 24 * 3600
router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Who = Annotated[str, Cookie(alias=WHO)]


def page(
    template: str, status: int = 200, *, scripts: Sequence[str] = (), **values: Any
) -> HTMLResponse:
    """A page on which nothing runs but some scripts of ours."""
    named = " ".join(f"'sha256-{script_digest(one)}'" for one in scripts)
    allowed = f"script-src {named}; connect-src 'self'" if scripts else "script-src 'none'"
    style = source("shortlist.css") + source("app.css")
    text = render(template, allowed=allowed, scripts=scripts, style=style, **values)
    policy = f"{POLICY}; style-src 'unsafe-inline'; {allowed}"
    return HTMLResponse(text, status, {"content-security-policy": policy})


def refusal(request: Request, status: int, text: str, bundle: str | None = None) -> Response:
    """Why something was refused: to programs as JSON, to people as a page.

    Args:
        request: what was asked.
        status: of HTTP.
        text: why, and what to do.
        bundle: one that has changed, and can be loaded again.
    """
    if request.url.path.startswith(("/api/", "/openapi")):
        return JSONResponse({"detail": text}, status)
    return page("app_message.html.j2", status, text=text, bundle=bundle)


@router.get("/")
def start(office: In, bundle: str | None = None, who: Who = "") -> Response:
    """The form that asks for a list."""
    name = bundle or next(iter(office.bundles))
    own = office.bundle(name)
    recommender = own.recommender
    return page(
        "app_start.html.j2",
        bundles=[*office.bundles],
        name=name,
        about=api.about(name, own),
        brands=recommender.brands[:_MOST_BRANDS],
        facts=_facts(own),
        lists=office.store.newest_lists(),
        who=unquote(who),
    )


def _facts(own: Served) -> dict[str, Any]:
    """What can be filtered by: fact -> `date`, `number`, or its texts where they are few."""
    bundle = own.recommender.bundle
    known = bundle.sides[schema.INFLUENCER].known
    found: dict[str, Any] = {}
    for name in bundle.facts():
        if pd.api.types.is_numeric_dtype(known[name]):
            found[name] = "date" if name == DATE else "number"
        elif texts := choices(known[name]):
            found[name] = texts
    return found


@router.post("/lists")
async def ask(office: In, request: Request) -> Response:
    """Make a list of what the form says, and go to it."""
    async with request.form(max_files=50, max_fields=500) as form:
        return await run_in_threadpool(_ask, office, form)


def _ask(office: In, form: FormData) -> Response:
    name, files = str(form.get("bundle", "")), form.getlist("files")
    given = [(x.filename, x.file.read()) for x in files if isinstance(x, UploadFile) and x.filename]
    upload = office.bundle(name).upload(given).id if given else None
    opened = office.ask(name, asked_by(form, upload))
    return _named(RedirectResponse(f"/lists/{opened.id}", 303), str(form.get(WHO, "")))


def asked_by(form: FormData, upload: str | None = None) -> Asked:
    """What a filled form asks for.

    Raises:
        UsageError: it cannot be asked.
    """
    words = {key: str(form.get(key, "")).strip() for key in ("brand", "brief", "top", "diversity")}
    lists = {key: _split(form, key) for key in ("include", "exclude", "competitors")}
    given = {key: value for key, value in {**words, **lists}.items() if value}
    switches = {key: key in form for key in ("with_partners", "name_others")}
    where = [*_split(form, "where", ""), *_conditions(form)]
    how = {"where": where, "language": form.get("language", "en"), "upload": upload}
    try:
        return Asked.model_validate({**given, **switches, **how})
    except ValidationError as error:
        raise UsageError(told(error.errors())) from None


def _split(form: FormData, key: str, signs: str = ",;") -> tuple[str, ...]:
    """What stands in a field, one a line or between signs."""
    text = str(form.get(key, ""))
    for sign in signs:
        text = text.replace(sign, "\n")
    return tuple(word.strip() for word in text.splitlines() if word.strip())


def _conditions(form: FormData) -> Iterable[str]:
    """The conditions that fields `from.FACT`, `to.FACT` and `is.FACT` say."""
    for field in dict.fromkeys(form):
        kind, _, fact = field.partition(".")
        values = [str(value).strip() for value in form.getlist(field) if str(value).strip()]
        if kind in ("from", "to") and values:
            yield f"{fact}{'>=' if kind == 'from' else '<='}{_number(fact, values[0])}"
        elif kind == "is" and values:
            yield f"{fact}={','.join(values)}"


def _number(fact: str, text: str) -> str:
    """A number as bundles have it: days in seconds, shares from 0 to 1."""
    try:
        if fact == DATE:
            return f"{datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp():.0f}"
        number = float(text) / (100 if fact == SHARE else 1)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"Filter {fact} needs a number. Received: {shown(text)}.")
    return f"{number:.10g}"


def told(errors: Iterable[Mapping[str, Any]]) -> str:
    """What pydantic found wrong, in a line, without what was received: it may be anything."""
    places = [(".".join(map(str, one["loc"])), one["msg"]) for one in errors]
    return "; ".join(f"{place}: {words}" for place, words in places[:10])


@router.get("/lists/{name}")
def shortlist(office: In, name: str, who: Who = "") -> Response:
    """A list to decide on."""
    opened, person = office.open(name), unquote(who)
    decided = office.decisions(opened)
    own = [(x["influencer"], x) for x in decided if x["who"] == person]
    before, after = _body(opened.view)
    return page(
        "app_list.html.j2",
        scripts=(source("shortlist.js"), source("app.js")),
        before=before,
        after=after,
        opened=opened,
        view=opened.view,
        decided=decided,
        own=own,
        who=person,
    )


@lru_cache(maxsize=64)
def _body(view: ListView) -> tuple[Markup, Markup]:
    """What of a list is the same for everybody, before decisions and after them."""
    middle = token_hex(16)
    text = render("app_cards.html.j2", view=view, plots=plots, middle=middle)
    before, _, after = map(Markup, text.rpartition(middle))
    return before, after


@router.get("/lists/{name}/compare")
def compare(office: In, name: str, one: str, other: str) -> Response:
    """Two candidates side by side."""
    opened = office.open(name)
    picks = [opened.pick(influencer) for influencer in (one, other)]
    return page("app_compare.html.j2", opened=opened, view=opened.view, picks=picks)


@router.post("/lists/{name}/decisions")
def decide(
    office: In,
    name: str,
    influencer: Annotated[str, Form()],
    decision: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
    who: Who = "",
) -> Response:
    """Decide without a script."""
    values = {"influencer": influencer, "decision": decision, "note": note, "who": unquote(who)}
    try:
        said = Decision.model_validate(values)
    except ValidationError as error:
        raise UsageError(told(error.errors())) from None
    office.decide(name, said)
    return RedirectResponse(f"/lists/{name}#team", 303)


@router.post("/lists/{name}/who")
def name_person(name: str, who: Annotated[Name, Form()] = "") -> Response:
    """Say who decides from now on in this browser."""
    return _named(RedirectResponse(f"/lists/{quote(name)}", 303), who)


def _named(answer: Response, who: str) -> Response:
    who = quote(who.strip()[:80])
    answer.set_cookie(WHO, who, max_age=_A_YEAR, httponly=True, samesite="strict")
    return answer


@router.post("/bundles/{name}/reload")
def reload(office: In, name: str) -> Response:
    """Load a bundle as it is now."""
    office.bundle(name).reload()
    return RedirectResponse(f"/?bundle={quote(name)}", 303)


@router.get(LOGIN)
def login_form() -> Response:
    """The form that takes the token."""
    return page("app_login.html.j2", wrong=False)


@router.post(LOGIN)
def login(request: Request, token: Annotated[str, Form()] = "") -> Response:
    """Take the token, and let the browser in."""
    door: Door = request.app.state.door
    if not door.opens_for(token.strip()):
        return page("app_login.html.j2", 401, wrong=True)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, door.cookie, httponly=True, samesite="strict")
    return answer


@router.get("/api")
def operations(request: Request) -> Response:
    """The API's operations, of its OpenAPI description."""
    return page("app_api.html.j2", description=request.app.openapi())


@router.get("/favicon.ico")
def icon() -> Response:
    """None, so that browsers need not complain."""
    return Response(status_code=204)
