import { assert } from "@effect/vitest"
import { faultOf, type StorageFault } from "../../../src/services/storage/sqliteFault.ts"

/** What the failure of this means for the store; fails when it works. */
export const faultWhen = (act: () => unknown): StorageFault => {
  try {
    act()
  } catch (error) {
    return faultOf(error)
  }
  return assert.fail("it worked")
}
