/**
 * The storage's thread as it is before it knows what to open. It takes as long to come up as the code that reads the
 * configuration, so a start that will need one asks for it first of all (`comingUp`), and whoever connects takes that one.
 *
 * Never: Effect, or anything else that takes time to load.
 */
import { Worker } from "node:worker_threads"
import { workerUrl } from "../workers/workerUrl.ts"

const start = (): Worker => new Worker(workerUrl("storage", import.meta.url), { name: "storage" })

let early: Worker | undefined

/** It keeps no process alive that turns out to need none. */
export const comingUp = (): void => {
  early = start()
  early.unref()
}

/** One that has been asked for and not been taken, else a new one. */
export const takeThread = (): Worker => {
  const thread = early ?? start()
  early = undefined
  thread.ref()
  return thread
}
