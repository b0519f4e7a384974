"""`psychocounsel annotate`: therapist studies, from a design to a table of agreement."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from psychocounsel.cli import annotate_design, annotate_exchange, annotate_results
from psychocounsel.cli.options import JsonFlag
from psychocounsel.errors import MissingExtraError, ResourceError

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
    rater: Annotated[list[str] | None, typer.Option("--rater", metavar="CODE", help="By default all.")] = None,
    base: Annotated[str, typer.Option("--url", help="Where the study is served.")] = "http://127.0.0.1:8000",
    days: Annotated[float, typer.Option(min=0.01, help="How long a link is good.")] = 60,
    as_json: JsonFlag = False,
) -> None:
    """Print a new personal link for each rater. It is shown once and not kept; the one before is no longer good."""
    from psychocounsel.annotate.store import Store

    with Store.open(study) as store:
        for code in rater or [each.code for each in store.access.raters()]:
            link = f"{base.rstrip('/')}/r/{store.access.invite(code, days=days)}"
            store.note("command line", "invited", code)
            print(json.dumps({"event": "invited", "rater": code, "link": link}) if as_json else f"{code}  {link}")


@app.command()
def revoke(study: Study, rater: Annotated[str, typer.Argument(metavar="CODE")]) -> None:
    """Take a rater's link back, at once."""
    from psychocounsel.annotate.store import Store

    with Store.open(study) as store:
        store.access.revoke(rater)
        store.note("command line", "revoked", rater)
    print(f"{rater}: the link and every session that it began are no longer good.")


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
            store.note("command line", "removed a coordinator")
            print(f"{name} comes in no more: every session of theirs has ended.")
            return
        asked = sys.stdin.readline() if password_stdin else typer.prompt("Password", hide_input=True)
        password = asked.rstrip("\n")
        if not password_stdin and typer.prompt("Once more", hide_input=True) != password:
            raise typer.BadParameter("the two passwords differ; nothing was changed.")
        store.access.set_coordinator(name, password, role)  # type: ignore[arg-type]
        store.note("command line", f"set a coordinator as {role}")
    print(f"{name} signs in at /coordinator of the served study.")


@app.command()
def serve(
    study: Study,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    https: Annotated[
        bool, typer.Option("--https", help="A proxy before it speaks TLS: cookies go over nothing else.")
    ] = False,
) -> None:
    """Serve a study's pages until Ctrl-C. Anywhere but on this machine, put a TLS proxy before it and say --https."""
    from psychocounsel.annotate.store import Store

    with Store.open(study) as store:
        if not store.access.coordinators():
            print(f"No coordinator can sign in yet: psychocounsel annotate coordinator {study} NAME", file=sys.stderr)
        if host not in ("127.0.0.1", "localhost", "::1") and not https:
            print("Without TLS anybody between can read what raters see and say.", file=sys.stderr)
        print(f"http://{host}:{port}/  raters by their links; http://{host}:{port}/coordinator  Ctrl-C stops it.")
        run_server(store, host, port, https)


def run_server(store: object, host: str, port: int, https: bool = False) -> None:
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
        make_app(store, https=https),  # type: ignore[arg-type]
        host=host, port=port, log_level="warning", access_log=False, proxy_headers=https, server_header=False,
    )  # fmt: skip
    try:
        uvicorn.Server(config).run()
    except SystemExit:
        raise ResourceError(f"{host}:{port} cannot be listened on. Name another with --port.") from None


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
