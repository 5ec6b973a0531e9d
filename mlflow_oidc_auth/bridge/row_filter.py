"""A permission is a WHERE clause: rows that may not be read are not selected.

What it does: `do_orm_execute` adds one criterion for each of MLflow's mapped classes to every ORM
statement that runs under a :class:`~mlflow_oidc_auth.context.Filtered` view; without any view no row
is selected. Searches, page tokens, counts, by-name look-ups and GraphQL are right by construction.

What it must never do: read who is asking when a criterion is built. Criteria are built once per process
and shape; the identity is read when the statement runs, through bind parameters.

The tripwire (`bridge/tripwire.py`): a statement that reads a resource table without its criterion, or
writes to one, is stopped. What no criterion reaches (a joined eager load, a refresh of one row) ends there too:
nothing that MLflow reads under a filter does that.

How it stays fast: a person's grants are read once per request and named literally (`Sight`); only a
person with more than a thousand gets the correlated expression that the gate uses.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, orm
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm.util import LoaderCriteriaOption
from sqlalchemy.sql import visitors

from mlflow_oidc_auth import context
from mlflow_oidc_auth.bridge.resources import OWNERS, OfName, experiments, mapped, visible_row
from mlflow_oidc_auth.bridge.tripwire import OURS, mark, stop_unmarked
from mlflow_oidc_auth.database.engine import switch_jit_off
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE, Instant
from mlflow_oidc_auth.permissions.resolver import READABLE, Asking, Resolver, Sight, code
from mlflow_oidc_auth.vocabulary import Kind

MANY_PATTERNS = 16
"""More patterns than this are left to the correlated expression."""

_NAMED = frozenset(table for table, owner in OWNERS.items() if isinstance(owner, OfName))

_NOTHING = Sight(frozenset(), frozenset(), (), default=False)

_NEVER = (0, "-", False)  # the first no characters of a name are no hyphen


@dataclass(frozen=True, slots=True)
class Shape:
    """The SQL form of one kind's criterion: `patterns` prefix tests, or the correlated expression."""

    patterns: int = 0
    default: bool = False
    correlated: bool = False


