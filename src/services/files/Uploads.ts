/**
 * Streams an upload into its file. A regular file is replaced whole or not at all (AtomicFile.ts); FIFOs and character
 * devices are written as the bytes come.
 *
 * Bounds: memory for what the body yields at a time (the next part is asked for once the last is written), `maxBytes`
 * in all. A body that fails, grows too large or is interrupted leaves an old file as it was and no new one. A new file
 * is 0644 whatever the umask; an existing one keeps mode and owner, unless told otherwise. Of several uploads to one
 * file at a time the last to be complete wins; they never mix.
 */
import { createHash } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { replaceFile } from "./AtomicFile.ts"
import { Disk, type DiskError, type OpenFile } from "./Disk.ts"
import { resolveTarget, type WriteTarget } from "./WriteTarget.ts"

export class UploadTooLarge extends Schema.TaggedError<UploadTooLarge>()(
  "UploadTooLarge",
  { path: Schema.String, max_bytes: Schema.Int },
  { httpApiStatus: 413 }
) {
  override get message() {
    return `upload to ${this.path} refused: larger than the ${this.max_bytes} bytes allowed`
  }
}

/** The body ended before it was complete. */
export class UploadReadFailed extends Schema.TaggedError<UploadReadFailed>()(
  "UploadReadFailed",
  { path: Schema.String, cause: Schema.Defect() },
  { httpApiStatus: 500 }
) {
  override get message() {
    return `read the body for ${this.path}: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

export class UploadWriteFailed extends Schema.TaggedError<UploadWriteFailed>()(
  "UploadWriteFailed",
  {
    operation: Schema.String,
    path: Schema.String,
    /** As in errno(3); `ENOSPC` and `EROFS` tell a full or read-only disk from a wrong configuration. */
    code: Schema.String,
    reason: Schema.String
  },
  { httpApiStatus: 500 }
) {
  override get message() {
    return `${this.operation} ${this.path}: ${this.reason}`
  }
}

export interface Upload<E> {
  readonly path: string
  readonly body: Stream.Stream<Uint8Array, E>
  readonly maxBytes: number
  readonly mode?: number | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
}

export interface Uploaded {
  readonly bytes: number
  /** Lowercase hex. */
  readonly sha256: string
}

/** Anybody on the machine may read an uploaded configuration, as with the original; tighter is configured per entry. */
const newFileMode = 0o644

export class Uploads extends Context.Service<
  Uploads,
  {
    readonly write: <E>(
      upload: Upload<E>
    ) => Effect.Effect<Uploaded, UploadTooLarge | UploadReadFailed | UploadWriteFailed>
  }
>()("systemapi/services/files/Uploads") {
  static readonly layer = Layer.effect(
    Uploads,
    Effect.gen(function* () {
      const disk = yield* Disk
      const write = Effect.fn("Uploads.write")(function* <E>(upload: Upload<E>) {
        const target = yield* resolveTarget(upload.path)
        return yield* target.kind === "file"
          ? replaceFile(replacementOf(target, upload), (file) => copy(upload, file))
          : Effect.scoped(
              Effect.flatMap(
                target.kind === "fifo" ? disk.openFifo(target.path) : disk.openDevice(target.path),
                (file) => copy(upload, file)
              )
            )
      })
      return Uploads.of({
        write: (upload) =>
          write(upload).pipe(
            Effect.catchTag("DiskError", ({ operation, code, reason }) =>
              Effect.fail(new UploadWriteFailed({ operation, path: upload.path, code, reason }))
            ),
            Effect.provideService(Disk, disk)
          )
      })
    })
  )
}

const replacementOf = (
  { path, existing }: Extract<WriteTarget, { kind: "file" }>,
  { gid, mode, uid }: Upload<unknown>
) => ({
  path,
  mode: mode ?? existing?.mode ?? newFileMode,
  owner:
    existing === undefined && uid === undefined && gid === undefined
      ? undefined
      : { uid: uid ?? existing?.uid ?? -1, gid: gid ?? existing?.gid ?? -1 }
})

const copy = <E>(
  { body, maxBytes, path }: Upload<E>,
  file: Pick<OpenFile, "write">
): Effect.Effect<Uploaded, DiskError | UploadReadFailed | UploadTooLarge> =>
  Effect.suspend(() => {
    const hash = createHash("sha256")
    let bytes = 0
    return body.pipe(
      Stream.mapError((cause) => new UploadReadFailed({ path, cause })),
      Stream.runForEachArray((parts): Effect.Effect<void, DiskError | UploadTooLarge> => {
        const part = parts.length === 1 ? parts[0] : Buffer.concat(parts)
        bytes += part.length
        if (bytes > maxBytes) return Effect.fail(new UploadTooLarge({ path, max_bytes: maxBytes }))
        hash.update(part)
        return file.write(part)
      }),
      Effect.map(() => ({ bytes, sha256: hash.digest("hex") }))
    )
  })
