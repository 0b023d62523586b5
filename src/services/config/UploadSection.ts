/**
 * `[file_uploads]`: name = "path", or a table that says how large the file may be, whose it is and what runs after it.
 */
import * as Schema from "effect/Schema"
import { account, integer, key, octalMode, optional, path, required, text } from "./keys.ts"

const gibibyte = 1024 * 1024 * 1024

/** The mode of a new file; one that is there already keeps its own. */
const defaultUploadMode = "0644"

export const UploadTable = Schema.Struct({
  path: required(path, { description: "Where the file goes." }),
  max_bytes: key(integer(1, Number.MAX_SAFE_INTEGER), gibibyte, {
    description: "Largest upload; more is answered 413."
  }),
  mode: optional(octalMode, {
    description: `Mode of the file. Default: that of the file that is there, ${defaultUploadMode} for a new one.`
  }),
  owner: optional(account, { description: "Owner of the file. Default: the daemon's user." }),
  group: optional(account, { description: "Group of the file. Default: the daemon's group." }),
  // oxlint-disable-next-line unicorn/no-thenable -- the file's key; a schema, and text once decoded: nothing to call.
  then: optional(text(128), { description: "Action to run once the file is in place; it must not require arguments." })
}).annotate({ description: "Where an upload goes.", allowed: "a table" })

export type UploadTable = typeof UploadTable.Type

export const UploadEntry = Schema.Union([path, UploadTable]).annotate({ allowed: "a path or a table" })

export const Uploads = Schema.Record(Schema.String, UploadEntry).annotate({
  description: "Files that may be written over HTTP, by name.",
  allowed: "a table"
})
