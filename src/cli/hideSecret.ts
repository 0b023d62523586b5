/**
 * Takes the secret of `--jwt-secret` out of the list of processes, once it has been read. Whoever looked before then has
 * seen it, and a shell may have kept the line: that is why the start warns. Never: a failure; where the title cannot be
 * set, it stays.
 */

const flag = /^--?jwt-secret(?:=|$)/u

/** The command line as it may be shown: each value of `--jwt-secret` is `***`. */
export const withoutSecret = (argv: ReadonlyArray<string>): ReadonlyArray<string> =>
  argv.map((part, index) => {
    if (flag.test(part)) return part.replace(/=.*$/su, "=***")
    return /^--?jwt-secret$/u.test(argv[index - 1] ?? "") ? "***" : part
  })

/** Linux keeps the arguments where this writes, and shows no more of them. */
export const hideSecret = (): void => {
  process.title = ["systemapi", ...withoutSecret(process.argv.slice(2))].join(" ")
}
