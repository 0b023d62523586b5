/**
 * `[units.ID]`: the systemd units that are shown, and what may be done with each. Nothing is known of any other unit; the
 * id is what callers say, the unit's name is never theirs.
 */
import * as Schema from "effect/Schema"
import { boolean, choice, key, required, text } from "./keys.ts"

/** `systemctl show` is asked for all of them at once, in one argument vector. */
export const unitsMax = 256

/** In a URL, in a permission, in an event's source. */
export const unitIdPattern = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/u
export const unitIdAllowed = "a letter or digit, then at most 127 of letters, digits, ., _, @ and -"

/**
 * systemd.unit(5), without `*`, `?` and `[`, which systemctl would take for a pattern, and without a leading dash. A template
 * without its instance (`getty@.service`) is no unit: for one such name systemctl tells nothing of those behind it.
 */
const unitNamePattern =
  /^(?![^@]*@\.[a-z]+$)[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]{0,240}\.(?:service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/u

/** Each has a journalctl of its own for as long as the daemon runs. */
export const recordedMax = 32

/** More of them for one unit would cost each line too much. */
const redactMax = 32

export const unitVerbs = ["start", "stop", "restart"] as const

export type UnitVerb = (typeof unitVerbs)[number]

export const UnitTable = Schema.Struct({
  unit: required(
    Schema.String.check(Schema.isPattern(unitNamePattern)).annotate({
      allowed: 'the name of a unit with its type, such as "k3s.service"'
    }),
    { description: "Name of the systemd unit." }
  ),
  description: key(text(), "", { description: "Shown in the list of units." }),
  logs: key(boolean, true, { description: "Whether its journal may be read, by those with units:logs:ID." }),
  redact: key(
    Schema.Array(text(1024))
      .check(Schema.isMaxLength(redactMax))
      .annotate({ allowed: `an array of at most ${redactMax} regular expressions` }),
    [],
    {
      description:
        "What of its lines is never shown: each match is replaced by [redacted]. Such lines cannot be searched."
    }
  ),
  oneshot_ok: key(boolean, false, { description: "It is well when it has run and exited with 0." }),
  masked_ok: key(boolean, false, { description: "It is well when it is masked." }),
  control: key(
    Schema.Array(choice(unitVerbs)).annotate({
      allowed: `an array of ${unitVerbs.map((verb) => JSON.stringify(verb)).join(", ")}`
    }),
    [],
    { description: "What those with units:control:ID may do with it. Default: nothing." }
  ),
  watch: key(boolean, true, { description: "Record when it fails, restarts and recovers." }),
  record: key(boolean, false, {
    description: "Record its journal in the event log, as source journal:ID. Needs logs = true."
  })
}).annotate({ description: "A unit, and what may be done with it.", allowed: "a table with the key unit" })

export type UnitTable = typeof UnitTable.Type

/** A shorthand: the unit's name alone. */
export const UnitEntry = Schema.Union([UnitTable.fields.unit, UnitTable]).annotate({
  allowed: "the name of a unit, or a table with the key unit"
})

export const UnitsSection = Schema.Record(Schema.String, UnitEntry).annotate({
  description: "The systemd units that are shown, by id; instead of those of the original.",
  allowed: "a table"
})

/** The original's own, which are shown where the file names none. */
export const defaultUnits: Readonly<Record<string, typeof UnitTable.Encoded>> = {
  "admission-controller": { unit: "admission-controller.service", description: "Admission controller" },
  "system-manager": { unit: "system-manager.service", description: "System manager" },
  "attestation-service": { unit: "attestation-service.service", description: "Attestation service" },
  k3s: { unit: "k3s.service", description: "Lightweight Kubernetes" },
  "nvidia-persistenced": { unit: "nvidia-persistenced.service", description: "NVIDIA persistence daemon" },
  // Not there, and masked, where the GPUs have no switches between them.
  "nvidia-fabricmanager": {
    unit: "nvidia-fabricmanager.service",
    description: "NVIDIA fabric manager",
    masked_ok: true
  },
  "infiniband-config": {
    unit: "infiniband-config.service",
    description: "InfiniBand configuration",
    oneshot_ok: true,
    masked_ok: true
  }
}
