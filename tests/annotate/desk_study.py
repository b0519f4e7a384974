"""A small study with three coordinators, and what they do at their desk."""

from __future__ import annotations

from contextlib import contextmanager

from small_study import KEYS, client, filled, made_store, token

from psychocounsel.annotate.study import Answer

PASSWORD = "a long enough password"
PEOPLE = {"Olive": "owner", "Cora": "coordinator", "Obi": "observer"}


def coordinated_store(path, **options):
    made = made_store(path, raters=("R01", "R02", "R03"), **options)
    for name, role in PEOPLE.items():
        made.access.set_coordinator(name, PASSWORD, role)
    return made


def sign_in(who, name="Olive", password=PASSWORD):
    page = who.get("/coordinator/sign-in")
    return who.post("/coordinator/sign-in", data={"csrf_token": token(page), "name": name, "password": password})


@contextmanager
def desk(store, name="Olive"):
    with client(store) as who:
        assert sign_in(who, name).url.path == "/coordinator"
        yield who


def send(who, address, data=(), page="/coordinator", **options):
    """Send a form with the token of a page."""
    values = dict(data) | {"csrf_token": token(who.get(page))}
    return who.post(f"/coordinator{address}", data=values, **options)


def hidden(page, name):
    """What the first form of a page says besides, under a name; nothing where none does."""
    return next(iter(hiddens(page, name)), "")


def hiddens(page, name):
    """What each form of a page says besides, under a name."""
    return [part.partition('"')[0] for part in page.text.split(f'<input type="hidden" name="{name}" value="')[1:]]


def decision(page, kind="pairs", value=None, **more):
    """All that a coordinator would send of an item, from the page that shows it."""
    return filled(page, kind, value, **more) | {"decided": hidden(page, "decided")}


def rate(store, votes, item=2, **more):
    """Have raters answer the item at a place, overall and by every principle."""
    wanted = list(store.items)[item - 1]
    for number, each in store.assignments.items():
        if each.item == wanted and each.rater in votes:
            side = votes[each.rater]
            answer = Answer(verdict=side, verdicts=dict.fromkeys(KEYS, side), done=True, seconds=30.0, **more)
            store.save(number, answer, f"{number} {side}")


def done_by(store):
    return [(line["who"], line["what"], line["about"]) for line in store.audit()]
