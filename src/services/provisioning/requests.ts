/**
 * What may be asked of servers, task services and workspaces: the members of each request and what they may be. One
 * place for requests over HTTP and for the steps of workflows, so that nothing reaches a driver that is not of these
 * shapes.
 *
 * Every name begins with a letter or digit and has no blank, comma, slash at its start, quote, `$`, `;` or control
 * character: as an element of an argument vector it is never an option, as part of a path never another folder, and a list
 * of them is joined by commas. Members that are not known are left out: clients of the contract may know more than we do.
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** A machine has a handful; more is a list that belongs somewhere else. */
const tagsMax = 64
/** More than anybody installs one thing on with one call; the argument vector stays far below what a system takes. */
const serversMax = 256

const descriptionMax = 1024

const nameExpected = "1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', a letter or digit first"
const named = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/u, { expected: nameExpected }))

const label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
const hostnameMax = 253

/** RFC 1123. Case tells no host from another: it is kept in small letters. */
const Hostname = Schema.String.check(
  Schema.isMaxLength(hostnameMax),
  Schema.isPattern(new RegExp(`^${label}(?:\\.${label})*$`, "u"), {
    expected: "a host name (RFC 1123): labels of 1 to 63 letters, digits and '-' between dots, no '-' at either end"
  })
).pipe(Schema.decode(SchemaTransformation.toLowerCase()))

const Plan = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/u, {
    expected: "1 to 128 of A-Z, a-z, 0-9, '.', '_', '+' and '-', a letter or digit first"
  })
)

const Tag = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._:=/@+-]{0,127}$/u, {
    expected: "1 to 128 of A-Z, a-z, 0-9 and ._:=/@+-, a letter or digit first"
  })
)

/** What the original's own clients send for what they do not say. */
const orNull = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const checkMode = orNull(
  Schema.Boolean.annotate({ description: "A dry run: it is told what would be done, and nothing is changed" })
)

export const workspaceName = named.annotate({ description: "What it belongs to; made with the first thing in it" })

export const NewServer = Schema.Struct({
  workspace: workspaceName,
  provider: named,
  plan: Plan,
  hostname: Hostname.annotate({ description: "Unique within the workspace; kept in small letters" }),
  zone: orNull(named),
  check_mode: checkMode,
  tags: orNull(Schema.Array(Tag).check(Schema.isMaxLength(tagsMax), Schema.isUnique()))
}).annotate({ identifier: "NewServer" })

export const NewTaskserv = Schema.Struct({
  workspace: workspaceName,
  name: named.annotate({ description: "Unique within the workspace" }),
  servers: Schema.Array(Hostname)
    .check(Schema.isMinLength(1), Schema.isMaxLength(serversMax), Schema.isUnique())
    .annotate({ description: "Host names of the servers it runs on" }),
  check_mode: checkMode
}).annotate({ identifier: "NewTaskserv" })

export const NewWorkspace = Schema.Struct({
  name: named,
  description: orNull(Schema.String.check(Schema.isMaxLength(descriptionMax)))
}).annotate({ identifier: "NewWorkspace" })

/** Of ours and of providers: what can stand in a path as it is. */
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/u

export const isId = (text: string): boolean => idPattern.test(text)

const Id = Schema.String.check(Schema.isPattern(idPattern, { expected: "an id" }))

/** By its id, or by the names that a workflow knows it by. */
export const DeleteServer = Schema.Union([
  Schema.Struct({ server_id: Id, check_mode: checkMode }),
  Schema.Struct({ workspace: workspaceName, hostname: Hostname, check_mode: checkMode })
])

export const DeleteTaskserv = Schema.Union([
  Schema.Struct({ taskserv_id: Id, check_mode: checkMode }),
  Schema.Struct({ workspace: workspaceName, name: named, check_mode: checkMode })
])
