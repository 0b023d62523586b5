/**
 * GET /disk/space: what uses a disk, in the configured roots alone. Without `diagnostic` the folders right in the path; with
 * it the largest at each depth.
 */
import { posix } from "node:path"
import * as Effect from "effect/Effect"
import { allowedFolder, type PathRefused } from "../../services/disk/allowedPath.ts"
import type { DiskReading } from "../../services/disk/DiskSpace.ts"
import { type CountedFolder, topMax } from "../../services/disk/largest.ts"
import type { Filesystem } from "../../services/host/HostState.ts"
import { disksOf, mountOf } from "../../services/host/mounts.ts"
import { percent } from "../../services/host/procFiles.ts"
import type { DiskAnswer } from "../api/status/Host.ts"
import type { Call } from "../edge/Call.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handler } from "../edge/routes.ts"
import { forbidden } from "../identity/recording.ts"
import { toolFailure } from "./failures.ts"
import { humanSize } from "./humanSize.ts"
import { flagParam, integerParam } from "./queryParams.ts"
import type { StatusServices } from "./statusRoutes.ts"

const depthMax = 10

interface Asked {
  readonly path: string
  readonly diagnostic: boolean
  readonly depth: number
  readonly top: number
  readonly cross: boolean
}

const askedBy = Effect.fnUntraced(function* (call: Call) {
  const diagnostic = yield* flagParam(call, "diagnostic")
  const depth = yield* integerParam(call, "max_depth", { least: 1, most: depthMax, otherwise: 3 })
  const top = yield* integerParam(call, "top_n", { least: 1, most: topMax, otherwise: 10 })
  const cross = yield* flagParam(call, "cross_filesystems")
  const asked: Asked = { path: call.query.get("path") ?? "/", diagnostic, depth: diagnostic ? depth : 1, top, cross }
  return asked
})

interface DiskServices extends Pick<StatusServices, "disk"> {
  readonly config: Pick<StatusServices["config"], "get">
  readonly host: Pick<StatusServices["host"], "mounts" | "spaces">
}

export const makeDiskHandler = ({ config, disk, host }: DiskServices): Handler => {
  /** Of `/` all of them, else the one that the path is on. */
  const filesystems = (path: string) =>
    Effect.flatMap(host.mounts, (mounts) => {
      const own = mountOf(mounts, path)
      return host.spaces(path === "/" ? disksOf(mounts) : own === undefined ? [] : [own])
    })

  return Effect.fnUntraced(function* (call) {
    const asked = yield* askedBy(call)
    const path = yield* Effect.catchTag(allowedFolder(config.get().disk.roots, asked.path), "PathRefused", (refused) =>
      refusal(call, refused)
    )
    const reading = yield* Effect.mapError(disk.count({ path, depth: asked.depth, cross: asked.cross }), toolFailure)
    return jsonResponse(answerOf({ ...asked, path }, reading, yield* filesystems(path)))
  })
}

const refusal = (call: Call, { why }: PathRefused): Effect.Effect<never, HttpFailure> => {
  switch (why) {
    case "not-allowed":
      return forbidden(call, "path not allowed")
    case "missing":
      return Effect.fail(failure(404, "path does not exist"))
    case "not-a-folder":
      return Effect.fail(failure(400, "path is not a directory"))
  }
}

const answerOf = (
  { depth, diagnostic, path, top }: Asked,
  { ageMs, stale, value }: DiskReading,
  filesystems: ReadonlyArray<Filesystem>
): typeof DiskAnswer.Type => ({
  path,
  directories: (diagnostic ? largestAtEach(value.folders, top) : value.folders).map((folder) => ({
    name: posix.basename(folder.path),
    path: folder.path,
    size_bytes: folder.bytes,
    size_human: humanSize(folder.bytes),
    depth: folder.depth,
    percentage: percent(folder.bytes, value.totalBytes)
  })),
  total_size_bytes: value.totalBytes,
  total_size_human: humanSize(value.totalBytes),
  stdout_truncated: value.truncated,
  diagnostic_mode: diagnostic,
  max_depth: depth,
  top_n: top,
  filesystems: filesystems.map(({ available_bytes, source, target, total_bytes, used_bytes, used_percent }) => ({
    source,
    target,
    total_bytes,
    total_human: humanSize(total_bytes),
    used_bytes,
    used_human: humanSize(used_bytes),
    available_bytes,
    available_human: humanSize(available_bytes),
    used_percent
  })),
  partial: value.partial,
  age_ms: ageMs,
  stale
})

/** They come with the largest first. */
const largestAtEach = (folders: ReadonlyArray<CountedFolder>, top: number): ReadonlyArray<CountedFolder> => {
  const shown = new Map<number, number>()
  return folders.filter(({ depth }) => {
    const before = shown.get(depth) ?? 0
    shown.set(depth, before + 1)
    return before < top
  })
}
