/**
 * du(1): what it is asked, and what it says. GNU's ends each line with NUL, so that a name may hold anything; busybox's knows
 * neither that nor patterns to leave out, and a name with a newline is shown up to there.
 */

export interface DuQuestion {
  /** Canonical. */
  readonly path: string
  readonly depth: number
  readonly cross: boolean
  /** Folders below the path whose content is not counted. */
  readonly without: ReadonlyArray<string>
}

export type DuForm = "gnu" | "busybox"

export const duArguments = (
  form: DuForm,
  { cross, depth, path, without }: DuQuestion
): readonly [string, ...Array<string>] =>
  form === "gnu"
    ? [
        "du",
        "--null",
        "--block-size=1",
        `--max-depth=${depth}`,
        ...(cross ? without.map((folder) => `--exclude=${literally(folder)}`) : ["--one-file-system"]),
        "--",
        path
      ]
    : ["du", "-k", ...(crosses("busybox", { cross, without }) ? [] : ["-x"]), "-d", String(depth), "--", path]

/** Whether other file systems are counted: busybox could not leave out those that are never counted. */
export const crosses = (form: DuForm, { cross, without }: Pick<DuQuestion, "cross" | "without">): boolean =>
  cross && (form === "gnu" || without.length === 0)

/** As a pattern that matches nothing else. */
const literally = (path: string): string => path.replace(/[\\*?[\]]/gu, String.raw`\$&`)

/** What says that this is not GNU's. */
export const isUnknownOption = (stderr: string): boolean => /option/iu.test(stderr)

export interface Folder {
  readonly path: string
  readonly bytes: number
}

const busyboxUnit = 1024

const separators = { gnu: "\0", busybox: "\n" } as const

/** As the executor keeps a stream. */
export interface DuOutput {
  readonly head: string
  readonly tail: string
  readonly truncated: boolean
}

/** Whole lines alone: what a cut goes through is left out. */
export const parseDu = (form: DuForm, { head, tail, truncated }: DuOutput): ReadonlyArray<Folder> => {
  const separator = separators[form]
  const ahead = head.split(separator)
  const behind = truncated ? tail.split(separator).slice(1) : []
  if (truncated) ahead.pop()
  return [...ahead, ...behind].flatMap((line) => parseLine(form, line))
}

const parseLine = (form: DuForm, line: string): ReadonlyArray<Folder> => {
  const [, size, path] = /^(\d{1,16})\t(\/[^]*)$/u.exec(line) ?? []
  if (size === undefined || path === undefined) return []
  return [{ path, bytes: Number(size) * (form === "gnu" ? 1 : busyboxUnit) }]
}
