import { assert, describe, it } from "@effect/vitest"
import { grantFault, intersection, permissions, PermissionSet } from "../../../src/services/identity/Permission.ts"
import { random } from "../../harness/random.ts"

describe("a grant", () => {
  it("is a permission, or a pattern that some permission fits", () => {
    for (const grant of [
      "*",
      "events:read",
      "events:*",
      "events:r*",
      "ev*",
      "actions:run:*",
      "actions:run:restart_web",
      "actions:run:restart_*",
      "actions:run*",
      "actions:r*",
      "units:logs:ssh.service",
      "units:logs:a:b",
      "units:logs:a:*",
      "admin:call:Domain.Start",
      "servers:*"
    ]) {
      assert.isUndefined(grantFault(grant), grant)
    }
  })

  it("that nothing could ever be asked for with is refused", () => {
    for (const grant of [
      "",
      " ",
      ":",
      "event:read",
      "events:reads",
      "events:read:all",
      "events",
      "events:",
      "Events:read",
      "actions:run",
      "actions:run:",
      "actions:run::*",
      "actions:ran:*",
      "**",
      "*:read",
      "events:*:x",
      "actions:run:re*start",
      "actions:run:a b",
      " events:read",
      "events:read\n",
      "actions:run:\u0000",
      "__proto__",
      "constructor",
      `actions:run:${"x".repeat(256)}`
    ]) {
      assert.isDefined(grantFault(grant), JSON.stringify(grant))
    }
  })

  it("of each permission there is, and of each beginning of it, is one", () => {
    for (const permission of Object.keys(permissions)) {
      const asked = permission.replace(/(?:NAME|ID)$/u, "some-thing")
      assert.isUndefined(grantFault(asked), asked)
      for (let end = 0; end <= asked.length; end++) {
        const grant = `${asked.slice(0, end)}*`
        assert.isUndefined(grantFault(grant), grant)
        assert.isTrue(new PermissionSet([grant]).has(asked), grant)
      }
    }
  })
})

describe("what is granted", () => {
  it("is matched as a text, whatever names hold", () => {
    const some = new PermissionSet(["actions:run:restart_*", "units:logs:a:b", "uploads:write:x"])
    for (const [permission, may] of [
      ["actions:run:restart_web", true],
      ["actions:run:restart_", true],
      ["actions:run:restart", false],
      ["actions:run:Restart_web", false],
      ["actions:run:xrestart_web", false],
      ["actions:run:restart_web:and:more", true],
      ["actions:run:*", false],
      ["actions:run:r*", false],
      ["actions:*", false],
      ["*", false],
      ["", false],
      ["units:logs:a:b", true],
      ["units:logs:a", false],
      ["units:logs:a:b:c", false],
      ["units:logs:*", false],
      ["uploads:write:x", true],
      ["uploads:write:x\u0000", false],
      ["uploads:write:", false],
      ["constructor", false],
      ["__proto__", false]
    ] as const) {
      assert.strictEqual(some.has(permission), may, permission)
    }
  })

  it("by nothing is nothing, and by * everything", () => {
    for (const permission of ["events:read", "actions:run:*", "", "*"]) {
      assert.isFalse(PermissionSet.none.has(permission))
      assert.isTrue(PermissionSet.everything.has(permission))
    }
  })
})

/** Few letters, so that texts begin alike often. */
const drawnFrom = (seed: number) => {
  const next = random(seed)
  const pick = <A>(from: ReadonlyArray<A>, otherwise: A): A => from[Math.floor(next() * from.length)] ?? otherwise
  const word = () => Array.from({ length: 1 + Math.floor(next() * 3) }, () => pick(["a", "b"], "a")).join("")
  const permission = () => Array.from({ length: 1 + Math.floor(next() * 3) }, word).join(":")
  const grant = () => {
    const text = permission()
    return next() < 0.5 ? text : `${text.slice(0, Math.floor(next() * (text.length + 1)))}*`
  }
  const grants = () => Array.from({ length: Math.floor(next() * 5) }, grant)
  return { permission, grant, set: () => new PermissionSet(grants()) }
}

const seeds = Array.from({ length: 3000 }, (_, seed) => seed)

describe("of sets drawn by chance", () => {
  it("the intersection grants exactly what both do", () => {
    for (const seed of seeds) {
      const { permission, set } = drawnFrom(seed)
      const [a, b] = [set(), set()]
      const both = intersection(a, b)
      for (let n = 0; n < 20; n++) {
        const asked = permission()
        const message = `seed ${seed}: ${asked} of ${a.grants.join()} and ${b.grants.join()}`
        assert.strictEqual(both.has(asked), a.has(asked) && b.has(asked), message)
      }
      for (const grant of both.grants) assert.isTrue(a.includes(grant) && b.includes(grant), `seed ${seed}`)
      assert.deepStrictEqual(both.grants, intersection(b, a).grants, `seed ${seed}`)
      assert.deepStrictEqual(both.grants, intersection(both, a).grants, `seed ${seed}`)
    }
  })

  it("a set includes a grant only if it grants all that the grant does", () => {
    for (const seed of seeds) {
      const { grant, permission, set } = drawnFrom(seed)
      const some = set()
      const asked = grant()
      if (!some.includes(asked)) continue
      const alone = new PermissionSet([asked])
      for (let n = 0; n < 20; n++) {
        const one = permission()
        if (alone.has(one)) assert.isTrue(some.has(one), `seed ${seed}: ${one} of ${asked} in ${some.grants.join()}`)
      }
    }
  })

  it("more grants never grant less, and none grants what no grant of it does", () => {
    for (const seed of seeds) {
      const { grant, permission, set } = drawnFrom(seed)
      const some = set()
      const more = new PermissionSet([...some.grants, grant()])
      for (let n = 0; n < 20; n++) {
        const asked = permission()
        if (some.has(asked)) assert.isTrue(more.has(asked), `seed ${seed}`)
        const bySome = some.grants.some((one) => new PermissionSet([one]).has(asked))
        assert.strictEqual(some.has(asked), bySome, `seed ${seed}`)
      }
    }
  })
})
