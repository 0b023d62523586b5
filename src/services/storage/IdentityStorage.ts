/**
 * Durable storage of identities: the capability that IdentityStore stands on. The daemon's is the storage worker
 * (IdentityStorageWorker); commands at the console, tests and the simulator have it in their own (IdentityStorageHere).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { IdentityUnavailable, type Snapshot } from "../identity/IdentityStore.ts"
import type { IdentityCommand, IdentityValue } from "./identity/commands.ts"
import type { IdentityView } from "./identity/IdentityView.ts"
import type { StorageFaultKind } from "./protocol.ts"
import type { StorageFault } from "./sqliteFault.ts"

/** The identity file is damaged, another program's, or not for this user to open: the daemon does not start (exit 1). */
export class IdentityUnusable extends Schema.TaggedError<IdentityUnusable>()("IdentityUnusable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `identity store ${this.path}: ${this.reason}. It was left as it is. ${howToRecover}`
  }
}

const howToRecover =
  "To recover what can be read: .recover of sqlite3; to start afresh: move it aside with the files beside it " +
  "(-wal, -shm), then systemapi user add"

/** Without these the daemon comes up all the same: the disk may get room, the lock be given up. */
const passing: ReadonlySet<StorageFaultKind> = new Set(["full", "busy", "lost"])

export class IdentityStorage extends Context.Service<
  IdentityStorage,
  {
    /** The snapshot, if it is known to hold. */
    readonly current: () => Snapshot | undefined
    /** The snapshot as the last answer left it. */
    readonly latest: () => Snapshot
    /** One transaction; what it changed, and what others did before, is in the snapshot when it succeeds. */
    readonly request: (command: IdentityCommand) => Effect.Effect<IdentityValue, IdentityUnavailable>
  }
>()("systemapi/services/storage/IdentityStorage") {}

/**
 * The first answer tells which file it is, the second how its index reads. Fails where nothing but an operator's hand
 * will help.
 */
export const opened = (
  path: string,
  request: (command: IdentityCommand) => Effect.Effect<unknown, StorageFault>
): Effect.Effect<void, IdentityUnusable> =>
  Effect.andThen(request({ tag: "refresh" }), request({ tag: "refresh" })).pipe(
    Effect.catch(({ kind, reason }) =>
      passing.has(kind) ? Effect.void : Effect.fail(new IdentityUnusable({ path, reason }))
    )
  )

/** Requests to the file, and the view that their answers are applied to. */
export const storageOf = (
  view: IdentityView,
  request: (command: IdentityCommand) => Effect.Effect<IdentityValue, StorageFault>
): IdentityStorage["Service"] =>
  IdentityStorage.of({
    current: () => view.current(),
    latest: () => view.latest,
    request: (command) =>
      Effect.mapError(request(command), (fault) => {
        if (fault.kind === "lost") view.doubt()
        return unavailable(fault)
      })
  })

const unavailable = ({ kind, reason }: StorageFault): IdentityUnavailable =>
  new IdentityUnavailable({
    reason: kind === "corrupt" ? `its file is damaged: ${reason}. ${howToRecover}` : reason,
    full: kind === "full"
  })
