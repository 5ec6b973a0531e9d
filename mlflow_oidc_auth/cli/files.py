"""Permissions as files: written, compared, applied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

import click

from mlflow_oidc_auth.cli.database import database_option, opened
from mlflow_oidc_auth.cli.naming import acting, default_option
from mlflow_oidc_auth.cli.output import printable
from mlflow_oidc_auth.errors import BadRequest
from mlflow_oidc_auth.vocabulary import Level

if TYPE_CHECKING:
    import sqlalchemy as sa

    from mlflow_oidc_auth.files.present import Present
    from mlflow_oidc_auth.files.values import Problem

_LARGEST_FILE = 64 * 1024 * 1024


@click.command()
@database_option
@click.option("--effective", is_flag=True, help="Instead: what everybody may do with everything, and what decides.")
@click.option("--format", "style", type=click.Choice(["yaml", "csv"]), default="yaml", show_default=True, help="How.")
@default_option
def export(uri: str, effective: bool, style: str, default: str) -> None:
    """Print teams, service accounts and grants, sorted, as 'apply' reads them. CSV has the grants alone.

    With --effective it is a report, one line or item for each person and each thing that they can see.
    """
    from mlflow_oidc_auth.files.writing import csv_text, yaml_text

    now = datetime.now(UTC)
    with opened(uri) as engine:
        if effective:
            for piece in _effective(engine, style, Level.parse(default), now):
                click.echo(piece, nl=False)
            return
        present = _present(engine)
        state = present.state(present.known(), now)
    for piece in csv_text(state) if style == "csv" else yaml_text(state):
        click.echo(piece, nl=False)


@click.command()
@click.argument("file", type=click.File("rb"))
@database_option
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.option("--prune", is_flag=True, help="Take away what the file lacks, in the parts that the file has.")
def apply(file: IO[bytes], uri: str, dry_run: bool, prune: bool) -> None:
    """Make the database say what a file says: all of it, or nothing. '-' reads standard input.

    Printed is what changes: '+' given or made, '~' changed, '-' taken away. What the file lacks stays, unless --prune.
    """
    from mlflow_oidc_auth.files.applying import Applier, FileWrong
    from mlflow_oidc_auth.files.rules import told

    text, now = _text(file), datetime.now(UTC)
    with opened(uri) as engine:
        applier = Applier(engine, _present(engine), acting(engine, None))
        try:
            done = applier.apply(text, now, prune=prune, dry_run=dry_run)
        except FileWrong as wrong:
            raise BadRequest(_problems(getattr(file, "name", "-"), wrong.problems)) from None
    for change in done.changes:
        click.echo(printable(told(change, done.called)))
    click.echo(_summary(len(done.changes), done.unspoken, dry_run=dry_run))


def _summary(count: int, unspoken: int, *, dry_run: bool) -> str:
    stays = f" {unspoken} more stand in the database alone; --prune takes them away." if unspoken else ""
    if not count:
        return f"Nothing to change.{stays}"
    return f"{count} change(s){', none made: this was a dry run' if dry_run else ' made'}.{stays}"


def _problems(name: str, problems: tuple[Problem, ...]) -> str:
    lines = [f"{name}:{problem.line}: {printable(problem.sentence)}" for problem in problems]
    return "\n".join([f"{len(problems)} thing(s) to mend in the file; nothing was changed.", *lines])


def _text(file: IO[bytes]) -> str:
    raw = file.read(_LARGEST_FILE + 1)
    if len(raw) > _LARGEST_FILE:
        raise BadRequest(f"The file is larger than {_LARGEST_FILE} bytes.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest("The file is not UTF-8 text.") from None


def _present(engine: sa.Engine) -> Present:
    from mlflow_oidc_auth.accounts.groups import GroupStore
    from mlflow_oidc_auth.accounts.users import UserStore
    from mlflow_oidc_auth.bridge.every import EveryResource
    from mlflow_oidc_auth.files.present import Present
    from mlflow_oidc_auth.grants.listing import GrantListing

    return Present(UserStore(engine), GroupStore(engine), GrantListing(engine), EveryResource(engine))


def _effective(engine: sa.Engine, style: str, default: Level, now: datetime) -> Iterator[str]:
    """Row by row: nothing is kept."""
    from mlflow_oidc_auth.bridge.every import EveryResource
    from mlflow_oidc_auth.files.effective import WORDS, effective
    from mlflow_oidc_auth.files.writing import csv_line, yaml_item
    from mlflow_oidc_auth.grants.rules import NOUNS

    if style == "csv":
        yield csv_line(["user", "kind", "id", "name", "level", "by"])
    for row in effective(engine, EveryResource(engine), default, now):
        kind, by = NOUNS[row.kind], WORDS[row.rung]
        if style == "csv":
            yield csv_line([row.username, kind, "" if row.id is None else str(row.id), row.name, row.level.name, by])
            continue
        id_ = {} if row.id is None else {"id": row.id}
        yield yaml_item(
            {"user": row.username, "kind": kind, **id_, "name": row.name, "level": row.level.name, "by": by}
        )
