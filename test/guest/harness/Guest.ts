/**
 * A machine booted by systemd for the tests of one file, as a service: what a person with a console of it would do. It has a
 * network of its own (loopback only) and a clean disk; the clock and the kernel are this machine's (`nspawn.ts`).
 *
 * `inGuest` declares such tests: they are skipped, with the reason, where a machine boots no guest, and fail there when
 * SYSTEMAPI_GUEST is "required".
 */
import { layer, it as plain, type Vitest } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { buildOnce, home } from "../../system/build.ts"
import { type Answer, parseAnswer } from "../../system/client.ts"
import { type CommandResult, execute } from "../../system/support.ts"
import { isRequired, whyNoGuest } from "./machine.ts"
import { boot, type BootFailed, enter, type Machine, type MachineOptions } from "./nspawn.ts"

const JournalEntry = Schema.Record(Schema.String, Schema.Unknown)
export type JournalEntry = typeof JournalEntry.Type

const entryOf = Schema.decodeSync(Schema.fromJsonString(JournalEntry))

export interface GuestShape extends Pick<Machine, "console" | "group" | "name" | "reboot"> {
  /** Runs a program of the guest as root; its exit code is the caller's matter. */
  readonly exec: (command: ReadonlyArray<string>, stdin?: string | Uint8Array) => Effect.Effect<CommandResult>
  /** The same, and what it printed; dies when it fails. */
  readonly must: (...command: ReadonlyArray<string>) => Effect.Effect<string>
  /** Text for `sh`, with `$1`, `$2`, …; dies when it fails. */
  readonly sh: (script: string, ...args: ReadonlyArray<string>) => Effect.Effect<string>
  /** As another user, with its groups. */
  readonly as: (user: string, ...command: ReadonlyArray<string>) => Effect.Effect<CommandResult>
  /** Makes or replaces a file, and the folders it lies in. */
  readonly write: (path: string, content: string | Uint8Array, mode?: string) => Effect.Effect<void>
  /** A program of this machine (curl) in the guest's network. */
  readonly inNetwork: (command: ReadonlyArray<string>) => Effect.Effect<CommandResult>
  /** This machine's curl in the guest's network; dies when there is no answer. */
  readonly curl: (...args: ReadonlyArray<string>) => Effect.Effect<Answer>
  /** Where this machine finds a file or a socket of the guest. */
  readonly path: (there: string) => string
  /** What `systemctl show` says of a unit. */
  readonly unit: (name: string) => Effect.Effect<Readonly<Record<string, string>>>
  /** All entries that `journalctl` has for these arguments, the oldest first. */
  readonly journal: (...args: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<JournalEntry>>
}

export class Guest extends Context.Service<Guest, GuestShape>()("systemapi/test/guest/Guest") {
  static readonly layer = (options: MachineOptions = {}): Layer.Layer<Guest, BootFailed> =>
    Layer.effect(Guest, Effect.map(boot(options), shapeOf))

  /** With this checkout in it, read-only and built: `/opt/systemapi/bin/systemapi`. */
  static readonly withCheckout = (options: MachineOptions = {}): Layer.Layer<Guest, BootFailed> =>
    Layer.unwrap(Effect.as(buildOnce, Guest.layer({ binds: { ...options.binds, "/opt/systemapi": home } })))
}

const orDie = (command: ReadonlyArray<string>, { code, err, out }: CommandResult): string => {
  if (code !== 0) throw new Error(`in the guest: ${command.join(" ")}: exit ${code}: ${err || out}`)
  return out
}

const shapeOf = ({ console, group, leader, name: machine, reboot }: Machine): GuestShape => {
  const exec: GuestShape["exec"] = (command, stdin) => Effect.suspend(() => enter(leader(), command, stdin))
  const must: GuestShape["must"] = (...command) => Effect.map(exec(command), (ran) => orDie(command, ran))
  const inNetwork: GuestShape["inNetwork"] = (command) =>
    Effect.suspend(() => execute("nsenter", [`--target=${leader()}`, "--net", "--", ...command]))
  return {
    exec,
    must,
    sh: (script, ...args) => must("sh", "-euc", script, "sh", ...args),
    as: (user, ...command) => exec(["runuser", "--user", user, "--", ...command]),
    write: (path, content, mode = "0644") => {
      // Not `install /dev/stdin`: what Node gives a program to read is a socket, which has no name to be opened by.
      const script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
      const command = ["sh", "-euc", script, "sh", path, mode]
      return Effect.map(exec(command, content), (ran) => void orDie(command, ran))
    },
    inNetwork,
    curl: (...args) => {
      const command = ["curl", "-sS", "-i", "--max-time", "50", ...args]
      return Effect.map(inNetwork(command), (ran) => parseAnswer(orDie(command, ran)))
    },
    path: (there) => `/proc/${leader()}/root${there}`,
    unit: (name) =>
      Effect.map(must("systemctl", "show", "--no-pager", "--", name), (text) => {
        const pairs = text.split("\n").filter((line) => line.includes("="))
        return Object.fromEntries(
          pairs.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)])
        )
      }),
    journal: (...args) =>
      Effect.map(must("journalctl", "--no-pager", "--all", "--output=json", ...args), (text) =>
        text
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => entryOf(line))
      ),
    name: machine,
    group,
    reboot,
    console
  }
}

/** A boot on a busy machine, and what a layer does before its first test (an installation). */
const layerPatience = Duration.minutes(3)

/** Tests of one guest: those of a file, of which each has its own. */
export const inGuest = <R, E>(
  title: string,
  what: Layer.Layer<R, E>,
  tests: (it: Vitest.MethodsNonLive<R>) => void
): void => {
  const why = whyNoGuest()
  if (why === undefined) {
    layer(what, { excludeTestServices: true, timeout: layerPatience })(title, tests)
    return
  }
  plain(title, (context) => {
    if (isRequired) throw new Error(`this machine boots no guest: ${why}`)
    context.skip(why)
  })
}
