/** Makes the list of FIFOs of what the file says in two places: `[general]`, as the original has it, and `[[pipes]]`. */
import { basename, resolve as absolute } from "node:path"
import type { Events } from "./BoundsSections.ts"
import type { PipeConfig } from "./Config.ts"
import { defaultLineMaxBytes, defaultPipeMode, type Pipe } from "./EdgeSections.ts"
import type { General } from "./GeneralSection.ts"
import { parseMode } from "./keys.ts"
import type { KeyPath, Problem } from "./Problem.ts"

export interface Edges<A> {
  readonly entries: ReadonlyArray<A>
  readonly problems: ReadonlyArray<Problem>
}

/** An original configuration may call its FIFO anything; a source is one plain word. */
const sourceOf = (path: string): string =>
  basename(path)
    .replace(/[^A-Za-z0-9._-]/gu, "_")
    .slice(0, 64) || "pipe"

export const resolvePipes = (general: General, pipes: ReadonlyArray<Pipe>, events: Events): Edges<PipeConfig> => {
  const first: ReadonlyArray<PipeConfig> =
    general.pipe_file === ""
      ? []
      : [
          {
            key: "general.pipe_file",
            path: general.pipe_file,
            source: sourceOf(general.pipe_file),
            trim: general.pipe_trim,
            skip_empty: general.pipe_skip_empty,
            given_time: general.pipe_given_time,
            line_max_bytes: Math.min(defaultLineMaxBytes, events.message_max_bytes),
            mode: parseMode(defaultPipeMode)
          }
        ]
  const more = pipes.map((pipe, index): PipeConfig => ({
    key: `pipes[${index}]`,
    path: pipe.path,
    source: pipe.source ?? sourceOf(pipe.path),
    trim: pipe.trim,
    skip_empty: pipe.skip_empty,
    given_time: pipe.given_time,
    line_max_bytes: Math.min(pipe.line_max_bytes, events.message_max_bytes),
    mode: parseMode(pipe.mode)
  }))
  const problems: Array<Problem> = []
  const paths = new Map(first.map((pipe) => [absolute(pipe.path), pipe.key]))
  const sources = new Map(first.map((pipe) => [pipe.source, pipe.key]))
  more.forEach((pipe, index) => {
    claim(paths, absolute(pipe.path), pipe, ["pipes", index, "path"], "path", problems)
    claim(sources, pipe.source, pipe, ["pipes", index, "source"], "source", problems)
  })
  return { entries: [...first, ...more], problems }
}

/** Two entries that claim one thing cannot both have it. */
export const claim = (
  taken: Map<string, string>,
  thing: string,
  by: { readonly key: string },
  path: KeyPath,
  what: string,
  problems: Array<Problem>
): void => {
  const before = taken.get(thing)
  if (before === undefined) taken.set(thing, by.key)
  else problems.push({ path, text: `has the ${what} of ${before}, allowed: one of its own` })
}
