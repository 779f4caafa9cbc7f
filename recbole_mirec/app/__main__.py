"""`python -m recbole_mirec.app`: serves bundles to browsers and programs."""

import os
import secrets
import socket
import sys
from pathlib import Path

from dataset_convert.common.commands import DONE, CommandParser, run_command
from dataset_convert.common.errors import UsageError

EXAMPLES = """\
examples
  python -m recbole_mirec.app shop_bundle
  python -m recbole_mirec.app shop_bundle saved/MIRec-... --decisions team.sqlite
  python -m recbole_mirec.app shop_bundle --host 0.0.0.0 --token-file token.txt"""
_LEAST_TOKEN, _BACKLOG = 16, 256


def _parser() -> CommandParser:
    parser = CommandParser(
        "python -m recbole_mirec.app",
        description="Lists, reasons and decisions in a browser and as a JSON API.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "bundles", nargs="+", type=Path, metavar="BUNDLE", help="folders of bundles, or of runs"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="who may ask: this computer alone (default), or with a token all that reach a host",
    )
    parser.add_argument("--port", type=int, default=8000, help="default: 8000")
    parser.add_argument(
        "--name", nargs="+", default=[], metavar="HOST", help="further names it is asked by"
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="its first line (default: drawn, printed)"
    )
    parser.add_argument(
        "--decisions",
        type=Path,
        default=Path("decisions.sqlite"),
        metavar="FILE",
        help="where lists and decisions are kept (default: decisions.sqlite)",
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="of pseudonyms, to ask by name")
    return parser


def _token(path: Path | None, *, is_needed: bool) -> str | None:
    if path is None:
        return secrets.token_urlsafe(32) if is_needed else None
    token = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    if len(token) < _LEAST_TOKEN:
        raise UsageError(f"'{path}': a token needs {_LEAST_TOKEN} characters or more in line 1.")
    return token


def _bound(host: str, port: int) -> socket.socket:
    """A socket that nobody else listens on.

    Raises:
        UsageError: there is none.
    """
    found = None
    try:
        if not 0 <= port < 2**16:  # which the system would take for another
            raise OverflowError("no port has this number")
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name != "nt")
        found.bind(address)
        found.listen(_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        if found is not None:
            found.close()
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"Cannot listen on port {port} of {host}: {reason}. Name another by --port or --host."
        ) from None
    return found


def _run() -> int:
    options = _parser().parse_args()
    try:
        import uvicorn

        from recbole_mirec.app.server import create_app
    except ImportError as error:
        raise UsageError(f"The app needs {error.name}: pip install 'recbole-mirec[app]'.") from None
    from recbole_mirec.app.desk import served
    from recbole_mirec.app.gate import Door, is_loopback
    from recbole_mirec.app.store import Store

    token = _token(options.token_file, is_needed=not is_loopback(options.host))
    with _bound(options.host, options.port) as listening:
        names = {"127.0.0.1", "::1", "localhost", options.host, *options.name}
        if not is_loopback(options.host):
            names |= {socket.gethostname(), socket.getfqdn()}
        port = listening.getsockname()[1]
        door = Door(frozenset(map(str.casefold, names)), port, token)
        bundles, store = served(options.bundles, options.key), Store(options.decisions)
        shown = f"[{options.host}]" if ":" in options.host else options.host
        print(
            f"Serving {', '.join(bundles)} at http://{shown}:{port}/; decisions are kept in "
            f"'{options.decisions}'. Ctrl+C ends."
        )
        if token is not None and options.token_file is None:
            print(f"Token, drawn for this time: {token}")
        sys.stdout.flush()
        config = uvicorn.Config(
            create_app(bundles, store, door), access_log=False, server_header=False, log_config=None
        )
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            store.close()
    return DONE


def main() -> int:
    """Run the command; returns its exit code."""
    return run_command(_run)


if __name__ == "__main__":
    sys.exit(main())
