"""SQLite files: one for the operator (accounts, joint studies, audit), one per company (its studies and jobs)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from teikei.errors import DamagedRunError

FORMAT: Final = 4
SYNCHRONOUS = "FULL"  # what is acknowledged is on the disk
BUSY_SECONDS: Final = 20.0  # how long a transaction waits for another one
ROOM: Final = "room"  # the operator's own workspace, where joint studies are solved

_OPERATOR: Final = """
CREATE TABLE companies (company TEXT PRIMARY KEY, title TEXT NOT NULL);
CREATE TABLE users (
    user TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL, company TEXT,
    secret TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1);
CREATE TABLE links (
    hash TEXT PRIMARY KEY, role TEXT NOT NULL, company TEXT, until REAL NOT NULL, made REAL NOT NULL DEFAULT 0,
    by TEXT NOT NULL DEFAULT '');
CREATE TABLE sessions (
    hash TEXT PRIMARY KEY, user TEXT NOT NULL, form_key TEXT NOT NULL, until REAL NOT NULL, idle_until REAL NOT NULL,
    made REAL NOT NULL DEFAULT 0, address TEXT NOT NULL DEFAULT '', browser TEXT NOT NULL DEFAULT '');
CREATE TABLE devices (hash TEXT PRIMARY KEY, user TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE attempts (key TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX attempts_by_key ON attempts (key, at);
CREATE TABLE joint (
    joint TEXT PRIMARY KEY, title TEXT NOT NULL, scope TEXT NOT NULL, release_list TEXT NOT NULL, state TEXT NOT NULL,
    revision INTEGER NOT NULL, made REAL NOT NULL, job TEXT NOT NULL DEFAULT '');
CREATE TABLE members (
    joint TEXT NOT NULL, company TEXT NOT NULL, signed_revision INTEGER NOT NULL DEFAULT 0,
    signed_by TEXT NOT NULL DEFAULT '', PRIMARY KEY (joint, company));
CREATE TABLE commitments (
    joint TEXT NOT NULL, company TEXT NOT NULL, round INTEGER NOT NULL, hash TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (joint, company, round));
CREATE TABLE what_ifs (
    what_if TEXT PRIMARY KEY, joint TEXT NOT NULL, company TEXT NOT NULL, round INTEGER NOT NULL, by TEXT NOT NULL,
    purpose TEXT NOT NULL, state TEXT NOT NULL, job TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL DEFAULT 'own');
CREATE TABLE approvals (
    what_if TEXT NOT NULL, user TEXT NOT NULL, company TEXT, PRIMARY KEY (what_if, user));
CREATE TABLE releases (
    joint TEXT NOT NULL, company TEXT NOT NULL, round INTEGER NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (joint, company, round));
CREATE TABLE deletions (joint TEXT NOT NULL, at REAL NOT NULL, record TEXT NOT NULL);
CREATE TABLE documents (
    document TEXT PRIMARY KEY, joint TEXT NOT NULL, title TEXT NOT NULL, kind TEXT NOT NULL);
CREATE TABLE drafts (
    document TEXT NOT NULL, version INTEGER NOT NULL, company TEXT NOT NULL, by TEXT NOT NULL, at REAL NOT NULL,
    fields TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (document, version));
CREATE TABLE comments (
    document TEXT NOT NULL, version INTEGER NOT NULL, field TEXT NOT NULL, company TEXT NOT NULL, by TEXT NOT NULL,
    at REAL NOT NULL, text TEXT NOT NULL);
CREATE TABLE signatures (
    document TEXT NOT NULL, version INTEGER NOT NULL, company TEXT NOT NULL, by TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (document, version, company));
CREATE TABLE revisions (
    joint TEXT NOT NULL, revision INTEGER NOT NULL, release_list TEXT NOT NULL, by TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (joint, revision));
CREATE TABLE reviews (
    joint TEXT NOT NULL, revision INTEGER NOT NULL, company TEXT NOT NULL, item INTEGER NOT NULL, by TEXT NOT NULL,
    verdict TEXT NOT NULL, text TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (joint, revision, company, item));
CREATE TABLE audit (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, actor TEXT NOT NULL, company TEXT NOT NULL, action TEXT NOT NULL,
    object TEXT NOT NULL, salt TEXT NOT NULL, digest TEXT NOT NULL, hash TEXT NOT NULL);
CREATE INDEX audit_by_salt ON audit (salt);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
"""
TRIGGERS: Final = {
    f"audit_no_{deed}": f"CREATE TRIGGER audit_no_{deed} BEFORE {deed.upper()} ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the log only grows'); END"
    for deed in ("update", "delete")
}

_WORKSPACE: Final = """
CREATE TABLE studies (study TEXT PRIMARY KEY, title TEXT NOT NULL, made REAL NOT NULL);
CREATE TABLE versions (
    study TEXT NOT NULL, version INTEGER NOT NULL, by TEXT NOT NULL, at REAL NOT NULL, errors INTEGER NOT NULL,
    warnings INTEGER NOT NULL, sha256 TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (study, version));
CREATE TABLE jobs (
    job TEXT PRIMARY KEY, study TEXT NOT NULL, version INTEGER NOT NULL, by TEXT NOT NULL, at REAL NOT NULL,
    state TEXT NOT NULL, progress REAL NOT NULL DEFAULT 0, step TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '', attempts INTEGER NOT NULL DEFAULT 0, started REAL, ended REAL,
    joint TEXT NOT NULL DEFAULT '');
CREATE TABLE outbox (
    salt TEXT PRIMARY KEY, at REAL NOT NULL, actor TEXT NOT NULL, company TEXT NOT NULL, action TEXT NOT NULL,
    object TEXT NOT NULL);
CREATE TABLE salts (joint TEXT NOT NULL, round INTEGER NOT NULL, study TEXT NOT NULL, version INTEGER NOT NULL,
    salt TEXT NOT NULL, PRIMARY KEY (joint, round));
"""
# format -> what brings a file of the format before it up to date
_OPERATOR_STEPS: Final = {
    2: "ALTER TABLE what_ifs ADD COLUMN kind TEXT NOT NULL DEFAULT 'own';\n",
    3: """
ALTER TABLE links ADD COLUMN made REAL NOT NULL DEFAULT 0;
ALTER TABLE links ADD COLUMN by TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN made REAL NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN browser TEXT NOT NULL DEFAULT '';
CREATE TABLE devices (hash TEXT PRIMARY KEY, user TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE revisions (
    joint TEXT NOT NULL, revision INTEGER NOT NULL, release_list TEXT NOT NULL, by TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (joint, revision));
INSERT INTO revisions SELECT joint, revision, release_list, '', made FROM joint;
CREATE INDEX audit_by_salt ON audit (salt);
""",
    4: """
CREATE TABLE reviews (
    joint TEXT NOT NULL, revision INTEGER NOT NULL, company TEXT NOT NULL, item INTEGER NOT NULL, by TEXT NOT NULL,
    verdict TEXT NOT NULL, text TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (joint, revision, company, item));
""",
}
_WORKSPACE_STEPS: Final = {
    2: "",
    3: """
ALTER TABLE jobs ADD COLUMN joint TEXT NOT NULL DEFAULT '';
UPDATE jobs SET joint = study WHERE version = 0;
CREATE TABLE outbox (
    salt TEXT PRIMARY KEY, at REAL NOT NULL, actor TEXT NOT NULL, company TEXT NOT NULL, action TEXT NOT NULL,
    object TEXT NOT NULL);
""",
    4: "",
}


class Connection(sqlite3.Connection):
    """A connection that remembers what its transaction adds to the log (``audit.append``, ``audit.set_aside``)."""

    newest_line: tuple[int, float, str] | None = None  # number, time and hash of the newest line
    has_set_aside: bool = False


@dataclass(frozen=True)
class Store:
    """Where everything lies. Each company's files are under its own folder; the file names come from checked ids."""

    folder: Path

    def workspace(self, company: str) -> Path:
        """The folder of a company, or of the operator's room."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", company):
            raise ValueError(f"not a company id: {company!r}")
        return self.folder / (ROOM if company == ROOM else f"company-{company}")

    def workspaces(self) -> list[str]:
        """The room and every company that has a folder here, in the order of their names."""
        names = [path.name.removeprefix("company-") for path in sorted(self.folder.glob("company-*")) if path.is_dir()]
        return [ROOM, *names]

    @contextmanager
    def operator(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        """The operator's database, in one transaction. A new line of the log is also noted in a file beside it."""
        with _transaction(self.folder / "operator.db", _OPERATOR, _OPERATOR_STEPS, write) as connection:
            yield connection
        if connection.newest_line is not None:
            from teikei.web.log_watch import witness

            witness(self.folder, *connection.newest_line)

    @contextmanager
    def company(self, company: str, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        """A company's own database, in one transaction.

        Lines that the transaction has set aside (``audit.set_aside``) go into the log once it is committed: a deed and
        its line stand or fall together though they lie in two files. Never inside a transaction of ``operator``.
        """
        with _transaction(self.workspace(company) / "workspace.db", _WORKSPACE, _WORKSPACE_STEPS, write) as connection:
            yield connection
        if connection.has_set_aside:
            self.bring_lines_in(company)

    def bring_lines_in(self, company: str) -> None:
        """Moves the lines that a workspace has set aside into the log, each once, however often this is cut short."""
        from teikei.web import audit

        with _transaction(self.workspace(company) / "workspace.db", _WORKSPACE, _WORKSPACE_STEPS, False) as connection:
            waiting = [dict(row) for row in connection.execute("SELECT * FROM outbox ORDER BY rowid")]
        if not waiting:
            return
        with self.operator() as connection:
            for line in waiting:
                audit.take_in(connection, line)
        with _transaction(self.workspace(company) / "workspace.db", _WORKSPACE, _WORKSPACE_STEPS, True) as connection:
            connection.executemany("DELETE FROM outbox WHERE salt=?", [(line["salt"],) for line in waiting])

    def clean_files(self, company: str | None = None) -> None:
        """Leaves nothing of deleted rows in a database file (None: the operator's) nor in what SQLite keeps beside it.

        Raises sqlite3.OperationalError where somebody else holds the file open in a transaction.
        """
        file = self.folder / "operator.db" if company is None else self.workspace(company) / "workspace.db"
        connection = sqlite3.connect(file, timeout=20, isolation_level=None)
        try:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("VACUUM")
            if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise sqlite3.OperationalError("the database is in use")
        finally:
            connection.close()


@contextmanager
def _transaction(file: Path, schema: str, steps: Mapping[int, str], write: bool) -> Iterator[Connection]:
    """Opens (and makes, where it is new) a database; commits at the end, rolls back on any error."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, factory=Connection)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={SYNCHRONOUS}")
        connection.execute("PRAGMA secure_delete=ON")
        new = connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT
        connection.execute("BEGIN IMMEDIATE" if write or new else "BEGIN")
        if new:
            _bring_up(connection, file, schema, steps)
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.close()


def _bring_up(connection: sqlite3.Connection, file: Path, schema: str, steps: Mapping[int, str]) -> None:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > FORMAT:
        raise DamagedRunError(f"{file.name} was written by a newer teikei (format {found}). Update teikei.")
    if found == 0:
        file.chmod(0o600)
        for statement in _statements(schema):
            connection.execute(statement)
    else:
        for number in range(found + 1, FORMAT + 1):
            for statement in _statements(steps[number]):
                connection.execute(statement)
    if found < FORMAT:
        connection.execute(f"PRAGMA user_version={FORMAT}")


def _statements(schema: str) -> list[str]:
    """Single statements (executescript would commit half-way); a trigger holds a semicolon of its own."""
    found, rest = [], ""
    for piece in schema.split(";\n"):
        rest += piece + ";"
        if sqlite3.complete_statement(rest):
            found.append(rest)
            rest = ""
    return found
