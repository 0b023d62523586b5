/** Text as the man pages' language, roff, takes it: nothing in it is a command. */

/** A dash is one to be typed, a backslash a backslash, and no line begins with a control character. */
export const text = (words: string): string =>
  words
    .replaceAll("\\", String.raw`\e`)
    .replaceAll("-", String.raw`\-`)
    .replaceAll(/^([.'])/gmu, String.raw`\&$1`)

/** One argument of a macro, quoted. */
const argument = (words: string): string => `"${text(words).replaceAll('"', String.raw`\(dq`)}"`

export const heading = (words: string): string => `.SH ${argument(words.toUpperCase())}`
export const subheading = (words: string): string => `.SS ${argument(words)}`
export const paragraph = (words: string): string => `.PP\n${text(words)}`

/** A term in bold, and what it means below it, indented. */
export const item = (term: string, ...lines: ReadonlyArray<string>): string =>
  [".TP", `.B ${argument(term)}`, lines.map(text).join("\n.br\n")].join("\n")

/** Lines as they are, in the letters of a terminal. */
export const example = (...lines: ReadonlyArray<string>): string => [".PP", ".EX", ...lines.map(text), ".EE"].join("\n")

export interface Page {
  readonly name: string
  readonly section: 1 | 5
  /** Of the day that it says something of, `YYYY-MM-DD`. */
  readonly date: string
  readonly version: string
  readonly summary: string
  readonly parts: ReadonlyArray<string>
}

export const page = ({ date, name, parts, section, summary, version }: Page): string =>
  [
    `.TH ${argument(name.toUpperCase())} ${section} ${argument(date)} ${argument(`systemapi ${version}`)}`,
    ".nh",
    ".ad l",
    heading("name"),
    `${text(name)} \\- ${text(summary)}`,
    ...parts,
    ""
  ].join("\n")
