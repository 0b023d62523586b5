import { describe, it } from "@effect/vitest"
import { expect } from "vitest"
import { permissionMatrix } from "../../../scripts/permissionMatrix.ts"

describe("docs/permissions.md", () => {
  it("is what the endpoints and roles say", async () => {
    await expect(permissionMatrix()).toMatchFileSnapshot("../../../docs/permissions.md")
  })
})
