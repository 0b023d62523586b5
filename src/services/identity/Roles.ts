/**
 * Roles: named sets of permissions. Four come from the contract of the Provisioning API, `status` is what the System
 * Status Service shows, others come from `[roles]`; one more is what everybody may do while the System API has no
 * password, as the original has it: all of that API, and nothing of the others.
 */
import { PermissionSet } from "./Permission.ts"

const readEverything = [
  "health:read",
  "daemon:read",
  "metrics:read",
  "docs:read",
  "events:read",
  "actions:list",
  "units:read",
  "gpus:read",
  "host:read",
  "servers:read",
  "taskservs:read",
  "clusters:read",
  "workflows:read",
  "workspaces:read",
  "operations:read",
  "agents:read"
]

/** The roles of the contract; `[roles]` cannot change them. */
export const builtInRoles = {
  admin: ["*"],
  operator: [
    ...readEverything,
    "events:write",
    "actions:run:*",
    "servers:create",
    "servers:delete",
    "taskservs:create",
    "taskservs:delete",
    "clusters:create",
    "clusters:delete",
    "workflows:submit",
    "workflows:cancel",
    "operations:cancel",
    "tokens:create"
  ],
  developer: [...readEverything, "servers:ssh:*", "units:logs:*", "tokens:create"],
  viewer: readEverything,
  /** What the original System Status Service shows to whoever reaches it. */
  status: ["health:read", "docs:read", "units:read", "units:logs:*", "gpus:read", "host:read"]
} as const satisfies Readonly<Record<string, ReadonlyArray<string>>>

/** What the original lets everybody do until a password is set. */
export const openGrants: ReadonlyArray<string> = [
  "health:read",
  "daemon:read",
  "metrics:read",
  "docs:read",
  "profile:run",
  "events:*",
  "actions:*",
  "operations:read",
  "operations:cancel",
  "uploads:*",
  "secret:set",
  "units:read",
  "gpus:read",
  "host:read"
]

export interface RoleConfig {
  readonly name: string
  readonly permissions: ReadonlyArray<string>
  readonly description: string
}

/** What each role grants, by its name; a name that is no role grants nothing. */
export class Roles {
  readonly byName: ReadonlyMap<string, PermissionSet>
  private readonly combined = new Map<string, PermissionSet>()

  constructor(configured: Iterable<RoleConfig>) {
    this.byName = new Map([
      ...Object.entries(builtInRoles).map(([name, grants]) => [name, new PermissionSet(grants)] as const),
      ...[...configured].map(({ name, permissions }) => [name, new PermissionSet(permissions)] as const)
    ])
  }

  /** What all of them together grant. */
  grants(names: ReadonlyArray<string>): PermissionSet {
    const [only] = names
    if (names.length === 1 && only !== undefined) return this.byName.get(only) ?? PermissionSet.none
    // No two lists have the same text, whatever the names are.
    const key = JSON.stringify(names)
    let set = this.combined.get(key)
    if (set === undefined) {
      set = new PermissionSet(names.flatMap((name) => this.byName.get(name)?.grants ?? []))
      if (this.combined.size < combinationsMax) this.combined.set(key, set)
    }
    return set
  }
}

/** Combinations of roles that people in fact have; others are computed at each request. */
const combinationsMax = 256
