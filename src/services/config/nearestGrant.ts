/** What was probably meant by a grant that matches no permission: the known words nearest to its own. */
import { permissions } from "../identity/Permission.ts"
import { nearest } from "./unknownKeys.ts"

/** `events` → `read`, `write`; whether a thing's name follows. */
const verbsOf = new Map<string, Map<string, boolean>>()
for (const permission of Object.keys(permissions)) {
  const [area = "", verb = "", name] = permission.split(":")
  const verbs = verbsOf.get(area) ?? new Map<string, boolean>()
  verbsOf.set(area, verbs.set(verb, name !== undefined))
}

/** A wrong verb gets no other that is not like it: what is suggested is granted. */
export const nearestGrant = (grant: string): string | undefined => {
  const [written = "", verb, ...name] = grant.split(":")
  const area = nearest(written.replaceAll("*", ""), [...verbsOf.keys()])
  if (area === undefined) return undefined
  if (verb === undefined || verb.endsWith("*")) return `${area}:*`
  const verbs = verbsOf.get(area)
  const near = nearest(verb, [...(verbs?.keys() ?? [])])
  if (near === undefined) return undefined
  const thing = name.length === 0 ? "*" : name.join(":")
  return verbs?.get(near) === true ? `${area}:${near}:${thing}` : `${area}:${near}`
}
