/** What the audit log is to say of a change that a command at the console makes; never with a secret. */
import type { ConsoleAct } from "../services/identity/ConsoleNotes.ts"
import type { IdentityCommand, StoredChange } from "../services/storage/identity/commands.ts"

type Act = Omit<ConsoleAct, "at" | "who">

/** Undefined: nothing that the audit log has to know. */
export const actOf = (command: IdentityCommand): Act | undefined => {
  switch (command.tag) {
    case "create-user": {
      const { name, roles } = command.user
      return { action: "user.created", on: name, detail: `roles: ${roles.join(", ")}` }
    }
    case "change-user":
      return { on: command.name, ...changeOf(command.change) }
    case "delete-user":
      return { action: "user.deleted", on: command.name }
    case "create-token": {
      const { id, name, owner, permissions } = command.token
      const of = owner === undefined ? "" : `; owner: ${owner}`
      return {
        action: "token.created",
        on: name,
        detail: `permissions: ${permissions.join(", ")}${of}`,
        credential: id
      }
    }
    case "revoke-token":
      return { action: "token.revoked", on: command.id, credential: command.id }
    case "add-key":
      return { action: "key.rotated", on: command.key.kid }
    default:
      return undefined
  }
}

const changeOf = ({ disabled, passwordHash, roles }: StoredChange): Pick<Act, "action" | "detail"> => {
  if (passwordHash !== undefined) return { action: "password.changed" }
  if (roles !== undefined) return { action: "user.changed", detail: `roles: ${roles.join(", ")}` }
  if (disabled !== undefined) return { action: "user.changed", detail: disabled ? "disabled" : "enabled" }
  return { action: "sessions.ended" }
}
