import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { makePassedSockets } from "../../../src/services/systemd/PassedSockets.ts"

const of = (name?: string) => ({ _tag: "Passed", name }) as const

describe("sockets that were passed", () => {
  it("are taken by name, once, and the rest is told", () => {
    const sockets = makePassedSockets([
      { fd: 3, name: "web" },
      { fd: 4, name: "admin" }
    ])
    assert.deepStrictEqual(sockets.take(of("admin")), Result.succeed(4))
    assert.deepStrictEqual(sockets.take(of("admin")), Result.fail("another listener has this socket"))
    assert.deepStrictEqual(sockets.left(), ["web"])
  })

  it("need no name where there is one", () => {
    assert.deepStrictEqual(makePassedSockets([{ fd: 3, name: "web" }]).take(of()), Result.succeed(3))
  })

  it.each([
    ["none at all", [], "web", "the service manager has passed no sockets"],
    ["one of another name", ["admin"], "web", 'the service manager has passed the sockets "admin"'],
    [
      "several, of which none is named",
      ["a", "b"],
      undefined,
      'the service manager has passed the sockets "a", "b": say which, by systemd: and its name'
    ],
    [
      "two of one name",
      ["web", "web"],
      "web",
      "the service manager has passed 2 sockets of this name: each needs its own FileDescriptorName="
    ]
  ])("where there are %s, are told in words", (_, names, wanted, expected) => {
    const sockets = makePassedSockets(names.map((name, index) => ({ fd: 3 + index, name })))
    assert.deepStrictEqual(sockets.take(of(wanted)), Result.fail(expected))
  })
})
