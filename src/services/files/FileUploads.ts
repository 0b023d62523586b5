/**
 * File uploads by configured name: where the bytes go, what the event log says of it, and the action that runs after.
 * Callers choose a name; paths come from the configuration alone.
 *
 * An upload belongs to its client while the body comes, and ends with it. Once the body is whole the file will be
 * replaced, whoever leaves: what follows (the event that says so, the action) runs to its end too.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type ActionError, Actions } from "../actions/Actions.ts"
import { describeExit } from "../actions/describeExit.ts"
import { resolveAccount, type UnknownAccount } from "../commands/accounts.ts"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { EventLog } from "../events/EventLog.ts"
import {
  type Upload,
  type Uploaded,
  Uploads,
  type UploadReadFailed,
  UploadTooLarge,
  type UploadWriteFailed
} from "./Uploads.ts"

export class UploadNotConfigured extends Schema.TaggedError<UploadNotConfigured>()("UploadNotConfigured", {
  name: Schema.String
}) {
  override get message() {
    return "Specified file upload not configured"
  }
}

/** The file is in place; what was to run after it did not end well. */
export class UploadActionFailed extends Schema.TaggedError<UploadActionFailed>()("UploadActionFailed", {
  action: Schema.String,
  error: Schema.String
}) {
  override get message() {
    return `File uploaded, but its action failed: ${this.action} - error: ${this.error}`
  }
}

export type FileUploadError =
  | UploadNotConfigured
  | UploadActionFailed
  | UnknownAccount
  | UploadTooLarge
  | UploadReadFailed
  | UploadWriteFailed

export interface FileUploaded extends Uploaded {
  readonly path: string
}

export class FileUploads extends Context.Service<
  FileUploads,
  {
    /** A body that says beforehand that it is larger than the name takes is not read. */
    readonly upload: <E>(
      name: string,
      body: Stream.Stream<Uint8Array, E>,
      options: { readonly who: string | undefined; readonly saidBytes: number | undefined }
    ) => Effect.Effect<FileUploaded, FileUploadError>
  }
>()("systemapi/services/files/FileUploads") {
  static readonly layer = Layer.effect(
    FileUploads,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      const log = yield* EventLog
      const uploads = yield* Uploads
      const actions = yield* Actions
      const fs = yield* FileSystem.FileSystem

      const runAfter = Effect.fnUntraced(function* (action: string, who: string | undefined) {
        const failed = (error: string) => new UploadActionFailed({ action, error })
        const result = yield* Effect.mapError(actions.run(action, { args: {}, who }), (error: ActionError) =>
          failed(error.message)
        )
        const error = describeExit(result, config.get().actions.get(action)?.timeout_ms ?? 0)
        if (error !== undefined) return yield* failed(error)
      })

      /** Interrupted before the body is whole, it has written nothing; after that, the interruption waits for its end. */
      const write = <E>(upload: Upload<E>, restore: <A, E2>(effect: Effect.Effect<A, E2>) => Effect.Effect<A, E2>) =>
        Effect.gen(function* () {
          let whole = false
          const end = Effect.sync(() => {
            whole = true
          })
          const body = Stream.concat(upload.body, Stream.fromEffectDrain(end))
          const writing = yield* Effect.forkChild(uploads.write({ ...upload, body }), { startImmediately: true })
          yield* Effect.exit(restore(Fiber.await(writing)))
          // Here while it still writes: the client has left.
          if (!whole) yield* Fiber.interrupt(writing)
          return yield* Fiber.join(writing)
        })

      const upload: FileUploads["Service"]["upload"] = Effect.fn("FileUploads.upload")(
        function* (name, body, { saidBytes, who }) {
          const entry = config.get().file_uploads.get(name)
          if (entry === undefined) return yield* new UploadNotConfigured({ name })
          const { max_bytes: maxBytes, mode, path } = entry
          const tell = (what: string, level?: "error") =>
            log.record(what, level === undefined ? { who } : { who, level })
          const failed = (kind: "read" | "write", error: string) =>
            tell(`file upload error (failed to ${kind}): ${name} = ${path} - error: ${error}`, "error")
          return yield* Effect.uninterruptibleMask((restore) =>
            Effect.gen(function* () {
              yield* tell(`file upload: ${name} = ${path}`)
              const uploaded = yield* Effect.gen(function* () {
                if (saidBytes !== undefined && saidBytes > maxBytes) {
                  return yield* new UploadTooLarge({ path, max_bytes: maxBytes })
                }
                const { gid, uid } = yield* resolveAccount(entry.owner, entry.group)
                return yield* write({ path, body, maxBytes, mode, uid, gid }, restore)
              }).pipe(
                Effect.tapError((error) => failed(error._tag === "UploadReadFailed" ? "read" : "write", error.message)),
                Effect.onInterrupt(() => failed("read", "the client left before the end of the body"))
              )
              yield* tell(`file upload success: ${name} = ${path} - content: ${uploaded.bytes} bytes`)
              if (entry.then !== undefined) yield* runAfter(entry.then, who)
              return { ...uploaded, path }
            })
          )
        },
        Effect.provideService(FileSystem.FileSystem, fs)
      )

      return FileUploads.of({ upload })
    })
  )
}
