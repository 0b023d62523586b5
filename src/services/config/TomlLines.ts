/**
 * Knows the line of each key and array element of a TOML document, which the parser does not tell.
 *
 * A scanner beside the parser: it reads structure (headers, keys, brackets, strings, comments) and no values, expects a
 * document the parser has accepted, and on anything else stops and keeps the lines it has. A place without a line of its
 * own has that of the nearest place above it.
 *
 * Bounds: one node per part of a key, so that time and memory follow the length of the text however long its keys are;
 * nesting deeper than any configuration's ends the scan, which then says where.
 */
import type { KeyPath } from "./Problem.ts"

/** Brackets inside brackets, and parts of a dotted key. Our deepest value has three, our longest key five. */
export const depthMax = 32

/** The line of a place, counted from 1; that of the nearest place above where it has none; undefined for the root. */
export type LineOf = (path: KeyPath) => number | undefined

export interface Lines {
  readonly lineOf: LineOf
  /** Where nesting is deeper than `depthMax` first, if it is. */
  readonly tooDeepAt: number | undefined
}

export const scan = (text: string): Lines => {
  const root = new Place(undefined)
  const scanner = new Scanner(text, root)
  scanner.document()
  const lineOf: LineOf = (path) => {
    let here = root
    for (const part of path) {
      const next = here.inner?.get(part)
      if (next === undefined) break
      here = next
    }
    return here.line
  }
  return { lineOf, tooDeepAt: scanner.tooDeepAt }
}

/** A key or an array element, and what is inside of it. */
class Place {
  /** Where it stands first; the root has none. */
  readonly line: number | undefined
  /** Most places have nothing inside. */
  inner: Map<string | number, Place> | undefined
  /** Of an array of tables: its elements so far. */
  tables = 0

  constructor(line: number | undefined) {
    this.line = line
  }

  at(part: string | number, line: number): Place {
    this.inner ??= new Map()
    let place = this.inner.get(part)
    if (place === undefined) {
      place = new Place(line)
      this.inner.set(part, place)
    }
    return place
  }
}

class Scanner {
  private readonly text: string
  private readonly root: Place
  private index = 0
  private line = 1
  tooDeepAt: number | undefined

  constructor(text: string, root: Place) {
    this.text = text.replace(/^\uFEFF/u, "")
    this.root = root
  }

  document(): void {
    let table = this.root
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

  private header(): Place | undefined {
    const line = this.line
    const array = this.text[this.index + 1] === "["
    this.index += array ? 2 : 1
    const names = this.keys()
    if (names === undefined || this.text[this.index] !== "]") return undefined
    this.index += array ? 2 : 1
    let place = this.root
    names.forEach((name, position) => {
      place = place.at(name, line)
      // A header continues the last table of an array, or begins one more where it says so.
      if (array && position === names.length - 1) place.tables += 1
      if (place.tables > 0) place = place.at(place.tables - 1, line)
    })
    return place
  }

  private assignment(table: Place, depth: number): boolean {
    const line = this.line
    const names = this.keys()
    if (names === undefined || this.text[this.index] !== "=") return false
    this.index += 1
    let place = table
    for (const name of names) place = place.at(name, line)
    this.skip(/[ \t]/u)
    return this.value(place, depth)
  }

  /** Dotted keys, up to what follows them. */
  private keys(): ReadonlyArray<string> | undefined {
    const names: Array<string> = []
    while (true) {
      this.skip(/[ \t]/u)
      const name = this.key()
      if (name === undefined) return undefined
      names.push(name)
      if (names.length > depthMax) return this.tooDeep()
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

  private value(place: Place, depth: number): boolean {
    if (depth > depthMax) return this.tooDeep() ?? false
    switch (this.text[this.index]) {
      case '"':
      case "'":
        return this.string()
      case "[":
        return this.array(place, depth + 1)
      case "{":
        return this.inlineTable(place, depth + 1)
      default: {
        // A bare value ends where its surroundings go on; a space may stand inside a date-time.
        const start = this.index
        this.skip(/[^,\]}#\r\n]/u)
        return this.index > start
      }
    }
  }

  private array(place: Place, depth: number): boolean {
    this.index += 1
    for (let element = 0; ; element++) {
      this.blank()
      if (this.text[this.index] === "]") break
      if (!this.value(place.at(element, this.line), depth)) return false
      this.blank()
      if (this.text[this.index] === ",") this.index += 1
      else if (this.text[this.index] !== "]") return false
    }
    this.index += 1
    return true
  }

  private inlineTable(place: Place, depth: number): boolean {
    this.index += 1
    while (true) {
      this.blank()
      if (this.text[this.index] === "}") break
      if (!this.assignment(place, depth)) return false
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

  private tooDeep(): undefined {
    this.tooDeepAt = this.line
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
