"""What there is beside servers, from cloud.json, and who asks."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from serverfsm import FIRST, LATEST, Actor, Microversion

CLOUD: dict[str, Any] = json.loads((Path(__file__).parent / "cloud.json").read_text())
FLAVORS = {each["id"]: each for each in CLOUD["pages"]["v2.1/flavors"]["flavors"]}
IMAGES = {each["id"] for each in CLOUD["pages"]["image/v2/images"]["images"]}


class Asking(NamedTuple):
    """Who asks, the request's id, its microversion, and the URL at which the service is asked."""

    user: str
    project: str
    role: Actor
    request: str = ""
    microversion: Microversion = LATEST
    base: str = ""

    def towards(self, project: str) -> Actor:
        """Return what the caller is to a server of this project."""
        at_home = project == self.project or self.role is Actor.ADMIN
        return self.role if at_home else Actor.STRANGER

    def is_blind_to(self, project: str) -> bool:
        """Whether there is no such server: a stranger is a member at home, and a reader is less."""
        return self.towards(project) is Actor.STRANGER and self.role.rank < Actor.MEMBER.rank


USERS = {
    name: Asking(name, CLOUD["projects"][user["project"]], Actor(user["role"]))
    for name, user in CLOUD["users"].items()
}
TOKENS = {sha256(f"the token of {name}".encode()).hexdigest(): who for name, who in USERS.items()}


def caller(token: str, *, noauth: bool) -> Asking | None:
    """Return who sent this token; None if nobody did.

    With `noauth` it may be "user:project", as Nova's noauth2 has it: a user of cloud.json has the
    role that stands there, and anybody else is a member.
    """
    if token in TOKENS or not noauth or not token:
        return TOKENS.get(token)
    user, _, project = token.partition(":")
    role = USERS[user].role if user in USERS else Actor.MEMBER
    return Asking(user, CLOUD["projects"].get(project, project or user), role)


def log_in(body: bytes) -> tuple[str, Asking] | None:
    """Return the token for the body of POST /v3/auth/tokens; None: there is no such user."""
    try:
        auth = json.loads(body)["auth"]
        project, user = auth["scope"]["project"], auth["identity"]["password"]["user"]
        who = USERS[user.get("name", user.get("id"))]
        known = (CLOUD["projects"].get(project.get("name")), project.get("id"))
        is_right = user["password"] == CLOUD["password"] and who.project in known
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return None
    return next(((token, who) for token, each in TOKENS.items() if is_right and each is who), None)


def filled(part: str, **words: str) -> Any:
    """Return a part of cloud.json with these words in the place of their names in braces."""
    text = json.dumps(CLOUD[part])
    for name, word in {"first": FIRST, "latest": LATEST, **words}.items():
        text = text.replace(f"{{{name}}}", json.dumps(word)[1:-1])
    return json.loads(text)
