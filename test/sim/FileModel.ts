/**
 * What the uploaded files hold: at every moment, and after every crash, all of one upload or all of another, never a
 * part; and once an upload was acknowledged never one that had ended before it began.
 */
import type { Judge } from "./Judge.ts"

interface Version {
  readonly text: string
  readonly begun: number
  /** Infinite while something may still come of it. */
  ended: number
  acknowledged: boolean
}

export class FileModel {
  private readonly versions = new Map<string, Array<Version>>()
  private moment = 0
  private readonly judge: Judge
  private readonly contentOf: (path: string) => string | undefined

  constructor(judge: Judge, contentOf: (path: string) => string | undefined) {
    this.judge = judge
    this.contentOf = contentOf
  }

  begins(path: string, text: string): Version {
    const version: Version = { text, begun: this.moment++, ended: Number.POSITIVE_INFINITY, acknowledged: false }
    const known = this.versions.get(path) ?? []
    this.versions.set(path, known)
    known.push(version)
    return version
  }

  acknowledged(path: string, version: Version): void {
    version.acknowledged = true
    version.ended = this.moment++
    this.check(path)
  }

  failed(version: Version): void {
    version.ended = this.moment++
  }

  /** What was begun in a process that is no more goes no further. */
  processEnded(): void {
    for (const version of [...this.versions.values()].flat()) version.ended = Math.min(version.ended, this.moment)
    this.moment += 1
    for (const path of this.versions.keys()) this.check(path)
  }

  check(path: string): void {
    const versions = this.versions.get(path)
    if (versions === undefined) return
    const content = this.contentOf(path)
    const acknowledged = versions.filter((version) => version.acknowledged)
    const found = versions.find(({ text }) => text === content)
    if (content === undefined) {
      this.judge.check(acknowledged.length === 0, "acknowledged file stays", () => `${path} is gone`)
      return
    }
    if (found === undefined) {
      this.judge.fail("files are whole", `${path} holds ${content.length} bytes: ${content.slice(0, 40)}…`)
      return
    }
    const newer = acknowledged.find(({ begun }) => found.ended < begun)
    this.judge.check(
      newer === undefined,
      "acknowledged file stays",
      () =>
        `${path} holds ${content.slice(0, 10)}…, which had ended before ${newer?.text.slice(0, 10) ?? ""}… began, which was acknowledged`
    )
  }
}
