"""The reference of all settings: `docs/settings.md` is what this gives, and a test compares."""

from __future__ import annotations

from pydantic.fields import FieldInfo

from mlflow_oidc_auth.settings.table import TABLE
from mlflow_oidc_auth.settings.upstream import UPSTREAM
from mlflow_oidc_auth.vocabulary import Level

_PAGE = """# Settings

Settings are environment variables. Each can also be read from a file: `NAME_FILE` names one that holds the
value (a newline at its end is left out). Setting both is refused, and an empty variable counts as not set.
Lists are separated by commas. Booleans are `true` or `false` (or `1`, `yes`, `on`; `0`, `no`, `off`).

A setting that is missing, unknown or wrong stops the start; `mlflow-oidc-auth check` says the same without
starting anything. This page is what `mlflow-oidc-auth settings` prints.

| Name | Default | Meaning | Example |
|---|---|---|---|
{settings}

## Settings of the upstream plugin

Many settings keep the names they have there. These are not served: refused ones stop the start, unless they
have one of the accepted values; ignored ones get a line in the log.

| Name | At start | Why, and what to do | Accepted values |
|---|---|---|---|
{upstream}
"""


def settings_page() -> str:
    """The reference, in Markdown."""
    ours = [
        f"| `{name}` | {_default(row.field)} | {row.setting.meaning} | `{row.setting.example}` |"
        for name, row in TABLE.items()
    ]
    theirs = [
        f"| `{setting.name}` | {'refused' if setting.refused else 'ignored'} | {_capital(setting.why)}. "
        f"| {', '.join(f'`{value}`' for value in sorted(setting.unless))} |"
        for setting in UPSTREAM
    ]
    return _PAGE.format(settings="\n".join(ours), upstream="\n".join(theirs))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    match field.default:
        case None | ():
            return ""
        case bool(flag):
            return f"`{str(flag).lower()}`"
        case Level() as level:
            return f"`{level.name}`"
        case float(number):
            return f"`{number:g}`"
        case other:
            return f"`{other}`"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
