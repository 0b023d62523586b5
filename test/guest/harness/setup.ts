/**
 * Before the first test with a guest: makes what all of them share, so that none of them waits for it in its own time, and
 * says once why this machine has none, where it has not.
 */
import { whyNoGuest } from "./machine.ts"
import { prepared } from "./rootFileSystem.ts"

export default async (): Promise<void> => {
  const why = whyNoGuest()
  if (why === undefined) await prepared()
  else console.warn(`No test in a guest is run: ${why}`)
}
