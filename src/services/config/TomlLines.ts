/**
 * Knows the line of each key and array element of a TOML document, which the parser does not tell.
 *
 * A scanner beside the parser: it reads structure (headers, keys, brackets, strings, comments) and no values, expects a
 * document the parser has accepted, and on anything else stops and keeps the lines it has. A place without a line of its
 * own has that of the nearest place above it.
 *
 * Bounds: one entry per key; nesting deeper than any key of a configuration has ends the scan.
 */
import type { KeyPath } from "./Problem.ts"

/** Brackets inside brackets; our deepest value has three. */
const depthMax = 32

/** The line of a place, counted from 1; that of the nearest place above where it has none; undefined for the root. */
export type LineOf = (path: KeyPath) => number | undefined

export const scan = (text: string): LineOf => {
  const lines = new Map<string, number>()
  new Scanner(text, (path, line) => {
    const name = nameOf(path)
    if (!lines.has(name)) lines.set(name, line)
  }).document()
  return (path) => {
    for (let length = path.length; length > 0; length--) {
      const line = lines.get(nameOf(path.slice(0, length)))
      if (line !== undefined) return line
    }
    return undefined
  }
}

const nameOf = (path: KeyPath): string => JSON.stringify(path)

type Found = (path: KeyPath, line: number) => void

class Scanner {
  private readonly text: string
  private readonly found: Found
  private index = 0
  private line = 1
  /** Elements of each array of tables so far. */
  private readonly counts = new Map<string, number>()

  constructor(text: string, found: Found) {
    this.text = text.replace(/^\uFEFF/u, "")
    this.found = found
  }

  document(): void {
    let table: KeyPath = []
    while (true) {
      this.skip(/[ \t\r\n]/u)
      if (this.index >= this.text.length) return
      const character = this.text[this.index]
      if (character === "#") this.comment()
      else if (character === "[") {
        const header = this.header()
        if (header === undefined) return
        table = header
      } else if (!this.assignment(table, 0)) return
      this.skip(/[ \t]/u)
      if (this.text[this.index] === "#") this.comment()
    }
  }

  private header(): KeyPath | undefined {
    const line = this.line
    const array = this.text[this.index + 1] === "["
    this.index += array ? 2 : 1
    const names = this.keys()
    if (names === undefined || this.text[this.index] !== "]") return undefined
    this.index += array ? 2 : 1
    let path: KeyPath = []
    names.forEach((name, position) => {
      path = [...path, name]
      this.found(path, line)
      const count = this.counts.get(nameOf(path))
      if (array && position === names.length - 1) {
        this.counts.set(nameOf(path), (count ?? 0) + 1)
        path = [...path, count ?? 0]
        this.found(path, line)
      } else if (count !== undefined) path = [...path, count - 1]
    })
    return path
  }

  private assignment(table: KeyPath, depth: number): boolean {
    const line = this.line
    const names = this.keys()
    if (names === undefined || this.text[this.index] !== "=") return false
    this.index += 1
    let path = table
    for (const name of names) {
      path = [...path, name]
      this.found(path, line)
    }
    this.skip(/[ \t]/u)
    return this.value(path, depth)
  }

  /** Dotted keys, up to what follows them. */
  private keys(): ReadonlyArray<string> | undefined {
    const names: Array<string> = []
    while (true) {
      this.skip(/[ \t]/u)
      const name = this.key()
      if (name === undefined) return undefined
      names.push(name)
      this.skip(/[ \t]/u)
      if (this.text[this.index] !== ".") return names
      this.index += 1
    }
  }

  private key(): string | undefined {
    const start = this.index
    const quote = this.text[start]
    if (quote === '"' || quote === "'") {
      if (!this.string()) return undefined
      const inner = this.text.slice(start + 1, this.index - 1)
      return quote === "'" ? inner : unescape(inner)
    }
    this.skip(/[A-Za-z0-9_-]/u)
    return this.index === start ? undefined : this.text.slice(start, this.index)
  }

  private value(path: KeyPath, depth: number): boolean {
    if (depth > depthMax) return false
    switch (this.text[this.index]) {
      case '"':
      case "'":
        return this.string()
      case "[":
        return this.array(path, depth + 1)
      case "{":
        return this.inlineTable(path, depth + 1)
      default: {
        // A bare value ends where its surroundings go on; a space may stand inside a date-time.
        const start = this.index
        this.skip(/[^,\]}#\r\n]/u)
        return this.index > start
      }
    }
  }

  private array(path: KeyPath, depth: number): boolean {
    this.index += 1
    for (let element = 0; ; element++) {
      this.blank()
      if (this.text[this.index] === "]") break
      const place = [...path, element]
      this.found(place, this.line)
      if (!this.value(place, depth)) return false
      this.blank()
      if (this.text[this.index] === ",") this.index += 1
      else if (this.text[this.index] !== "]") return false
    }
    this.index += 1
    return true
  }

  private inlineTable(path: KeyPath, depth: number): boolean {
    this.index += 1
    while (true) {
      this.blank()
      if (this.text[this.index] === "}") break
      if (!this.assignment(path, depth)) return false
      this.blank()
      if (this.text[this.index] === ",") this.index += 1
      else if (this.text[this.index] !== "}") return false
    }
    this.index += 1
    return true
  }

  /** Over a string of any of the four kinds. */
  private string(): boolean {
    const quote = this.text[this.index] ?? ""
    const fence = quote.repeat(3)
    if (!this.text.startsWith(fence, this.index)) {
      this.index += 1
      while (this.index < this.text.length && this.text[this.index] !== "\n") {
        const character = this.text[this.index]
        this.index += character === "\\" && quote === '"' ? 2 : 1
        if (character === quote) return true
      }
      return false
    }
    this.index += fence.length
    while (this.index < this.text.length) {
      if (this.text.startsWith(fence, this.index)) {
        this.index += fence.length
        // Up to two quotes of the text itself may stand before the closing three.
        for (let inner = 0; inner < 2 && this.text[this.index] === quote; inner++) this.index += 1
        return true
      }
      const escaped = this.text[this.index] === "\\" && quote === '"'
      this.step()
      if (escaped) this.step()
    }
    return false
  }

  /** White space, line ends and comments between the elements of a value. */
  private blank(): void {
    this.skip(/[ \t\r\n]/u)
    while (this.text[this.index] === "#") {
      this.comment()
      this.skip(/[ \t\r\n]/u)
    }
  }

  private comment(): void {
    this.skip(/[^\n]/u)
  }

  private skip(what: RegExp): void {
    while (this.index < this.text.length && what.test(this.text[this.index] ?? "")) this.step()
  }

  private step(): void {
    if (this.text[this.index] === "\n") this.line += 1
    this.index += 1
  }
}

const shortEscapes: Readonly<Record<string, string>> = { b: "\b", t: "\t", n: "\n", f: "\f", r: "\r" }

/** Of a basic string the parser has accepted, so every escape is one of TOML's. */
const unescape = (text: string): string =>
  text.replace(/\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))/gu, (_, short, long, single) => {
    const hex: string | undefined = short ?? long
    return hex === undefined ? (shortEscapes[single] ?? single) : String.fromCodePoint(Number.parseInt(hex, 16))
  })
