/**
 * `docs/permissions.md`: who may call which endpoint, by role, made of the endpoints' own declarations and the built-in
 * roles. The test of the same name holds the file to it; `npx vitest run test/http/api -u` writes it anew.
 */
import {
  type Endpoint,
  identityEndpoints,
  provisioningEndpoints,
  statusEndpoints,
  systemEndpoints
} from "../src/http/api/endpoints.ts"
import { isAllowed, permissionNeeded } from "../src/http/edge/Access.ts"
import { isVersioned } from "../src/http/edge/errorBody.ts"
import { nobody } from "../src/services/auth/Authenticator.ts"
import { permissions, PermissionSet } from "../src/services/identity/Permission.ts"
import type { Principal } from "../src/services/identity/Principal.ts"
import { builtInRoles, openGrants } from "../src/services/identity/Roles.ts"

const inRole = (name: string, grants: Iterable<string>): Principal => ({
  ...nobody(new PermissionSet(grants), [name]),
  id: name,
  kind: "user"
})

/** Columns: the built-in roles, and whoever asks while the System API has no password. */
const askers: ReadonlyArray<Principal> = [
  ...Object.entries(builtInRoles).map(([name, grants]) => inRole(name, grants)),
  { ...nobody(new PermissionSet(openGrants), []), id: "no password set" }
]

const apis: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, Endpoint>>>>>> = {
  "System API": systemEndpoints,
  "Identity API": identityEndpoints,
  "Provisioning API": provisioningEndpoints,
  "Status API": statusEndpoints
}

const row = (...cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [row(...head), row(...head.map(() => "---")), ...rows.map((cells) => row(...cells))].join("\n")

/** `actions:run:{action}` as the table of permissions has it. */
const shown = (access: Endpoint["access"]): string =>
  access === "public" || access === "authenticated" ? `*${access}*` : `\`${access}\``

/** A name that no role was written for. */
const anyName = new Proxy({}, { get: () => "anything" })

/** Without a password the System API is open, and no other. */
const mayHave = (asker: Principal, { access, path }: Pick<Endpoint, "access" | "path">, needed: string | undefined) =>
  isAllowed(asker, access, needed) && (access === "public" || asker.kind !== "anonymous" || !isVersioned(path))

const cells = ({ access, audited, method, path, rate, sideEffects }: Endpoint): ReadonlyArray<string> => {
  const needed = permissionNeeded(access)(anyName)
  return [
    `${method} \`${path}\`${sideEffects && method === "GET" ? " (changes something)" : ""}`,
    shown(access),
    ...askers.map((asker) => (mayHave(asker, { access, path }, needed) ? "yes" : "no")),
    rate,
    audited ? "yes" : "no"
  ]
}

export const permissionMatrix = (): string => {
  const head = ["endpoint", "needs", ...askers.map(({ id }) => id), "rate class", "grant audited"]
  const tables = Object.entries(apis).map(([name, groups]) => {
    const rows = Object.values(groups).flatMap((group) => Object.values(group).map(cells))
    return `## ${name}\n\n${table(head, rows)}`
  })
  const meanings = Object.entries(permissions).map(([name, meaning]) => [`\`${name}\``, meaning])
  const roles = Object.entries(builtInRoles).map(([name, grants]) => [
    name,
    grants.map((grant) => `\`${grant}\``).join(", ")
  ])
  return [
    "# Who may do what",
    "Made of the source by scripts/permissionMatrix.ts; do not edit.",
    "*public*: everybody, without a look at credentials. *authenticated*: whoever says who they are. Refusals are audited" +
      " always, grants where the last column says so, and of reading with `audit.reads`. Other roles come from `[roles]`.",
    ...tables,
    `## Roles\n\n${table(["role", "grants"], roles)}`,
    `## Permissions\n\n${table(["permission", "lets its holder"], meanings)}`
  ]
    .join("\n\n")
    .concat("\n")
}
