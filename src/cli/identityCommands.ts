/** The commands of the identity store, their flags and what the help says of them; what they do is loaded with each. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type { Place } from "./consoleStore.ts"
import { orUndefined } from "./orUndefined.ts"

const place = {
  config: orUndefined(
    Flag.String("config").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription(
        "Configuration file that says where the identity store is (auth.identity_path), and which roles there are"
      )
    )
  ),
  store: orUndefined(
    Flag.String("store").pipe(
      Flag.withMetavar("DIR"),
      Flag.withDescription(
        "Folder of the event log, with the identity store in it (default: the first of $STATE_DIRECTORY, else systemapi-state)"
      )
    )
  ),
  identity: orUndefined(
    Flag.String("identity").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("The file of the identity store itself")
    )
  )
}

/** The flags of a place as one, beside those of the command. */
const placed = <A extends Place>({ config, identity, store, ...rest }: A) => ({
  ...rest,
  place: { config, identity, store }
})

const named = (what: string) => Argument.String("NAME").pipe(Argument.withDescription(what))

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON, as the API has it"), Flag.withDefault(false))

const role = Flag.String("role").pipe(
  Flag.withMetavar("ROLE"),
  Flag.withDescription("A role of the user; give it again for each further one"),
  Flag.atLeast(1)
)

const passwordStdin = Flag.Boolean("password-stdin").pipe(
  Flag.withDescription(
    "Read the password from standard input. Without it, it is asked for at a terminal, and otherwise made up and printed once"
  ),
  Flag.withDefault(false)
)

const users = Effect.promise(() => import("./userCommand.ts"))
const tokens = Effect.promise(() => import("./tokenCommand.ts"))
const keys = Effect.promise(() => import("./keyCommand.ts"))

const userName = { name: named("Name of the user"), ...place }

const userCommands = Command.make("user").pipe(
  Command.withDescription("See, make and change the users of the identity store, beside a running daemon or without"),
  Command.withSubcommands([
    Command.make("add", { ...userName, roles: role, passwordStdin }, (given) =>
      Effect.flatMap(users, ({ add }) => add(placed(given)))
    ).pipe(Command.withDescription("Add a user")),
    Command.make("list", { json, ...place }, (given) => Effect.flatMap(users, ({ list }) => list(placed(given)))).pipe(
      Command.withDescription("List the users")
    ),
    Command.make("passwd", { ...userName, passwordStdin }, (given) =>
      Effect.flatMap(users, ({ passwd }) => passwd(placed(given)))
    ).pipe(Command.withDescription("Set a user's password, and end the user's logins")),
    Command.make("roles", { ...userName, roles: role }, (given) =>
      Effect.flatMap(users, ({ roles }) => roles(placed(given)))
    ).pipe(Command.withDescription("Give a user these roles and no others")),
    Command.make("disable", userName, (given) => Effect.flatMap(users, ({ disable }) => disable(placed(given)))).pipe(
      Command.withDescription("Let a user in no more, and end the user's logins; service tokens rest meanwhile")
    ),
    Command.make("enable", userName, (given) => Effect.flatMap(users, ({ enable }) => enable(placed(given)))).pipe(
      Command.withDescription("Let a user in again")
    ),
    Command.make("logout", userName, (given) => Effect.flatMap(users, ({ logout }) => logout(placed(given)))).pipe(
      Command.withDescription("End every login of a user")
    ),
    Command.make("delete", userName, (given) => Effect.flatMap(users, ({ remove }) => remove(placed(given)))).pipe(
      Command.withDescription("Delete a user, with the user's logins and service tokens")
    )
  ])
)

const tokenCommands = Command.make("token").pipe(
  Command.withDescription("See, make and revoke service tokens of programs"),
  Command.withSubcommands([
    Command.make(
      "create",
      {
        name: named("What the token is for; it is token:NAME in the audit log"),
        ...place,
        permissions: Flag.String("permission").pipe(
          Flag.withMetavar("PERMISSION"),
          Flag.withDescription(
            "What it may do, such as events:read or actions:run:*; give it again for each further one"
          ),
          Flag.atLeast(1)
        ),
        owner: orUndefined(
          Flag.String("owner").pipe(
            Flag.withMetavar("USER"),
            Flag.withDescription("User who answers for it, and beyond whose permissions it never goes (default: none)")
          )
        ),
        expires: orUndefined(
          Flag.String("expires").pipe(
            Flag.withMetavar("TIME"),
            Flag.withDescription("How long it is good: 12h, 30d, 8w (default: until it is revoked)")
          )
        )
      },
      (given) => Effect.flatMap(tokens, ({ create }) => create(placed(given)))
    ).pipe(Command.withDescription("Make a service token and print it, this once")),
    Command.make("list", { json, ...place }, (given) => Effect.flatMap(tokens, ({ list }) => list(placed(given)))).pipe(
      Command.withDescription("List the service tokens, never their secrets")
    ),
    Command.make(
      "revoke",
      { id: Argument.String("ID").pipe(Argument.withDescription("As token list shows it")), ...place },
      (given) => Effect.flatMap(tokens, ({ revoke }) => revoke(placed(given)))
    ).pipe(Command.withDescription("Revoke a service token"))
  ])
)

const keyCommands = Command.make("key").pipe(
  Command.withDescription("See and replace the keys that sign access tokens"),
  Command.withSubcommands([
    Command.make("list", { json, ...place }, (given) => Effect.flatMap(keys, ({ list }) => list(placed(given)))).pipe(
      Command.withDescription("List the keys, never the keys themselves")
    ),
    Command.make("rotate", place, (given) => Effect.flatMap(keys, ({ rotate }) => rotate(placed(given)))).pipe(
      Command.withDescription("Make a key that signs from now on; tokens of the one before count until they expire")
    )
  ])
)

export const identityCommands = [userCommands, tokenCommands, keyCommands] as const
