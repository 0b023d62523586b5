/** `systemapi(1)`, made of the command line itself: what it takes cannot be told wrong here. */
import type * as Completions from "effect/cli/Completions"
import { example, heading, item, page, paragraph, subheading, text } from "./roff.ts"

interface Command {
  readonly path: string
  readonly command: Completions.CommandDescriptor
}

const all = (command: Completions.CommandDescriptor, above: string): ReadonlyArray<Command> => {
  const path = `${above}${command.name}`
  return [{ path, command }, ...command.subcommands.flatMap((below) => all(below, `${path} `))]
}

const valueOf = (type: Completions.FlagDescriptor["type"]): string => {
  switch (type._tag) {
    case "Boolean":
      return ""
    case "Choice":
      return ` ${type.values.join("|")}`
    case "Path":
      return type.pathType === "directory" ? " DIR" : " FILE"
    case "Int":
      return " N"
    default:
      return " VALUE"
  }
}

const flagOf = ({ aliases, name, type }: Completions.FlagDescriptor): string => {
  const names = [`--${name}`, ...aliases.map((alias) => (alias.length === 1 ? `-${alias}` : `--${alias}`))]
  return `${names.join(", ")}${valueOf(type)}`
}

const argumentOf = ({ name, required, variadic }: Completions.ArgumentDescriptor): string => {
  const shown = variadic ? `${name}...` : name
  return required ? shown : `[${shown}]`
}

const described = ({ command, path }: Command): ReadonlyArray<string> => [
  subheading([path, ...command.arguments.map(argumentOf)].join(" ")),
  text(command.description ?? ""),
  ...command.arguments.map((argument) => item(argument.name, argument.description ?? "")),
  ...command.flags.map((flag) => item(flagOf(flag), flag.description ?? ""))
]

export const commandPage = (root: Completions.CommandDescriptor, date: string, version: string): string => {
  const commands = all(root, "").filter(({ command }) => command.subcommands.length === 0)
  return page({
    name: "systemapi",
    section: 1,
    date,
    version,
    summary: "event log, actions and state of a machine, over HTTP",
    parts: [
      heading("synopsis"),
      example("systemapi [--config FILE] [FLAG...]", "systemapi COMMAND [ARGUMENT...] [FLAG...]"),
      heading("description"),
      text(root.description ?? ""),
      heading("flags"),
      ...root.flags.map((flag) => item(flagOf(flag), flag.description ?? "")),
      item("--help, -h", "Show what there is, of a command too, and end"),
      item("--version, -v", "Show the version, and end"),
      heading("commands"),
      ...commands.flatMap(described),
      heading("as a service"),
      text(
        "The package runs it as systemapi.service, user systemapi, in a sandbox that the comments of the unit explain:"
      ),
      example("systemctl cat systemapi"),
      paragraph("A changed configuration is put in force by"),
      example("systemctl reload systemapi"),
      paragraph("which fails and changes nothing when it is wrong. What it logs is in the journal, field by field:"),
      example("journalctl --unit=systemapi --output=json"),
      heading("exit status"),
      item("0", "It has ended as it was told to."),
      item("1", "It could not start, or the command failed; the reason is on standard error."),
      heading("signals"),
      item("SIGTERM, SIGINT", "End: work in hand may go on for limits.stop_timeout_ms."),
      item("SIGHUP", "Read the configuration anew."),
      heading("files"),
      item("/etc/systemapi/systemapi-config.toml", "Configuration of the service."),
      item("/var/lib/systemapi", "Its state: the log of events, operations, users, the password."),
      item("/var/lib/systemapi/bootstrap-token", "Must be shown to set the first password."),
      item("/run/systemapi/pipe.fifo", "Takes in one event per line, from everybody."),
      item("/run/systemapi/systemapi.sock", "The API, for root and the group systemapi."),
      heading("see also"),
      ".BR systemapi\\-config.toml (5),",
      ".BR systemctl (1),",
      ".BR journalctl (1)"
    ]
  })
}
