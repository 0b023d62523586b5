/**
 * The tables of the identity file, as the steps that made them. Steps are never edited: a file carries how many it has
 * seen in `user_version`.
 *
 * What the view in memory shows carries the `generation` at which it last changed; what was removed from the view is in
 * `gone`, as far back as `state.forgotten`. Logins that are neither new to the view nor gone from it (their refresh
 * tokens change all the time) leave the generation alone. Times are UNIX milliseconds.
 */
export const identitySchema: ReadonlyArray<string> = [
  `
  CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL, forgotten INTEGER NOT NULL
  ) STRICT;
  INSERT INTO state VALUES (1, 0, 0);
  CREATE TABLE gone (generation INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL) STRICT;
  CREATE INDEX gone_generation ON gone (generation);

  CREATE TABLE users (
    name TEXT PRIMARY KEY, roles TEXT NOT NULL, password_hash TEXT, disabled INTEGER NOT NULL,
    sessions_from INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, generation INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX users_generation ON users (generation);

  CREATE TABLE tokens (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT, permissions TEXT NOT NULL, hash BLOB NOT NULL,
    created_at INTEGER NOT NULL, expires_at INTEGER, last_used_at INTEGER, revoked_at INTEGER, generation INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tokens_generation ON tokens (generation);
  CREATE INDEX tokens_owner ON tokens (owner);

  CREATE TABLE sessions (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, refresh_hash BLOB NOT NULL, used_hash BLOB, used_at INTEGER,
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, ended_until INTEGER, generation INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sessions_user ON sessions (user, created_at) WHERE ended_until IS NULL;
  CREATE INDEX sessions_expiry ON sessions (coalesce(ended_until, expires_at));
  CREATE INDEX sessions_ended ON sessions (generation) WHERE ended_until IS NOT NULL;
  CREATE INDEX sessions_ended_of ON sessions (user, created_at) WHERE ended_until IS NOT NULL;

  CREATE TABLE revoked (
    jti TEXT PRIMARY KEY, until INTEGER NOT NULL, generation INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX revoked_generation ON revoked (generation);
  CREATE INDEX revoked_until ON revoked (until);

  CREATE TABLE keys (
    number INTEGER PRIMARY KEY, kid TEXT NOT NULL UNIQUE, alg TEXT NOT NULL, jwk TEXT NOT NULL,
    created_at INTEGER NOT NULL, retired_at INTEGER, expires_at INTEGER, generation INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE approvals (
    id TEXT PRIMARY KEY, permission TEXT NOT NULL, method TEXT NOT NULL, target TEXT NOT NULL, body_hash TEXT NOT NULL,
    requester TEXT NOT NULL, requester_owner TEXT NOT NULL, justification TEXT, state TEXT NOT NULL,
    decided_by TEXT, decided_at INTEGER, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    generation INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX approvals_generation ON approvals (generation);

  CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL) STRICT;
`
]
