/**
 * How a simulated daemon is configured: a handful of configurations with tight bounds, so that what is rare on a real
 * machine (a log that outgrows memory, a full queue, a deadline) happens many times in a run.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import type { Config } from "../../src/services/config/Config.ts"
import { ConfigError, type Loaded } from "../../src/services/config/ConfigFile.ts"
import { resolve } from "../../src/services/config/resolve.ts"
import type { RecentLimits } from "../../src/services/events/RecentEvents.ts"
import { type Behaviour, behaviours } from "./SimSpawner.ts"

export const pipePaths = ["/run/pipe.fifo", "/run/second.fifo"] as const
/** All of them are recorded, but for one after some reloads. */
export const unitIds = ["first", "second"] as const
export const secretPath = "/etc/secret"
export const uploadPaths: Readonly<Record<string, string>> = { small: "/srv/small.conf", large: "/srv/large.conf" }
export const uploadBytesMax = 20_000
const salt = "salt"

export interface Setup {
  readonly config: Config
  readonly recent: RecentLimits
}

const setups = 8
const known = new Map<number, Setup>()

export const setupOf = (number: number): Setup => {
  const which = number % setups
  const setup = known.get(which) ?? makeSetup(which)
  known.set(which, setup)
  return setup
}

const makeSetup = (which: number): Setup => {
  const busy = which % 2 === 0
  const document = {
    general: {
      pipe_file: pipePaths[0],
      basic_auth_secret_path: secretPath,
      basic_auth_secret_salt: salt,
      log_max_entries: 12
    },
    pipes: [{ path: pipePaths[1], source: "second" }],
    events: {
      max_count: which % 4 < 2 ? 40 : 0,
      max_bytes: which % 4 === 3 ? 8000 : 0,
      max_age_s: which % 4 === 2 ? 120 : 0
    },
    limits: { stop_timeout_ms: 4000 },
    units: Object.fromEntries(unitIds.map((id) => [id, { unit: `${id}.service`, record: true }])),
    actions: Object.fromEntries(behaviours.map((name, i) => [name, actionOf(name, busy, i + which)])),
    file_uploads: {
      small: { path: uploadPaths["small"], max_bytes: uploadBytesMax },
      large: withAction({ path: uploadPaths["large"] }, "slow")
    }
  }
  const { config, problems } = resolve(document, {}, {})
  if (config === undefined) throw new Error(`the simulation's own configuration is wrong: ${JSON.stringify(problems)}`)
  // No section says so yet: few, so that they are removed while the others stay.
  const audit = { ...config.audit, max_count: which % 3 === 0 ? 15 : 0, max_age_s: which % 3 === 1 ? 60 : 0 }
  return { config: { ...config, audit }, recent: { events: 10, bytes: which < 4 ? 100_000 : 2000 } }
}

/** The key that runs an action after an upload would make a table that is written out look like a promise. */
const withAction = (table: object, action: string) =>
  Object.fromEntries(Object.entries(table).concat([["then", action]]))

const actionOf = (name: Behaviour, busy: boolean, turn: number) => ({
  argv: [name],
  args: [{ name: "id", default: "" }],
  timeout_ms: 5000,
  kill_grace_ms: 1000,
  concurrency: busy ? 1 : 2,
  queue_length: busy ? turn % 2 : 2,
  on_client_gone: turn % 3 === 0 ? "terminate" : "continue"
})

/** What a reload finds: the same configuration, one with a change, or a wrong one. */
export const rereadOf = (
  { config }: Setup,
  found: "same" | "changed" | "wrong"
): Effect.Effect<Loaded, ConfigError> => {
  switch (found) {
    case "same":
      return Effect.succeed({ config, warnings: [], exposures: [] })
    case "changed": {
      const general = { ...config.general, strict: !config.general.strict }
      const actions = new Map([...config.actions].filter(([name]) => name !== "fail"))
      const units = new Map([...config.units].filter(([id]) => id !== "second"))
      return Effect.succeed({ config: { ...config, general, actions, units }, warnings: [], exposures: [] })
    }
    case "wrong":
      return Effect.fail(new ConfigError({ problems: ["systemapi-config.toml:1: is wrong"] }))
  }
}

/** The file of a secret, in the original's form. */
export const secretFileOf = (password: string): string =>
  createHash("sha256").update(password).update(salt).digest("hex")
