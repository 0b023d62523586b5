/**
 * Users and groups by name, from the machine's own files (passwd(5), group(5)). Directory services are not asked: a
 * lookup that may hang on a network has no place before a command. A number stands for itself.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"

export class UnknownAccount extends Schema.TaggedError<UnknownAccount>()("UnknownAccount", {
  kind: Schema.Literals(["user", "group"]),
  name: Schema.String
}) {
  override get message() {
    return `no ${this.kind} ${JSON.stringify(this.name)} in ${this.kind === "user" ? "/etc/passwd" : "/etc/group"}`
  }
}

export interface Account {
  readonly uid: number | undefined
  readonly gid: number | undefined
}

/** A user without a group brings its own primary one. */
export const resolveAccount = Effect.fnUntraced(function* (user: string | undefined, group: string | undefined) {
  const found = user === undefined ? undefined : yield* lookup("user", user)
  const gid = group === undefined ? found?.[1] : (yield* lookup("group", group))[0]
  return { uid: found?.[0], gid } satisfies Account
})

/** The id, and for a user the primary group's. */
const lookup = Effect.fnUntraced(function* (
  kind: "user" | "group",
  name: string
): Effect.fn.Return<readonly [number, number | undefined], UnknownAccount, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const numeric = /^\d{1,10}$/u.test(name)
  const table = yield* Effect.orElseSucceed(fs.readFileString(kind === "user" ? "/etc/passwd" : "/etc/group"), () => "")
  for (const line of table.split("\n")) {
    const [entry, , id, primary] = line.split(":")
    if (id === undefined || (numeric ? id : entry) !== name) continue
    return [Number(id), kind === "user" ? Number(primary) : undefined]
  }
  if (numeric) return [Number(name), undefined]
  return yield* new UnknownAccount({ kind, name })
})
