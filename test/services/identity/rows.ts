import type { User } from "../../../src/services/identity/IdentityStore.ts"

export const userOf = (name: string, more: Partial<User> = {}): User => ({
  name,
  roles: ["viewer"],
  passwordHash: undefined,
  disabled: false,
  sessionsFrom: 0,
  createdAt: 0,
  updatedAt: 0,
  ...more
})

/** Of refresh tokens that are told apart by a number. */
export const hashOf = (number: number): Uint8Array => {
  const bytes = Buffer.alloc(32)
  bytes.writeUInt32BE(number)
  return Uint8Array.from(bytes)
}
