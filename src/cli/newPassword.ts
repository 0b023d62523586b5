/**
 * The password that a command at the console is to set: from standard input, asked for where somebody sits at a terminal
 * (without showing it, twice), or made up and told once. Never from the command line, which every process can read.
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Prompt from "effect/cli/Prompt"
import * as Redacted from "effect/Redacted"
import { passwordBytesMax } from "../services/auth/passwordFault.ts"
import { refused } from "./consoleStore.ts"

export interface NewPassword {
  readonly bytes: Redacted.Redacted<Uint8Array>
  /** Nobody knows it yet but this command, which has to tell. */
  readonly isMadeUp: boolean
}

/** 144 random bits; more where the configuration wants longer ones. */
const madeUpCharsMin = 24

const madeUp = (charsMin: number): NewPassword => {
  const chars = Math.max(madeUpCharsMin, charsMin)
  const text = randomBytes(chars).toString("base64url").slice(0, chars)
  return { bytes: Redacted.make(Buffer.from(text)), isMadeUp: true }
}

const given = (bytes: Uint8Array): NewPassword => ({ bytes: Redacted.make(bytes), isMadeUp: false })

/** A newline at its end is the shell's, not the password's. */
const fromStandardInput = Effect.tryPromise({
  try: async () => {
    const pieces: Array<Buffer> = []
    let length = 0
    for await (const piece of process.stdin) {
      const bytes = Buffer.from(piece)
      length += bytes.length
      // One that is too long is refused by its length, whatever else there is.
      if (length > 2 * passwordBytesMax) break
      pieces.push(bytes)
    }
    const all = Buffer.concat(pieces)
    const end = all.at(-1) === 0x0a ? (all.at(-2) === 0x0d ? -2 : -1) : all.length
    return given(all.subarray(0, end))
  },
  catch: (error) => refused(`standard input: ${error instanceof Error ? error.message : String(error)}`)
})

const asked = Effect.fnUntraced(function* (user: string, charsMin: number) {
  const ask = (message: string) =>
    Effect.mapError(Prompt.run(Prompt.Hidden({ message })), () => refused("no password was given"))
  const first = yield* ask(`Password of ${user} (empty: make one up)`)
  if (Redacted.value(first) === "") return madeUp(charsMin)
  const second = yield* ask("The same again")
  if (Redacted.value(first) !== Redacted.value(second)) return yield* refused("the two passwords differ")
  return given(Buffer.from(Redacted.value(first)))
})

export const newPassword = (user: string, fromStdin: boolean, charsMin: number) => {
  if (fromStdin) return fromStandardInput
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY
  return isTerminal ? asked(user, charsMin) : Effect.succeed(madeUp(charsMin))
}