class RowFilter:
    """The row filter of one process.

    Args:
        resolver: reads what a person may see.
        now: the clock.
    """

    def __init__(self, resolver: Resolver, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._resolver = resolver
        self._now = now
        self._classes = mapped()
        self._option = functools.cache(self._build_option)

    def attach(self) -> None:
        """Listen to every session and engine of this process. Only `create_app` calls this."""
        event.listen(orm.Session, "do_orm_execute", self._on_orm_execute)
        event.listen(sa.Engine, "before_cursor_execute", self._on_cursor)
        event.listen(sa.Engine, "connect", _prepare_connection)

    def detach(self) -> None:
        """Undo :meth:`attach`."""
        event.remove(orm.Session, "do_orm_execute", self._on_orm_execute)
        event.remove(sa.Engine, "before_cursor_execute", self._on_cursor)
        event.remove(sa.Engine, "connect", _prepare_connection)

    # --- adding the criteria ---------------------------------------------------------------------

    def _on_orm_execute(self, state: orm.ORMExecuteState) -> None:
        if not state.is_select or state.is_column_load or not _is_filtered(context.view()):
            return
        statement = state.statement
        # A load of related rows may carry the first statement's criteria already; twice they would fool the tripwire.
        present = {id(option) for option in statement._with_options}
        wanted = (self._option(name, self._shape(_kind_of(name))) for name in sorted(tables_of(statement)))
        state.statement = statement.options(*(option for option in wanted if id(option) not in present))

    def _shape(self, kind: Kind) -> Shape:
        sight = self.sight(kind)
        if sight is None or len(sight.patterns) > MANY_PATTERNS:
            return Shape(correlated=True)
        return Shape(_rounded_up(len(sight.patterns)), sight.default)

    def sight(self, kind: Kind) -> Sight | None:
        """What the present view shows of a kind, read once per request; `None` if it is too much to name."""
        view = context.view()
        if not isinstance(view, context.Filtered):
            return _NOTHING
        if kind not in view.memory:
            view.memory[kind] = self._resolver.sight(view.identity, kind, self._now())
        found: Sight | None = view.memory[kind]
        return found

    # --- building them, once per shape -----------------------------------------------------------

    def _build_option(self, table: str, shape: Shape) -> LoaderCriteriaOption:
        cls = self._classes[table]
        row_visible = visible_row(
            _Columns(cls),
            OWNERS[table],
            functools.partial(self._experiment_visible, shape),
            functools.partial(self._name_visible, shape),
        )
        return orm.with_loader_criteria(
            cls, sa.and_(mark(table), row_visible), include_aliases=True, propagate_to_loaders=False
        )

    def _experiment_visible(self, shape: Shape, experiment_id: Any, name: Any = None, /) -> sa.ColumnElement[bool]:
        """By its id where that is enough; patterns and the correlated form also need the name."""
        if not shape.correlated and not shape.patterns:
            return self._literal(Kind.EXPERIMENT, shape, experiment_id, None)
        if name is not None:
            return self._experiment_by_name(shape, experiment_id, name)
        row = experiments.alias("vis_experiments")
        test = self._experiment_by_name(shape, row.c.experiment_id, row.c.name)
        return sa.exists().where(row.c.experiment_id == experiment_id, test).correlate_except(row)

    def _experiment_by_name(self, shape: Shape, experiment_id: Any, name: Any) -> sa.ColumnElement[bool]:
        if shape.correlated:
            return sa.and_(code(Kind.EXPERIMENT, experiment_id, name, self._asking()) >= READABLE)
        return self._literal(Kind.EXPERIMENT, shape, experiment_id, name)

    def _name_visible(
        self, shape: Shape, workspace: sa.ColumnElement[Any], name: sa.ColumnElement[Any]
    ) -> sa.ColumnElement[bool]:
        if shape.correlated:
            return sa.and_(code(Kind.REGISTERED_MODEL, name, name, self._asking(), workspace) >= READABLE)
        return sa.and_(workspace == DEFAULT_WORKSPACE, self._literal(Kind.REGISTERED_MODEL, shape, name, name))

    def _literal(self, kind: Kind, shape: Shape, key: Any, name: Any) -> sa.ColumnElement[bool]:
        """`Sight.shows`, as SQL over values that are read when the statement runs."""
        shown = self._one_of(kind, "shown", lambda sight: sight.shown, key)
        if not shape.patterns and not shape.default:
            return shown
        hidden = self._one_of(kind, "hidden", lambda sight: sight.hidden, key)
        default = sa.and_(sa.true(), key != 0) if shape.default and not kind.named else _constant(shape.default)
        if not shape.patterns:
            return sa.or_(shown, sa.and_(sa.not_(hidden), default))
        tests = [self._pattern_test(kind, place, name) for place in range(shape.patterns)]
        return sa.or_(shown, sa.and_(sa.not_(hidden), sa.case(*tests, else_=default)))

    def _one_of(
        self, kind: Kind, what: str, read: Callable[[Sight], frozenset[int | str]], key: Any
    ) -> sa.ColumnElement[bool]:
        """Whether the key is in a set, handed over as one value: 990 parameters took five times as long."""
        if self._resolver.dialect == "postgresql":
            type_ = postgresql.ARRAY(sa.String() if kind.named else sa.Integer())
            given = self._late(kind, what, lambda sight: list(read(sight)), type_)
            return sa.and_(key == sa.any_(given))
        given = self._late(kind, what, lambda sight: json.dumps(list(read(sight))), sa.String())
        return sa.and_(key.in_(sa.select(sa.func.json_each(given).table_valued("value").c.value)))

    def _pattern_test(self, kind: Kind, place: int, name: Any) -> tuple[Any, Any]:
        def pattern(sight: Sight) -> tuple[int, str, bool]:
            if place >= len(sight.patterns):
                return _NEVER
            prefix, shows = sight.patterns[place]
            return len(prefix), prefix, shows

        length = self._late(kind, f"length_{place}", lambda sight: pattern(sight)[0], sa.Integer())
        starts = self._late(kind, f"prefix_{place}", lambda sight: pattern(sight)[1], sa.String())
        shows = self._late(kind, f"shows_{place}", lambda sight: int(pattern(sight)[2]), sa.Integer())
        return sa.func.substr(name, 1, length) == starts, shows == 1

    def _late(self, kind: Kind, what: str, read: Callable[[Sight], Any], type_: Any) -> Any:
        """A bind parameter whose value is read from the view at execution."""

        def value() -> Any:
            sight = self.sight(kind)
            return read(_NOTHING if sight is None else sight)

        return sa.bindparam(f"vis_{kind}_{what}", callable_=value, type_=type_)

    def _asking(self) -> Asking:
        def identity() -> Any:
            return context.identity()

        return Asking(
            sa.bindparam("vis_user", callable_=lambda: getattr(identity(), "user_id", -1), type_=sa.Integer()),
            sa.bindparam(
                "vis_groups",
                callable_=lambda: sorted(getattr(identity(), "group_ids", ())),
                type_=sa.Integer(),
                expanding=True,
            ),
            sa.bindparam("vis_now", callable_=self._now, type_=Instant()),
            sa.bindparam("vis_default", callable_=lambda: int(self._resolver.default), type_=sa.Integer()),
        )

    # --- the tripwire ----------------------------------------------------------------------------

    def _on_cursor(
        self, _connection: Any, _cursor: Any, sql: str, _parameters: Any, execution: Any, _many: Any
    ) -> None:
        if _is_filtered(context.view()):
            stop_unmarked(sql, getattr(execution, "compiled", None))


class _Columns:
    """A mapped class's columns by their database names, as ORM attributes."""

    def __init__(self, cls: type) -> None:
        self._mapper: Any = sa.inspect(cls)

    def __getitem__(self, name: str) -> Any:
        column = self._mapper.local_table.c[name]
        return getattr(self._mapper.class_, self._mapper.get_property_by_column(column).key)


def _is_filtered(view: context.View | None) -> bool:
    """Whether rows are limited: not for the server itself, what the gate decided, or an admin."""
    match view:
        case context.System() | context.Decided():
            return False
        case context.Filtered(identity=identity):
            return not identity.is_admin
        case _:
            return True


def _rounded_up(patterns: int) -> int:
    """To 0, 1, 2, 4, 8, 16: few shapes, so that SQLAlchemy keeps what it compiled of them."""
    return 1 << (patterns - 1).bit_length() if patterns else 0


def _constant(value: bool) -> sa.ColumnElement[bool]:
    return sa.true() if value else sa.false()


def _kind_of(table: str) -> Kind:
    """Which kind of resource decides over a table's rows."""
    return Kind.REGISTERED_MODEL if table in _NAMED else Kind.EXPERIMENT


def tables_of(statement: Any) -> set[str]:
    """MLflow's tables that a statement reads, as far as its elements tell; our own look-ups are left out.

    On the way every SELECT inside is made one that the ORM compiles, so that criteria reach it.
    """
    found: set[str] = set()
    seen: dict[int, Any] = {}  # holds the elements: some are made on the way, and their ids would come again
    stack = [statement]
    while stack:
        element = stack.pop()
        if id(element) in seen or (isinstance(element, sa.Alias) and str(element.name).startswith(OURS)):
            continue
        seen[id(element)] = element
        if isinstance(element, sa.Table):
            if element.name in OWNERS:
                found.add(element.name)
        elif isinstance(element, sa.Column):
            stack.append(element.table)
        else:
            if isinstance(element, sa.Select) and not element._propagate_attrs:
                _let_orm_compile(element)
            stack.extend(element.get_children())
    return found


def _let_orm_compile(select: sa.Select[Any]) -> None:
    """SQLAlchemy forgets that a SELECT is the ORM's if mapped columns stand in `(a) & (b)` only, as in MLflow's
    search for the traces of a run: `exists().where((A.x == B.x) & (A.y == 1))`."""
    inside: Iterator[Any] = visitors.iterate(select)
    entities = (element._propagate_attrs for element in inside)
    select._propagate_attrs = next(filter(None, entities), select._propagate_attrs)


def _prepare_connection(connection: Any, record: Any) -> None:
    """MLflow's own PostgreSQL connections: see :func:`switch_jit_off`."""
    if type(connection).__module__.split(".")[0] in ("psycopg", "psycopg2"):
        switch_jit_off(connection, record)
