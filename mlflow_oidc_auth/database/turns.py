"""Whose turn it is: what must run one after the other, on every worker and replica, until its transaction ends."""

from __future__ import annotations

import sqlalchemy as sa


def one_at_a_time(connection: sa.Connection, key: int) -> None:
    """Hold everybody else who asks for the same `key` (64 bits, signed) until the transaction ends.

    A lock of its own, not one on rows: what somebody else adds meanwhile has no row to lock yet.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    else:
        write_first(connection)


def together(connection: sa.Connection, key: int) -> None:
    """Hold who asks :func:`one_at_a_time` for the same `key`, but nobody else who asks here.

    On SQLite nothing: there is one writer at a time.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": key})


def write_first(connection: sa.Connection) -> None:
    """On SQLite, be the one writer from now on, unless one is already; elsewhere nothing.

    pysqlite begins a transaction at its first write only: two could read the same rows before either writes.
    """
    driver = connection.connection.driver_connection
    if connection.dialect.name == "sqlite" and driver is not None and not driver.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
