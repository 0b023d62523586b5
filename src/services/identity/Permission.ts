/**
 * Permissions: what a request needs and what a role grants.
 *
 * A permission is words between colons, `events:read`; where its last word is written in capitals in the table below it
 * stands for the name of a thing, and a request needs `actions:run:restart_web`. A grant is a permission, or a pattern
 * with a `*` at its end: `*` is everything, `actions:*` everything about actions, `actions:run:restart_*` every action
 * whose name begins so. A name may hold any character, colons included: only grants have wildcards, so that no name a
 * caller sends can widen what is asked.
 */

/** Every permission there is, and what it lets its holder do. */
export const permissions = {
  "health:read": "Ask whether the daemon is alive and well",
  "daemon:read": "See the daemon's parts, version and limits",
  "metrics:read": "Read the metrics",
  "docs:read": "Read the contract",
  "profile:run": "Take CPU profiles of the daemon",
  "events:read": "Read and follow the event log, without its audit entries",
  "events:write": "Record events",
  "actions:list": "See which actions there are",
  "actions:run:NAME": "Run the action",
  "uploads:write:NAME": "Replace the file of the upload",
  "secret:set": "Replace the password of the System API",
  "users:read": "See users and roles",
  "users:manage": "Make, change and remove users, and end their sessions",
  "tokens:create": "Make service tokens for oneself, see and revoke them",
  "tokens:manage": "See and revoke everybody's service tokens",
  "keys:read": "See which keys sign tokens, without the keys",
  "keys:rotate": "Make a new key that signs tokens",
  "audit:read": "Read and export the audit entries of the log",
  "approvals:read": "See every request that waits for a second person",
  "approvals:decide": "Approve or deny the request of somebody else",
  "units:read": "See the state of systemd units",
  "units:logs:ID": "Read the journal of the unit",
  "units:control:ID": "Start, stop and restart the unit",
  "gpus:read": "See the state of GPUs",
  "host:read": "See CPU, memory, disks and network of the host",
  "host:shutdown": "Shut the machine down",
  "servers:read": "See servers",
  "servers:create": "Create servers",
  "servers:delete": "Delete servers",
  "servers:ssh:NAME": "Log in to the server",
  "taskservs:read": "See task services",
  "taskservs:create": "Create task services",
  "taskservs:delete": "Delete task services",
  "clusters:read": "See clusters",
  "clusters:create": "Create clusters",
  "clusters:delete": "Delete clusters",
  "workflows:read": "See workflows",
  "workflows:submit": "Submit workflows",
  "workflows:cancel": "Cancel workflows",
  "workspaces:read": "See workspaces",
  "workspaces:create": "Create workspaces",
  "operations:read": "See operations and their output",
  "operations:cancel": "Cancel operations",
  "agents:read": "See the machines that report here",
  "agents:manage": "Register machines and ask for their installation",
  "admin:call:NAME": "Call the method of the Admin API"
} as const

export type Permission = keyof typeof permissions

/** `actions:run` of `actions:run:NAME`. */
type PrefixOf<P> = P extends `${infer Prefix}:${"NAME" | "ID"}` ? Prefix : never
export type PermissionPrefix = PrefixOf<Permission>

/** A permission that stands for itself. */
export type PlainPermission = Exclude<Permission, `${string}:${"NAME" | "ID"}`>

/** Longer than any configured name may be. */
const grantLengthMax = 256

/** A pattern of what is granted: text of a permission, `*` at its end alone. */
const grantPattern = /^(?:\*|[^*\s:\p{Cc}]+(?::[^*\s:\p{Cc}]+)*(?::?\*)?)$/u

const all: ReadonlyArray<string> = Object.keys(permissions)

/** Why this is no grant; undefined where it is one. What can never be asked for is a slip of the keyboard. */
export const grantFault = (grant: string): string | undefined => {
  if (grant.length > grantLengthMax || !grantPattern.test(grant)) return "is no permission"
  const matches = all.some((permission) => {
    const prefix = permission.replace(/(?:NAME|ID)$/u, "")
    if (prefix === permission) return covers(grant, permission)
    return grant.startsWith(prefix) ? grant.length > prefix.length : covers(grant, prefix)
  })
  return matches ? undefined : "matches no permission there is"
}

const covers = (grant: string, permission: string): boolean =>
  grant.endsWith("*") ? permission.startsWith(grant.slice(0, -1)) : grant === permission

/** What somebody may do, ready to be asked: a look-up, and a comparison for each pattern. */
export class PermissionSet {
  readonly grants: ReadonlyArray<string>
  private readonly exact: ReadonlySet<string>
  private readonly prefixes: ReadonlyArray<string>

  constructor(grants: Iterable<string>) {
    this.grants = [...new Set(grants)].sort()
    this.exact = new Set(this.grants.filter((grant) => !grant.endsWith("*")))
    this.prefixes = this.grants.filter((grant) => grant.endsWith("*")).map((grant) => grant.slice(0, -1))
  }

  has(permission: string): boolean {
    if (this.exact.has(permission)) return true
    for (const prefix of this.prefixes) if (permission.startsWith(prefix)) return true
    return false
  }

  /** Whether everything that the grant allows is allowed here too. */
  includes(grant: string): boolean {
    return grant.endsWith("*") ? this.prefixes.some((prefix) => grant.slice(0, -1).startsWith(prefix)) : this.has(grant)
  }

  static readonly none = new PermissionSet([])
  static readonly everything = new PermissionSet(["*"])
}

/** What both allow: a service token never does more than its scope, nor more than whoever made it. */
export const intersection = (a: PermissionSet, b: PermissionSet): PermissionSet =>
  new PermissionSet([
    ...a.grants.filter((grant) => b.includes(grant)),
    ...b.grants.filter((grant) => a.includes(grant))
  ])
