"""Manage the users of a shared studio and their roles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from edgewright.cli.command import Aside, Result, argument, declare, option
from edgewright.cli.text import when

if TYPE_CHECKING:
    from edgewright.studio.authentication import Role

EXAMPLE = "add ada --role label --users users.json"


@declare(example="ada --role label --users users.json")
def add(
    *,
    name: str = argument(),
    role: str = option(type=click.Choice(["view", "label", "train", "release"]), default="view", help="Role."),
    users: Path = option(metavar="FILE", required=True, help="Users file, created with mode 600."),
) -> Result:
    """Add a user and print the token, which is not shown again.

    Role view reads all pages and predicts; label also records and labels data; train also starts, stops and exports
    runs and jobs, with the rights of the account that runs the studio; release also publishes to fleets.
    """
    from edgewright.studio.authentication import add_user

    token = add_user(users, name, cast("Role", role))
    value = {"name": name, "role": role, "token": token}
    return Result(value, [token, Aside(f"{name} has the role {role}. The file stores only a hash of the token.")])


@declare(example="ada --users users.json")
def remove(*, name: str = argument(), users: Path = option(metavar="FILE", required=True, help="Users file.")) -> str:
    """Remove a user. Tokens and open sessions of the user stop working immediately."""
    from edgewright.studio.authentication import remove_user

    remove_user(users, name)
    return f"{name} is removed"


@declare(example="--users users.json", name="list")
def show(*, users: Path = option(metavar="FILE", required=True, help="Users file.")) -> Result:
    """List users and their roles."""
    from edgewright.studio.authentication import read_users

    known = read_users(users).users
    value = [{"name": user.name, "role": user.role, "created": user.created} for user in known]

    def text() -> Iterator[str]:
        yield from (f"{user.name:<32} {user.role:<8} since {when(user.created)}" for user in known)
        if not known:
            yield "no users"

    return Result(value, text())
