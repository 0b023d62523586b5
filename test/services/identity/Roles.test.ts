import { assert, describe, it } from "@effect/vitest"
import { PermissionSet } from "../../../src/services/identity/Permission.ts"
import { builtInRoles, openGrants, Roles } from "../../../src/services/identity/Roles.ts"

/** The table of the Provisioning API's contract, written out by hand: a row's permissions, and who has them. */
const contract: ReadonlyArray<readonly [permissions: ReadonlyArray<string>, ...who: ReadonlyArray<string>]> = [
  [
    ["servers:read", "taskservs:read", "clusters:read", "workflows:read", "operations:read"],
    "admin",
    "operator",
    "developer",
    "viewer"
  ],
  [
    [
      "servers:create",
      "servers:delete",
      "taskservs:create",
      "taskservs:delete",
      "workflows:submit",
      "workflows:cancel",
      "operations:cancel"
    ],
    "admin",
    "operator"
  ],
  [["workspaces:read"], "admin", "operator", "developer", "viewer"],
  [["workspaces:create", "users:manage", "users:read", "audit:read"], "admin"],
  [["metrics:read"], "admin", "operator", "developer", "viewer"],
  [["servers:ssh:web1"], "admin", "developer"]
]

describe("the built-in roles", () => {
  const roles = new Roles([])

  it("are those of the contract, and that of whoever reaches the state of the machine", () => {
    assert.deepStrictEqual(Object.keys(builtInRoles), ["admin", "operator", "developer", "viewer", "status"])
    for (const [permissions, ...who] of contract) {
      for (const permission of permissions) {
        for (const role of Object.keys(builtInRoles)) {
          assert.strictEqual(roles.grants([role]).has(permission), who.includes(role), `${role}: ${permission}`)
        }
      }
    }
  })

  it("but admin change nothing about who may what", () => {
    for (const role of ["operator", "developer", "viewer", "status"]) {
      for (const permission of ["users:manage", "tokens:manage", "keys:rotate", "secret:set", "approvals:decide"]) {
        assert.isFalse(roles.grants([role]).has(permission), `${role}: ${permission}`)
      }
    }
  })

  it("leave nothing of the other APIs to whoever comes while there is no password", () => {
    const open = new PermissionSet(openGrants)
    for (const permission of [
      "users:read",
      "users:manage",
      "tokens:create",
      "tokens:manage",
      "keys:read",
      "keys:rotate",
      "audit:read",
      "approvals:read",
      "approvals:decide",
      "servers:read",
      "servers:create",
      "workspaces:create",
      "workflows:read",
      "admin:call:x"
    ]) {
      assert.isFalse(open.has(permission), permission)
    }
  })
})

describe("Roles", () => {
  it("grant together what each grants, and nothing for a name that is none", () => {
    const roles = new Roles([{ name: "deploy", permissions: ["actions:run:deploy"], description: "" }])
    const both = roles.grants(["viewer", "deploy"])
    assert.isTrue(both.has("actions:run:deploy"))
    assert.isTrue(both.has("events:read"))
    assert.isFalse(both.has("actions:run:other"))
    for (const none of ["", "Admin", "admin ", "constructor", "__proto__", "nobody"]) {
      assert.deepStrictEqual(roles.grants([none]).grants, [], none)
      assert.deepStrictEqual(roles.grants([none, "gone"]).grants, [], none)
    }
    assert.deepStrictEqual(roles.grants([]).grants, [])
  })

  it("keep combinations apart, whatever their names are", () => {
    const roles = new Roles([
      { name: "a", permissions: ["events:read"], description: "" },
      { name: "a,b", permissions: ["users:manage"], description: "" },
      { name: "b", permissions: ["host:read"], description: "" }
    ])
    const combined = roles.grants(["a", "b"])
    assert.deepStrictEqual(combined.grants, ["events:read", "host:read"])
    assert.deepStrictEqual(roles.grants(["a,b", "x"]).grants, ["users:manage"])
    assert.deepStrictEqual(roles.grants(["a", "b", "x"]).grants, ["events:read", "host:read"])
  })
})
