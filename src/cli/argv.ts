/**
 * Makes the command lines people are used to ones that the parser takes.
 *
 * Those of the original: its Go parser accepts flags with one dash, `-config x` and `-listen-addr=x`, where ours would
 * read a row of one-letter flags. We have none that stand together, so a dash with more than one letter can only mean a
 * long flag. And flags before the command, `--config x serve`: serving is what happens without a command, so the word
 * goes. What follows `--`, a lone `-` and negative numbers stay as they are.
 *
 * And reads the plainest of them, those that only serve, without the parser: loading it takes longer than all the rest of
 * the decision, and a service manager starts the daemon with the same few words every time. Never: an answer that the
 * parser would not give; whatever looks unusual is left to it.
 */
import type { Flags } from "../services/config/environment.ts"

export interface ServeOptions {
  /** Undefined: no file is read. */
  readonly config: string | undefined
  readonly flags: Flags
}

export const normalize = (argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = argv.indexOf("--")
  const flags = (end < 0 ? argv : argv.slice(0, end)).map((part) => (/^-[A-Za-z][^=]/u.test(part) ? `-${part}` : part))
  return [...withoutLateServe(flags), ...(end < 0 ? [] : argv.slice(end))]
}

/** Flags that take no value; every other one takes what follows it, unless it has a `=`. */
const switches = new Set(["--help", "-h", "--version", "-v"])

const withoutLateServe = (argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  let index = 0
  while (argv[index]?.startsWith("-") === true) {
    const alone = switches.has(argv[index] ?? "") || argv[index]?.includes("=") === true
    index += alone ? 1 : 2
  }
  return index > 0 && argv[index] === "serve" ? argv.filter((_, position) => position !== index) : argv
}

const serveFlags: ReadonlySet<string> = new Set([
  "--config",
  "--listen-addr",
  "--pipe-file",
  "--host",
  "--port",
  "--jwt-secret",
  "--cli-path",
  "--log-level"
])

/**
 * What a command line that only serves asks for; undefined where it takes the parser to tell: other commands, help,
 * unknown flags, a flag given twice or without its value, and every value that could be taken for a flag.
 */
export const plainServe = (argv: ReadonlyArray<string>): ServeOptions | undefined => {
  const normal = normalize(argv)
  const parts = normal[0] === "serve" ? normal.slice(1) : normal
  const given = new Map<string, string>()
  for (let index = 0; index < parts.length;) {
    const part = parts[index] ?? ""
    const equals = part.indexOf("=")
    const name = equals < 0 ? part : part.slice(0, equals)
    const value = equals < 0 ? parts[index + 1] : part.slice(equals + 1)
    if (!serveFlags.has(name) || given.has(name) || value === undefined || value.startsWith("-")) return undefined
    given.set(name, value)
    index += equals < 0 ? 2 : 1
  }
  return {
    config: given.get("--config"),
    flags: {
      listen_addr: given.get("--listen-addr"),
      pipe_file: given.get("--pipe-file"),
      host: given.get("--host"),
      port: given.get("--port"),
      jwt_secret: given.get("--jwt-secret"),
      cli_path: given.get("--cli-path"),
      log_level: given.get("--log-level")
    }
  }
}
