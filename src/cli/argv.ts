/**
 * Makes the command lines people are used to ones that the parser takes.
 *
 * Those of the original: its Go parser accepts flags with one dash, `-config x` and `-listen-addr=x`, where ours would
 * read a row of one-letter flags. We have none that stand together, so a dash with more than one letter can only mean a
 * long flag. And flags before the command, `--config x serve`: serving is what happens without a command, so the word
 * goes. What follows `--`, a lone `-` and negative numbers stay as they are.
 */
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
