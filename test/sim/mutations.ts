/**
 * The daemon broken on purpose, one way at a time, by a part put in the place of the real one. The simulator is worth
 * what it finds: each of these has to be noticed within a few seeds, and for the reason that it is wrong.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Mailbox } from "../../src/actors/kernel/Mailbox.ts"
import { nobody } from "../../src/services/auth/Authenticator.ts"
import type { SeqRange } from "../../src/services/events/Event.ts"
import { PermissionSet } from "../../src/services/identity/Permission.ts"
import type { Invariant } from "./Judge.ts"
import type { Mutate } from "./Simulation.ts"

export interface Mutation {
  readonly name: string
  /** What is wrong with it, which has to be noticed. */
  readonly breaks: Invariant
  /** What may be noticed first in a run, because it follows from that. */
  readonly also: ReadonlyArray<Invariant>
  readonly mutate: Mutate
}

const isMailbox = (value: object): value is Mailbox<unknown> => "takeUpTo" in value && "stats" in value

export const mutations: ReadonlyArray<Mutation> = [
  {
    name: "an append is acknowledged before it is on the disk",
    breaks: "acknowledged is stored",
    also: ["readers see the log", "fifo order", "followers miss nothing"],
    mutate: () => ({
      storage: (real) => {
        let last: number | undefined
        return {
          ...real,
          append: (runs, marks) =>
            Effect.gen(function* () {
              const first: number = (last ?? (yield* real.state).last) + 1
              last = first - 1 + runs.reduce((sum, { messages }) => sum + messages.length, 0)
              yield* Effect.forkDetach(real.append(runs, marks))
              const range: SeqRange = { first, last }
              return range
            })
        }
      }
    })
  },
  {
    name: "what waits in a mailbox is dropped when its actor is restarted",
    breaks: "nothing hangs",
    also: ["fifo arrives", "stops in order", "audit is told"],
    mutate: () => ({
      supervisor: (real) => ({
        ...real,
        start: (child) => {
          const { mailbox } = child
          if (mailbox === undefined || !isMailbox(mailbox)) return real.start(child)
          const drop = Effect.suspend(() => {
            const { depth } = mailbox.stats()
            return depth === 0 ? Effect.void : Effect.asVoid(mailbox.takeUpTo(depth))
          })
          const abandonInHand = Effect.andThen(mailbox.abandonInHand, drop)
          return real.start({ ...child, mailbox: { ...mailbox, abandonInHand } })
        }
      })
    })
  },
  {
    name: "a FIFO is read on, however much waits for the log",
    breaks: "bounds hold",
    also: [],
    mutate: () => ({
      fifo: (real) => ({
        ...real,
        open: (path, receive) =>
          real.open(path, (bytes) => {
            receive(bytes)
            return true
          })
      })
    })
  },
  {
    name: "any number of commands may wait for their turn",
    breaks: "bounds hold",
    also: [],
    mutate: () => ({
      executor: (real) => ({ ...real, run: (request) => real.run({ ...request, queueLength: 1_000_000 }) })
    })
  },
  {
    name: "one more command runs than may",
    breaks: "bounds hold",
    also: [],
    mutate: () => ({
      executor: (real) => ({
        ...real,
        run: (request) => real.run({ ...request, concurrency: request.concurrency + 1 })
      })
    })
  },
  {
    name: "who gives no password is let in",
    breaks: "no permission is skipped",
    also: ["files are whole", "commands run once"],
    mutate: () => ({
      authenticator: (real) => ({
        authenticate: (attempt) =>
          attempt.authorization === undefined
            ? Effect.succeed({
                _tag: "admitted",
                principal: nobody(PermissionSet.everything, ["admin"]),
                secretVersion: 0
              } as const)
            : real.authenticate(attempt)
      })
    })
  },
  {
    name: "a password that was right once opens for ever",
    breaks: "no permission is skipped",
    also: ["files are whole", "commands run once"],
    mutate: () => {
      const known = new Set<string>()
      return {
        auth: (real) => ({
          authenticate: (attempt) =>
            Effect.map(real.authenticate(attempt), (outcome) => {
              const given = attempt.authorization ?? ""
              if (outcome._tag === "admin") known.add(given)
              return known.has(given) ? ({ _tag: "admin", secretVersion: 0 } as const) : outcome
            })
        })
      }
    }
  },
  {
    name: "a file is written in its place instead of being replaced",
    breaks: "files are whole",
    also: [],
    mutate: () => ({
      disk: (real) => ({
        ...real,
        rename: (from, to) =>
          Effect.gen(function* () {
            const bytes = yield* real.readFile(from, Number.MAX_SAFE_INTEGER)
            yield* Effect.ignore(real.remove(to))
            const file = yield* real.create(to)
            const half = bytes.length >> 1
            yield* file.write(bytes.subarray(0, half))
            yield* file.write(bytes.subarray(half))
            yield* file.sync
            yield* real.remove(from)
          }).pipe(Effect.scoped)
      })
    })
  },
  {
    name: "a file is renamed before its bytes are on the disk",
    breaks: "files are whole",
    also: ["acknowledged file stays", "the password opens"],
    mutate: () => ({
      disk: (real) => ({
        ...real,
        create: (path) => Effect.map(real.create(path), (file) => ({ ...file, sync: Effect.void }))
      })
    })
  },
  {
    name: "the folder of a new file is not synced",
    breaks: "acknowledged file stays",
    also: ["the password opens"],
    mutate: () => ({ disk: (real) => ({ ...real, syncFolder: () => Effect.void }) })
  },
  {
    name: "the end of an action is told twice",
    breaks: "actions are told in order",
    also: [],
    mutate: () => ({
      log: (real) => ({
        ...real,
        bounds: real.bounds,
        record: (message, options) =>
          message.startsWith("executing action success")
            ? Effect.andThen(real.record(message, options), real.record(message, options))
            : real.record(message, options)
      })
    })
  },
  {
    name: "the end of an action is looked for before it is in the log",
    breaks: "actions are told in order",
    also: [],
    mutate: () => ({ log: (real) => ({ ...real, bounds: real.bounds, recorded: Effect.void }) })
  },
  {
    name: "an action whose command was lost is run again",
    breaks: "commands run once",
    also: ["bounds hold"],
    mutate: () => ({
      executor: (real) => ({
        ...real,
        run: (request) => Effect.catchTag(real.run(request), "CommandLost", () => real.run(request))
      })
    })
  },
  {
    name: "a follower skips a page now and then",
    breaks: "followers miss nothing",
    also: ["readers see the log"],
    mutate: () => {
      let asked = 0
      return {
        log: (real) => ({
          ...real,
          query: (query) =>
            Effect.map(real.query(query), (page) => {
              asked += 1
              return asked % 7 === 0 && page.events.length > 0 ? { ...page, events: [] } : page
            })
        })
      }
    }
  },
  {
    name: "events that a full disk refuses are acknowledged",
    breaks: "acknowledged is stored",
    also: ["fifo order", "fifo arrives"],
    mutate: () => ({
      log: (real) => ({
        ...real,
        append: (runs) =>
          Effect.catchTag(real.append(runs), "StoreFull", () => Effect.succeed({ first: 1, last: runs.length }))
      })
    })
  },
  {
    name: "an append whose outcome is unknown is sent again",
    breaks: "stored once",
    also: [],
    mutate: () => ({
      log: (real) => ({
        ...real,
        append: (runs) => Effect.catchTag(real.append(runs), "StoreFailed", () => real.append(runs))
      })
    })
  },
  {
    name: "how far a journal was read is stored behind what was read",
    breaks: "journal once, in order",
    also: [],
    mutate: () => ({
      storage: (real) => ({
        ...real,
        append: (runs, marks) =>
          marks === undefined || marks.size === 0
            ? real.append(runs)
            : Effect.tap(real.append(runs), () => real.append([], marks))
      })
    })
  },
  {
    name: "how far a journal was read is stored ahead of what was read",
    breaks: "journal once, in order",
    also: [],
    mutate: () => ({
      storage: (real) => ({
        ...real,
        append: (runs, marks) =>
          marks === undefined || marks.size === 0
            ? real.append(runs)
            : Effect.andThen(real.append([], marks), real.append(runs))
      })
    })
  },
  {
    name: "a mark is moved from wherever it is",
    breaks: "journal once, in order",
    also: [],
    mutate: () => ({
      log: (real) => ({
        ...real,
        bounds: real.bounds,
        appendMarked: (runs, move) =>
          Effect.flatMap(real.mark(move.name), (from) => real.appendMarked(runs, { ...move, from }))
      })
    })
  },
  {
    name: "a command that does not end is waited for without end",
    breaks: "nothing hangs",
    also: ["stops in order"],
    mutate: () => ({
      executor: (real) => ({
        ...real,
        run: (request) => real.run({ ...request, timeout: Duration.days(1) })
      })
    })
  }
]
