/**
 * What the daemon does with FIFOs, as a service, so that a test can put another one in its place. The real one is the
 * files beside this one, over node:fs, node:net and the program `mkfifo`.
 */
import * as fs from "node:fs/promises"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { hasErrno } from "../errno.ts"
import { type AsideFile, openAside } from "./AsideFile.ts"
import { type Placed, place } from "./FifoPlace.ts"
import { identityOf, type OpenFifo, openFifo, type Receive } from "./FifoSocket.ts"
import { attempt, type FifoUnusable } from "./FifoUnusable.ts"

export class Fifo extends Context.Service<
  Fifo,
  {
    /** Sees to it that a FIFO is at the path, with this mode if it has to be made. */
    readonly place: (path: string, mode: number) => Effect.Effect<Placed, FifoUnusable>
    /**
     * Opens it, which lets waiting writers go on; nothing is read before `resume`. Closing the scope gives the receiver
     * what is left in it.
     */
    readonly open: (path: string, receive: Receive) => Effect.Effect<OpenFifo, FifoUnusable, Scope.Scope>
    /** The identity of what is at the path now; undefined when nothing is. */
    readonly identity: (path: string) => Effect.Effect<string | undefined, FifoUnusable>
    /** The file that was in the FIFO's place and is not ingested yet, if there is one. */
    readonly openAside: (path: string) => Effect.Effect<AsideFile | undefined, FifoUnusable, Scope.Scope>
  }
>()("systemapi/services/fifo/Fifo") {
  static readonly layer = Layer.succeed(Fifo, {
    place,
    open: openFifo,
    identity: (path) => attempt(path, "look at it", () => lookUp(path)),
    openAside
  })
}

const lookUp = async (path: string): Promise<string | undefined> => {
  try {
    return identityOf(await fs.stat(path, { bigint: true }))
  } catch (cause) {
    if (hasErrno(cause, "ENOENT")) return undefined
    throw cause
  }
}
