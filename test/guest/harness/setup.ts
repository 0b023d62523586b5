/**
 * Before the first test with a guest: makes what all of them share, so that none of them waits for it in its own time, and
 * says once why they are skipped, where they are.
 */
import { whyNoGuest } from "./machine.ts"
import { prepared } from "./rootFileSystem.ts"

export default async (): Promise<void> => {
  const why = whyNoGuest()
  if (why === undefined) await prepared()
  else console.warn(`Tests in a guest are skipped: ${why}`)
}
