import { assert, describe, it } from "@effect/vitest"
import {
  busAddress,
  columnsWithout,
  flagIn,
  gpuColumns,
  messageLines,
  numberIn,
  parseGpuCsv,
  readCell
} from "../../../src/services/gpus/gpuColumns.ts"
import { random } from "../../harness/random.ts"

const columns = columnsWithout(new Set())
const line = (cells: Readonly<Record<string, string>>) =>
  columns.map(([column, field]) => cells[column] ?? cells[field] ?? "[N/A]").join(", ")

describe("columns", () => {
  it("have the name last, which alone may have commas", () => {
    assert.strictEqual(columns.at(-1)?.[0], "name")
    const { rows } = parseGpuCsv(line({ index: "3", name: "NVIDIA A100, 80GB, PCIe" }), columns)
    assert.strictEqual(rows[0]?.cells.get("name"), "NVIDIA A100, 80GB, PCIe")
  })
  it("fall back to a field's older name, and are left out when none is known", () => {
    const [newer, older] = gpuColumns.hardwareSlowdown
    const fieldOf = (unknown: ReadonlyArray<string>) =>
      columnsWithout(new Set(unknown)).find(([column]) => column === "hardwareSlowdown")?.[1]
    assert.strictEqual(fieldOf([]), newer)
    assert.strictEqual(fieldOf([newer]), older)
    assert.strictEqual(fieldOf([newer, older]), undefined)
  })
})

describe("a cell", () => {
  it.each([
    ["[N/A]", null, null],
    ["N/A", null, null],
    ["[Not Supported]", null, null],
    ["[Insufficient Permissions]", null, null],
    ["", null, null],
    [" 74.52 ", "74.52", null],
    ["ERR!", null, "ERR!"],
    ["[Unknown Error]", null, "[Unknown Error]"],
    ["[GPU is lost]", null, "[GPU is lost]"],
    ["[GPU requires reset]", null, "[GPU requires reset]"]
  ])("%j is the text %j, and the fault %j", (cell, text, fault) => {
    assert.deepStrictEqual(readCell(cell), { text, fault })
  })
  it.each([
    ["81559", 81_559],
    ["-8", -8],
    ["74.52", 74.52],
    ["0x10", null],
    ["1e9", null],
    ["12 W", null],
    ["9".repeat(400), null],
    [undefined, null]
  ])("%j is the number %j", (text, number) => assert.strictEqual(numberIn(text), number))
  it.each([
    ["Enabled", true],
    ["Not Active", false],
    ["YES", true],
    ["0", false],
    ["perhaps", null],
    [undefined, null]
  ])("%j is the flag %j", (text, flag) => assert.strictEqual(flagIn(text), flag))
  it.each([
    ["00000000:19:00.0", "0:19:0"],
    ["0000:19:00", "0:19:0"],
    ["GPU0000:CB:00.0: GPU is lost", "0:cb:0"],
    ["no address", null],
    [null, null]
  ])("%j is at the address %j", (text, address) => assert.strictEqual(busAddress(text), address))
})

describe("what is no row", () => {
  it("is a message, of which the first lines are kept and cut", () => {
    const { lines, rows } = parseGpuCsv(`${line({ index: "0" })}\r\n\nsome trouble\n${line({ index: "x" })}`, columns)
    assert.deepStrictEqual(
      rows.map(({ index }) => index),
      [0]
    )
    assert.strictEqual(lines[0], "some trouble")
    assert.strictEqual(lines.length, 2)
    const many = messageLines(`${"long ".repeat(1000)}\n`.repeat(100))
    assert.strictEqual(many.length, 8)
    assert.isTrue(many.every((each) => each.length === 300))
  })
  it("never ends in anything else: ten thousand outputs of every kind", () => {
    const draw = random(6)
    const pick = (of: ReadonlyArray<string>) => of[Math.floor(draw() * of.length)] ?? ""
    const pieces = [
      ", ",
      ",",
      "\n",
      "\r\n",
      "0",
      "7",
      "-",
      ".",
      "[N/A]",
      "ERR!",
      "[",
      "]",
      "\u0000",
      "\ufffd",
      "𝟘",
      "NVIDIA",
      " "
    ]
    let found = 0
    for (let n = 0; n < 10_000; n++) {
      const text = Array.from({ length: Math.floor(draw() * 200) }, () => pick(draw() < 0.5 ? [", "] : pieces)).join("")
      const { lines, rows } = parseGpuCsv(draw() < 0.5 ? text : `${Math.floor(draw() * 9)}${text}`, columns)
      found += rows.length
      assert.isAtMost(rows.length, 64)
      assert.isAtMost(lines.length, 8)
      for (const { cells, faults, index } of rows) {
        assert.isTrue(Number.isSafeInteger(index) && index >= 0)
        assert.isAtMost(cells.size, columns.length)
        assert.isAtMost(faults.length, columns.length)
        for (const cell of cells.values()) assert.match(cell, /\S/u)
      }
    }
    assert.isAbove(found, 100, "some of them had rows")
  })
  it("is cut where there are more rows than any machine has", () => {
    const text = Array.from({ length: 1000 }, (_, index) => line({ index: String(index) })).join("\n")
    assert.strictEqual(parseGpuCsv(text, columns).rows.length, 64)
  })
})
