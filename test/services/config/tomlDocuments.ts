/** Generated TOML documents with the line of every key and array element known from how they were put together. */
import * as Schema from "effect/Schema"

type Path = ReadonlyArray<string | number>

export interface KnownLines {
  readonly text: string
  readonly lines: ReadonlyArray<readonly [Path, number]>
}

const statement = Schema.Struct({
  kind: Schema.Literals(["assign", "assign", "table", "tables", "nested", "comment", "blank"]),
  key: Schema.Literals(["bare", "basic", "literal", "dotted"]),
  value: Schema.Literals(["number", "string", "multi", "literalMulti", "array", "inline", "date", "empty"])
})

export const Recipe = Schema.Array(statement).check(Schema.isMaxLength(30))

/** A value: its text, and the places inside it with their lines counted from its first. */
const values: Readonly<Record<string, readonly [string, ReadonlyArray<readonly [Path, number]>]>> = {
  number: ["1_000 # [x]", []],
  string: ['"a # b = [\\"] \\\\"', []],
  multi: ['"""\nk1 = 1\n[t]\\"""\nzz = 1 ]""""', []],
  literalMulti: ["'''one\n[[t]]\n\\'''", []],
  array: [
    '[ # comment ]\n  1,\n\n  { a = "]", b.c = [true] }, # }\n  [\n    "x"],\n]',
    [
      [[0], 1],
      [[1], 3],
      [[1, "a"], 3],
      [[1, "b"], 3],
      [[1, "b", "c"], 3],
      [[1, "b", "c", 0], 3],
      [[2], 4],
      [[2, 0], 5]
    ]
  ],
  inline: [
    "{ x = 1, 'y z' = [\n2] }",
    [
      [["x"], 0],
      [["y z"], 0],
      [["y z", 0], 1]
    ]
  ],
  date: ["2024-11-05 22:03:23Z", []],
  empty: ["[\n]", []]
}

const keys: Readonly<Record<string, (n: number) => readonly [string, Path]>> = {
  bare: (n) => [`k-${n}_`, [`k-${n}_`]],
  basic: (n) => [`"k.\\"\\u0041 ${n}#"`, [`k."A ${n}#`]],
  literal: (n) => [`'k]=\\${n}'`, [`k]=\\${n}`]],
  dotted: (n) => [`d${n} . "e e" .f`, [`d${n}`, "e e", "f"]]
}

export const build = (recipe: typeof Recipe.Type): KnownLines => {
  let text = ""
  let line = 1
  let table: Path = []
  let arrays: { readonly name: string; count: number } | undefined
  const lines: Array<readonly [Path, number]> = []
  const write = (part: string) => {
    text += part
    line += part.split("\n").length - 1
  }
  const known = (path: Path) => lines.push([path, line])
  recipe.forEach(({ kind, key, value }, n) => {
    const [keyText, keyPath] = keys[key]?.(n) ?? ["", []]
    switch (kind) {
      case "comment":
        return write('# [t] k = "\n')
      case "blank":
        return write(n % 2 === 0 ? "  \t\n" : "\r\n")
      case "table":
        table = keyPath
        for (let length = 1; length <= keyPath.length; length++) known(keyPath.slice(0, length))
        return write(`[ ${keyText} ] # end\n`)
      case "tables": {
        // Every third opens a new array of tables, the others go on with the last.
        if (arrays === undefined || n % 3 === 0) {
          arrays = { name: `list${n}`, count: 0 }
          known([arrays.name])
        }
        table = [arrays.name, arrays.count++]
        known(table)
        return write(`[[${arrays.name}]]\n`)
      }
      case "nested": {
        if (arrays === undefined) return
        const before = [arrays.name, arrays.count - 1]
        table = [...before, `in${n}`]
        known(table)
        return write(`  [${arrays.name}.in${n}]\r\n`)
      }
      case "assign": {
        const [valueText, inner] = values[value] ?? ["", []]
        for (let length = 1; length <= keyPath.length; length++) known([...table, ...keyPath.slice(0, length)])
        for (const [path, offset] of inner) lines.push([[...table, ...keyPath, ...path], line + offset])
        return write(`${n % 2 === 0 ? "" : "\t"}${keyText} = ${valueText}\n`)
      }
    }
  })
  return { text, lines }
}

/** Every place of a parsed document. */
export const places = (value: unknown, path: Path = []): ReadonlyArray<Path> => {
  if (typeof value !== "object" || value === null || value instanceof Date) return [path]
  const children = Array.isArray(value)
    ? value.flatMap((element, index) => places(element, [...path, index]))
    : Object.entries(value).flatMap(([name, element]) => places(element, [...path, name]))
  return path.length === 0 ? children : [path, ...children]
}
