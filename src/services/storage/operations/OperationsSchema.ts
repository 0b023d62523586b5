/**
 * The tables of the operations file, as the steps that made them. Steps are never edited: a file carries how many it has
 * seen in `user_version`.
 *
 * `status` counts in the order of `operationStatuses`, whose words must therefore stay where they are. Every list is of
 * one status or of several merged, so each index ends in status and seq: the first page costs the same however many rows
 * there are, whatever is asked for. `ended` numbers the ends in their order: what goes first does not depend on a clock
 * that was wrong for an hour. Times are UNIX milliseconds.
 */
export const operationsSchema: ReadonlyArray<string> = [
  `
  CREATE TABLE tally (
    one INTEGER PRIMARY KEY CHECK (one = 1), pending INTEGER NOT NULL, running INTEGER NOT NULL, total INTEGER NOT NULL,
    ended INTEGER NOT NULL, output_bytes INTEGER NOT NULL
  ) STRICT;
  INSERT INTO tally VALUES (1, 0, 0, 0, 0, 0);

  CREATE TABLE operations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, name TEXT NOT NULL,
    input TEXT NOT NULL, who TEXT NOT NULL, why TEXT, parent TEXT,
    owner TEXT, idempotency_key TEXT, fingerprint TEXT,
    status INTEGER NOT NULL, progress REAL, progress_text TEXT, result TEXT NOT NULL, error TEXT,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER,
    cancel_requested_at INTEGER, cancel_requested_by TEXT, ended INTEGER
  ) STRICT;
  CREATE UNIQUE INDEX operations_key ON operations (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
  CREATE INDEX operations_status ON operations (status, seq);
  CREATE INDEX operations_kind ON operations (kind, status, seq);
  CREATE INDEX operations_who ON operations (who, status, seq);
  CREATE INDEX operations_who_kind ON operations (who, kind, status, seq);
  CREATE INDEX operations_parent ON operations (parent, seq) WHERE parent IS NOT NULL;
  CREATE INDEX operations_ended ON operations (ended) WHERE ended IS NOT NULL;

  CREATE TABLE journal (
    number INTEGER PRIMARY KEY, operation INTEGER NOT NULL, key TEXT NOT NULL, begun_at INTEGER NOT NULL, exit TEXT,
    pid INTEGER, start_ticks TEXT, boot_id TEXT, UNIQUE (operation, key)
  ) STRICT;

  CREATE TABLE outputs (
    operation INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, stdout_bytes INTEGER NOT NULL, stderr_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL, ended INTEGER, segments BLOB NOT NULL
  ) STRICT;
  CREATE INDEX outputs_ended ON outputs (ended) WHERE ended IS NOT NULL;

  CREATE TABLE workspaces (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL, who TEXT NOT NULL,
    created_at INTEGER NOT NULL, owner TEXT, idempotency_key TEXT, fingerprint TEXT
  ) STRICT;
  CREATE UNIQUE INDEX workspaces_key ON workspaces (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;

  CREATE TABLE servers (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workspace TEXT NOT NULL, hostname TEXT NOT NULL,
    provider TEXT NOT NULL, plan TEXT NOT NULL, zone TEXT, ip_address TEXT, status TEXT NOT NULL, tags TEXT NOT NULL,
    operation TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, UNIQUE (workspace, hostname)
  ) STRICT;

  CREATE TABLE taskservs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workspace TEXT NOT NULL, name TEXT NOT NULL,
    servers TEXT NOT NULL, status TEXT NOT NULL, operation TEXT NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, UNIQUE (workspace, name)
  ) STRICT;
`
]
