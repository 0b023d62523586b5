/** Grants of the configuration, ready to be asked; made anew when a reload has changed them. */
import { PermissionSet } from "../../services/identity/Permission.ts"

export const grantsOf = (read: () => ReadonlyArray<string>): (() => PermissionSet) => {
  let from: ReadonlyArray<string> = []
  let made = PermissionSet.none
  return () => {
    const now = read()
    if (now !== from) {
      from = now
      made = new PermissionSet(now)
    }
    return made
  }
}
