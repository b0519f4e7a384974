"""`psychocounsel annotate`: therapist studies, from a design to a table of agreement."""

from __future__ import annotations

import ipaddress
import json
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from psychocounsel.cli import annotate_design, annotate_exchange, annotate_results
from psychocounsel.cli.options import JsonFlag
from psychocounsel.cli.stopped import Stopped
from psychocounsel.errors import InputError, MissingExtraError, ResourceError

app = typer.Typer(
    no_args_is_help=True,
    help="Studies with therapists: design one, serve it, and measure how far people agree.",
)
Study = Annotated[
    str, typer.Argument(metavar="STUDY", help="A file such as study.sqlite, or postgresql://USER@HOST/DATABASE.")
]
Host = Annotated[str, typer.Option(help="Address to listen on; 127.0.0.1 is this machine alone.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
app.command("design")(annotate_design.design)
app.command("power")(annotate_design.power)


@app.command()
def invite(
    study: Study,
    rater: Annotated[
        list[str] | None, typer.Option("--rater", metavar="CODE", help="By default whoever has no link that is good.")
    ] = None,
    base: Annotated[str, typer.Option("--url", help="Where the study is served.")] = "http://127.0.0.1:8000",
    days: Annotated[float, typer.Option(min=0.01, help="How long a link is good.")] = 60,
    renew: Annotated[bool, typer.Option("--renew", help="Also for those whose link is good: it then ends.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print a new personal link for each rater who has none that is good. It is shown once and not kept.

    Raters whom --rater names get a new one in any case; the one before is no longer good. Who has withdrawn gets none.
    """
    from psychocounsel.annotate.store import Store
    from psychocounsel.annotate.store.access import now

    with Store.open(study) as store:
        codes, good, withdrawn = list(rater or ()), 0, store.withdrawn()
        if not codes:
            moment, replaced = now(), store.replaced()
            for each in store.access.raters():
                if each.code in withdrawn or (each.code in replaced and not each.welcome(moment)):
                    continue  # what they say counts nowhere, or another has their items
                if renew or not each.welcome(moment):
                    codes.append(each.code)
                else:
                    good += 1
        for code in codes:
            link = f"{base.rstrip('/')}/r/{store.access.invite(code, days=days)}"
            store.note("command line", "invited", code)
            print(json.dumps({"event": "invited", "rater": code, "link": link}) if as_json else f"{code}  {link}")
    # Not among the links, which a script reads.
    if good:
        print(f"Left alone, as their link is good: {_raters(good)}. --renew makes new ones too.", file=sys.stderr)
    if withdrawn and not rater:
        print(f"Withdrawn, and not invited: {_raters(len(withdrawn))}.", file=sys.stderr)


def _raters(n: int) -> str:
    return f"{n} rater{'' if n == 1 else 's'}"


@app.command()
def revoke(study: Study, rater: Annotated[str, typer.Argument(metavar="CODE")]) -> None:
    """Take a rater's link back, at once."""
    from psychocounsel.annotate.store import Store

    with Store.open(study) as store:
        store.access.revoke(rater)
        store.note("command line", "revoked", rater)
    print(f"{rater}: the link and every session that it began are no longer good.")


@app.command()
def replace(
    study: Study,
    rater: Annotated[str, typer.Argument(metavar="CODE")],
    force: Annotated[
        bool, typer.Option("--force", help="Even where the rater may still answer, or was replaced before.")
    ] = False,
) -> None:
    """Add a rater who gets the same items in the same order, for one who dropped out. What that one said stays."""
    from psychocounsel.annotate.store import Store

    with Store.open(study) as store:
        new = store.replace(rater, "command line", force)
    print(f"{new} has the items of {rater}. A link: psychocounsel annotate invite {study} --rater {new}")


@app.command()
def coordinator(
    study: Study,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    role: Annotated[str, typer.Option(help="owner, coordinator or observer.")] = "owner",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input, for scripts.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Shut this coordinator out; their decisions stand.")] = False,
) -> None:
    """Add a coordinator, or set their password and role anew. The password is asked for, and not shown."""
    from psychocounsel.annotate.store import Store

    with Store.open(study) as store:
        if remove:
            store.access.remove_coordinator(name)
            store.note("command line", "removed a coordinator", name)
            print(f"{name} comes in no more: every session of theirs has ended.")
            return
        asked = sys.stdin.readline() if password_stdin else typer.prompt("Password", hide_input=True)
        password = asked.rstrip("\n")
        if not password_stdin and typer.prompt("Once more", hide_input=True) != password:
            raise typer.BadParameter("the two passwords differ; nothing was changed.")
        store.access.set_coordinator(name, password, role)  # type: ignore[arg-type]
        store.note("command line", f"set a coordinator as {role}", name.strip())
    print(f"{name} signs in at /coordinator of the served study.")


@app.command()
def serve(
    study: Study,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    https: Annotated[
        bool, typer.Option("--https", help="A proxy before it speaks TLS: cookies go over nothing else.")
    ] = False,
    url: Annotated[
        str, typer.Option("--url", help="Where raters find it, such as https://study.example.org: links begin so.")
    ] = "",
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--proxy",
            metavar="ADDRESS",
            help="Address or network of a proxy that is not on this machine, to believe who it says asks. Repeatable.",
        ),
    ] = None,
) -> None:
    """Serve a study's pages until Ctrl-C. Anywhere but on this machine, put a TLS proxy before it and say --https."""
    from psychocounsel.annotate.store import Store

    base, proxies = _checked_url(url, https), _checked_proxies(proxy or [], https)
    with Store.open(study) as store:
        if not store.access.coordinators():
            print(f"No coordinator can sign in yet: psychocounsel annotate coordinator {study} NAME", file=sys.stderr)
        if host not in ("127.0.0.1", "localhost", "::1") and not https:
            print("Without TLS anybody between can read what raters see and say.", file=sys.stderr)
        shown = base or f"http://{host}:{port}"
        print(f"{shown}/  raters by their links; {shown}/coordinator  Ctrl-C stops it.")
        run_server(store, host, port, https, base, proxies)


def _checked_url(url: str, https: bool) -> str:
    """Return where a study is found, without a slash at its end. Raises InputError where no link could begin so."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known or "@" in url or "?" in url or "#" in url or any(c.isspace() or not c.isprintable() for c in url):
        raise InputError("--url is http:// or https:// and a host, such as https://study.example.org.")
    if parts.path not in ("", "/"):
        raise InputError("--url has no path: a study's pages need a host, or a port, of their own.")
    if https and parts.scheme == "http":
        raise InputError("--https has cookies go over TLS alone, so --url begins with https://.")
    return f"{parts.scheme}://{parts.netloc}"


def _checked_proxies(proxies: list[str], https: bool) -> list[str]:
    """Return whose word is believed on where a request comes from. Raises InputError for what is no address."""
    if proxies and not https:
        raise InputError("--proxy goes with --https: without it nobody's word is believed.")
    for each in proxies:
        try:
            ipaddress.ip_network(each)
        except ValueError:
            raise InputError(f"--proxy {each[:60]!r} is no address such as 10.0.0.5, and no network of them.") from None
    return proxies


def run_server(
    store: object, host: str, port: int, https: bool = False, url: str = "", proxies: list[str] | None = None
) -> None:
    """Serve until somebody stops it. Raises ResourceError where the port is taken."""
    try:
        import uvicorn

        from psychocounsel.annotate.web import make_app
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"`annotate serve` needs {error.name}, which is not installed: pip install 'psychocounsel[annotate]'"
        ) from None
    # No access log: it would hold the raters' links.
    config = uvicorn.Config(
        make_app(store, https=https, url=url),  # type: ignore[arg-type]
        host=host, port=port, log_level="warning", access_log=False, proxy_headers=https, server_header=False,
        forwarded_allow_ips=proxies or None,  # None is this machine
    )  # fmt: skip
    try:
        uvicorn.Server(config).run()
    except SystemExit:
        raise ResourceError(f"{host}:{port} cannot be listened on. Name another with --port.") from None
    except Stopped as stopped:
        stopped.kept = "What was saved is kept; serve the study again to go on."
        raise


@app.command()
def demo(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run, such as runs/quickstart.")] = Path(
        "runs/quickstart"
    ),
    study: Annotated[
        Path | None, typer.Option(help="Where to make the study; by default RUN/annotate/demo.sqlite, made anew.")
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    serve_it: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve it, or only make it.")] = True,
) -> None:
    """Make a study of a run's pairs with ten simulated raters, print its agreement, and serve it.

    The raters are rules of this package and no people: every figure of the study says so.
    """
    from psychocounsel.annotate.demo import make_demo
    from psychocounsel.annotate.store import Store

    where = study or run / "annotate" / "demo.sqlite"
    made = make_demo(run, where)
    annotate_results.agree(str(where))
    with Store.open(where) as store:
        base = f"http://{host}:{port}"
        print(f"\nStudy: {where}, with simulated raters")
        print(f"A rater's link: {base}/r/{made.token}")
        print(f"Coordinator: {base}/coordinator, as {made.coordinator} with the password {made.password}")
        if serve_it:
            print("Serving until Ctrl-C.", flush=True)
            run_server(store, host, port)


annotate_results.add_to(app)
app.command("export")(annotate_exchange.export)
app.command("import")(annotate_exchange.import_)
app.command("form")(annotate_exchange.form)
