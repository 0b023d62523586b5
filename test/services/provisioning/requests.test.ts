import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Server, Taskserv } from "../../../src/services/provisioning/Inventory.ts"
import { cliArguments } from "../../../src/services/provisioning/cliArguments.ts"
import { NewServer, NewTaskserv } from "../../../src/services/provisioning/requests.ts"

const decodeServer = Schema.decodeUnknownResult(NewServer)
const decodeTaskserv = Schema.decodeUnknownResult(NewTaskserv)

const seed = {
  workspace: "production",
  provider: "upcloud",
  plan: "2xCPU-4GB",
  hostname: "web-01",
  zone: "de-fra1",
  check_mode: false,
  tags: ["web", "production"]
}

const rest = { id: "srv-1", ipAddress: null, status: "creating", operation: "o", createdAt: 0, updatedAt: 0 } as const

const serverOf = ({ tags, zone, ...asked }: typeof NewServer.Type): Server => ({
  ...asked,
  ...rest,
  zone: zone ?? null,
  tags: tags ?? []
})

/** Pieces of what shells, options, paths and terminals trip over, and of what is allowed. */
const pieces = [
  ..."abcXYZ019.-_+:=/@,;&|<>$`\"'\\*?[]{}()!#~% \t\r\n\0\u0001\u007f\u00e9\u202e",
  "--",
  "$(id)",
  "; rm -rf /",
  "../",
  "-",
  "--check",
  "web-01",
  "xn--",
  "\ud800",
  "💥"
] as const

const Junk = Schema.Array(Schema.Literals(pieces)).check(Schema.isMaxLength(12))
const text = (parts: ReadonlyArray<string>) => parts.join("")

/** Characters that mean something to a shell, end a line, or cannot be seen. */
// oxlint-disable-next-line no-control-regex
const dangerous = /[\s;&|<>$`"'\\*?[\]{}()!#~%,\u0000-\u001f\u007f-\uffff]/u

describe("requests", () => {
  it("of the seed are taken, with and without what may be left out", () => {
    assert.isTrue(Result.isSuccess(decodeServer(seed)))
    const { check_mode: _, tags: __, zone: ___, ...short } = seed
    assert.isTrue(Result.isSuccess(decodeServer(short)))
    assert.isTrue(Result.isSuccess(decodeServer({ ...short, zone: null, tags: null, check_mode: null })))
    assert.isTrue(
      Result.isSuccess(
        decodeTaskserv({
          workspace: "production",
          name: "kubernetes",
          servers: ["web-01", "web-02"],
          check_mode: false
        })
      )
    )
  })

  it("have host names by RFC 1123", () => {
    const taken = ["a", "0", "web-01", "web-01.example.com", "xn--bcher-kva", "A.b", `${"a".repeat(63)}.b`]
    const label = "a".repeat(63)
    const refused = [
      "",
      "-a",
      "a-",
      "a..b",
      ".a",
      "a.",
      "a_b",
      "a b",
      `${label}a`,
      [label, label, label, label].join("."),
      "é"
    ]
    for (const hostname of taken) {
      const decoded = decodeServer({ ...seed, hostname })
      assert.strictEqual(Result.getOrUndefined(decoded)?.hostname, hostname.toLowerCase(), hostname)
    }
    for (const hostname of refused) assert.isTrue(Result.isFailure(decodeServer({ ...seed, hostname })), hostname)
  })

  it.effect.prop(
    "reach the program as one element for each member, without anything that a shell could read",
    [Junk, Schema.Literals(["workspace", "provider", "plan", "hostname", "zone", "tags", "servers", "name"])],
    ([junk, member]) =>
      Effect.sync(() => {
        const value = text(junk)
        const server = decodeServer({ ...seed, [member]: member === "tags" ? [value] : value })
        if (Result.isSuccess(server)) {
          assertPlain(cliArguments({ _tag: "server.create", server: serverOf(server.success) }, true))
        } else {
          assert.notMatch(value, /^[a-z0-9]{1,60}$/u)
        }
        const asked = { workspace: "production", name: "kubernetes", servers: ["web-01"] }
        const decoded = decodeTaskserv({ ...asked, [member]: member === "servers" ? [value] : value })
        if (Result.isFailure(decoded)) return
        const taskserv: Taskserv = {
          ...decoded.success,
          id: "tsk-1",
          status: "creating",
          operation: "o",
          createdAt: 0,
          updatedAt: 0
        }
        assertPlain(cliArguments({ _tag: "taskserv.create", taskserv }, false))
      }),
    { arbitrary: { runs: 3000 } }
  )
})

describe("the program's arguments", () => {
  it("say all that was asked for", () => {
    const decoded = decodeServer(seed)
    const server = Result.isSuccess(decoded) ? serverOf(decoded.success) : assert.fail()
    assert.deepStrictEqual(cliArguments({ _tag: "server.create", server }, true), [
      "server",
      "create",
      "--workspace=production",
      "--provider=upcloud",
      "--plan=2xCPU-4GB",
      "--hostname=web-01",
      "--zone=de-fra1",
      "--tags=web,production",
      "--check",
      "--out=json"
    ])
    assert.deepStrictEqual(cliArguments({ _tag: "server.delete", server }, false), [
      "server",
      "delete",
      "--workspace=production",
      "--provider=upcloud",
      "--hostname=web-01",
      "--id=srv-1",
      "--yes",
      "--out=json"
    ])
  })
})

const assertPlain = (elements: ReadonlyArray<string>) => {
  for (const element of elements) {
    // Of a list, the comma that joins it is ours.
    assert.notMatch(/^--(?:tags|servers)=/u.test(element) ? element.replaceAll(",", "") : element, dangerous)
    assert.match(element, /^(?:server|taskserv|create|delete|--check|--yes|--[a-z]+=[A-Za-z0-9].*)$/u)
  }
}
