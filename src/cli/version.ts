/**
 * The version of this program: put in by the bundler, and read from package.json where it runs from its sources.
 */
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"

declare const SYSTEMAPI_VERSION: string | undefined

const Package = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

/** Reads a small file synchronously, once, before anything runs; a bundle reads none. */
export const version = (): string =>
  typeof SYSTEMAPI_VERSION === "string"
    ? SYSTEMAPI_VERSION
    : Schema.decodeSync(Package)(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version
