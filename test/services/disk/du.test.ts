/** What du is asked and what it says, of GNU's and of busybox's; which folders are shown. */
import { assert, describe, it } from "@effect/vitest"
import { crosses, duArguments, parseDu } from "../../../src/services/disk/du.ts"
import { childrenMax, largest, topMax } from "../../../src/services/disk/largest.ts"

describe("the question", () => {
  const question = { path: "/srv/-x", depth: 3, cross: false, without: ["/srv/-x/proc"] }

  it("stays on one file system, and never takes the path for an option", () => {
    assert.deepStrictEqual(duArguments("gnu", question), [
      "du",
      "--null",
      "--block-size=1",
      "--max-depth=3",
      "--one-file-system",
      "--",
      "/srv/-x"
    ])
    assert.deepStrictEqual(duArguments("busybox", question), ["du", "-k", "-x", "-d", "3", "--", "/srv/-x"])
  })

  it("crosses where it is asked to, without what is never counted, by patterns that match nothing else", () => {
    const crossing = { ...question, cross: true, without: ["/srv/-x/a*b[c]\\"] }
    assert.deepInclude(duArguments("gnu", crossing), String.raw`--exclude=/srv/-x/a\*b\[c\]\\`)
    assert.notInclude(duArguments("gnu", crossing), "--one-file-system")
    // busybox could not leave them out.
    assert.include(duArguments("busybox", crossing), "-x")
    assert.isFalse(crosses("busybox", crossing))
    assert.notInclude(duArguments("busybox", { ...crossing, without: [] }), "-x")
  })
})

describe("the answer", () => {
  const ended = (...lines: ReadonlyArray<string>) => lines.map((line) => `${line}\0`).join("")
  const whole = (head: string) => ({ head, tail: "", truncated: false })

  it("has any name, but for busybox's newlines", () => {
    assert.deepStrictEqual(parseDu("gnu", whole(ended("4096\t/srv/a\nb", "8192\t/srv/\t\uFFFD"))), [
      { path: "/srv/a\nb", bytes: 4096 },
      { path: "/srv/\t\uFFFD", bytes: 8192 }
    ])
    assert.deepStrictEqual(parseDu("busybox", whole("4\t/srv/a\n8\t/srv\n")), [
      { path: "/srv/a", bytes: 4096 },
      { path: "/srv", bytes: 8192 }
    ])
  })

  it("is whole lines alone where it was cut", () => {
    const cut = { head: `${ended("1\t/srv/a")}2\t/srv/bb`, tail: ended("b/c", "3\t/srv/c", "9\t/srv"), truncated: true }
    assert.deepStrictEqual(
      parseDu("gnu", cut).map(({ path }) => path),
      ["/srv/a", "/srv/c", "/srv"]
    )
  })

  it("is nothing where du wrote nothing of the kind", () => {
    assert.deepStrictEqual(parseDu("gnu", whole(ended("du: x", "", "-1\t/a", "x\t/b", "1 /c", "1\trelative"))), [])
  })
})

describe("the folders that are shown", () => {
  const folder = (path: string, bytes: number) => ({ path, bytes })

  it("are the largest first, with their depth below the path; the path itself is the total", () => {
    assert.deepStrictEqual(
      largest("/srv", 2, [folder("/srv/a/b", 5), folder("/srv/a", 7), folder("/srv/c", 9), folder("/srv", 20)]),
      {
        folders: [
          { path: "/srv/c", bytes: 9, depth: 1 },
          { path: "/srv/a", bytes: 7, depth: 1 },
          { path: "/srv/a/b", bytes: 5, depth: 2 }
        ],
        total: 20,
        truncated: false
      }
    )
    assert.deepStrictEqual(largest("/", 1, [folder("/a", 1), folder("/", 2)]), {
      folders: [{ path: "/a", bytes: 1, depth: 1 }],
      total: 2,
      truncated: false
    })
    assert.isUndefined(largest("/srv", 1, [folder("/srvx", 1)]).total)
  })

  it("are as many as there is room for, at each depth", () => {
    const many = Array.from({ length: childrenMax + 1 }, (_, n) => folder(`/srv/${n}`, n))
    const simple = largest("/srv", 1, many)
    assert.deepStrictEqual([simple.folders.length, simple.truncated], [childrenMax, true])
    const deep = largest("/srv", 2, [...many, ...many.map(({ bytes, path }) => folder(`${path}/x`, bytes))])
    assert.strictEqual(deep.folders.length, 2 * topMax)
    // Nobody may ask for more of them than are kept.
    assert.isFalse(deep.truncated)
  })
})
