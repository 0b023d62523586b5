/**
 * What the main thread and the storage worker say to each other. Both ends are this program in the same version, so
 * these are types, not schemas. One answer for each request, matched by id; the worker answers in order.
 */
import type { SeqRange } from "../events/Event.ts"
import type { FieldFilter, SeekQuery, SeekResult } from "../events/EventQuery.ts"
import type { LogBounds, RetainLimits, RetainResult } from "../events/EventLog.ts"
import type { IdentityAnswer, IdentityRequest } from "./identity/commands.ts"
import type { OperationsCommand, OperationsValue } from "./operations/commands.ts"

/** What the worker opens. */
export interface StoragePlaces {
  /** Of the event store. */
  readonly directory: string
  /** Of the identity file, opened at the first request for it; undefined: there will be none. */
  readonly identityPath: string | undefined
  /** Of the operations file, opened at the first request that it cannot do without; undefined: there will be none. */
  readonly operationsPath: string | undefined
}

/** Events of one writer that follow each other. */
interface WireEvents {
  readonly receivedAt: bigint
  /** Nanoseconds from `receivedAt` to each event; null where all came then. */
  readonly offsets: Float64Array | null
  readonly source: string
  readonly who: string | null
  readonly count: number
}

/** An EventRun ready for the store: the messages are one JSON array, which SQLite unpacks itself. */
export interface WireRun extends WireEvents {
  readonly tag: "run"
  /** Index into `levels`. */
  readonly level: number
  readonly fields: string | null
  readonly messages: string
}

/** Events that differ in more than that, as columns: an object for each would cost more to send than to store. */
export interface WireRows extends WireEvents {
  readonly tag: "rows"
  readonly levels: Uint8Array
  readonly fields: ReadonlyArray<string | null>
  readonly messages: ReadonlyArray<string>
}

export type WireAppend = WireRun | WireRows

/** Name and value. */
export type WireMark = readonly [name: string, value: string]

/** seq, seconds, nanoseconds within the second, source, who, level, message, fields: cheaper to clone than objects. */
export type WireRow = readonly [number, number, number, string, string | null, number, string, string | null]

export interface ScanRange {
  readonly from: number
  readonly to: number
  readonly newestFirst: boolean
  readonly limit: number
  readonly since: bigint | null
  readonly until: bigint | null
  readonly source: string | null
  /** Null: all but audit. */
  readonly levels: ReadonlyArray<number> | null
  readonly who: string | null
  readonly fields: ReadonlyArray<FieldFilter>
  /** In lower case, as far as ASCII goes. */
  readonly terms: ReadonlyArray<string>
}

export type StorageRequest =
  | {
      readonly tag: "append"
      readonly id: number
      readonly appends: ReadonlyArray<WireAppend>
      /** Moved in the same transaction. */
      readonly marks: ReadonlyArray<WireMark>
    }
  | { readonly tag: "marks"; readonly id: number }
  | { readonly tag: "scan"; readonly id: number; readonly range: ScanRange }
  | { readonly tag: "seek"; readonly id: number; readonly query: SeekQuery }
  | { readonly tag: "retain"; readonly id: number; readonly limits: RetainLimits }
  | { readonly tag: "state"; readonly id: number }
  | { readonly tag: "identity"; readonly id: number; readonly request: IdentityRequest }
  | { readonly tag: "operations"; readonly id: number; readonly commands: ReadonlyArray<OperationsCommand> }
  | { readonly tag: "close"; readonly id: number }

export interface Appended {
  readonly tag: "appended"
  readonly range: SeqRange
}

export interface ScanResult {
  readonly tag: "scanned"
  readonly rows: ReadonlyArray<WireRow>
  readonly through: number
  readonly done: boolean
}

export interface Sought extends SeekResult {
  readonly tag: "sought"
}

export interface StoreState extends LogBounds {
  readonly tag: "state"
}

export interface Retained extends RetainResult {
  readonly tag: "retained"
}

/**
 * `full`: no room or read-only, rolled back. `busy`: another daemon holds the store. `corrupt`: not a store, damaged or
 * from a newer version. `lost`: the connection can no longer be trusted (a failed fsync); the worker ends after it.
 */
export type StorageFaultKind = "full" | "busy" | "corrupt" | "failed" | "lost"

export type StorageValue =
  | Appended
  | { readonly tag: "marks"; readonly marks: ReadonlyArray<WireMark> }
  | ScanResult
  | Sought
  | Retained
  | StoreState
  | { readonly tag: "identity"; readonly answer: IdentityAnswer }
  /** One for each command. */
  | { readonly tag: "operations"; readonly values: ReadonlyArray<OperationsValue> }
  | { readonly tag: "closed" }

export type StorageAnswer =
  | { readonly tag: "opened"; readonly state: StoreState }
  | { readonly tag: "open-failed"; readonly kind: StorageFaultKind; readonly reason: string }
  | { readonly tag: "ok"; readonly id: number; readonly value: StorageValue }
  | { readonly tag: "fault"; readonly id: number; readonly kind: StorageFaultKind; readonly reason: string }
