"""The application: gate, API and pages around bundles and decisions."""

import sqlite3
from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from dataset_convert.common.errors import UsageError, no_memory
from dataset_convert.common.files import is_full
from recbole_mirec.app import api, pages
from recbole_mirec.app.desk import ChangedError, Served, UnknownError
from recbole_mirec.app.gate import Door, Gate
from recbole_mirec.app.store import Store

_DEFECT = "This is a defect of ours: the server's output says what happened. Nothing was changed."


def create_app(bundles: Mapping[str, Served], store: Store, door: Door) -> Gate:
    """The application for a server of ASGI.

    Args:
        bundles: by the names that they are asked for by; no others are served.
        store: keeps lists and decisions.
        door: whom it answers.
    """
    app = FastAPI(
        title="recbole_mirec",
        summary="Whom a brand should ask, and why: lists, reasons and decisions.",
        version="1",
        docs_url=None,  # FastAPI's own pages load scripts of other hosts
        redoc_url=None,
    )
    app.state.office, app.state.door = api.Office(bundles, store), door
    app.include_router(api.router)
    app.include_router(pages.router)
    for error in (UsageError, RequestValidationError, HTTPException, sqlite3.Error, Exception):
        app.add_exception_handler(error, _refused)
    return Gate(app, door, pages.refusal)


def _refused(request: Request, error: Exception) -> Response:
    """What is answered where an error was raised."""
    status, text = _told(error)
    bundle = error.args[1] if isinstance(error, ChangedError) else None
    return pages.refusal(request, status, text, bundle)


def _told(error: Exception) -> tuple[int, str]:
    """The status of an error, and what is said of it."""
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    if isinstance(error, RequestValidationError):
        return 422, pages.told(error.errors())
    if isinstance(error, UsageError):
        kinds = {ChangedError: 409, UnknownError: 404}
        return kinds.get(type(error), 422), str(error)
    if isinstance(error, sqlite3.Error):
        return 503, f"The decisions' file cannot be used: {error}. Nothing was kept; try again."
    if is_full(error) or no_memory(error):
        return 507, "There is no space or no memory left for this. Nothing was kept."
    return 500, _DEFECT
