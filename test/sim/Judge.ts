/**
 * Where invariants are held against what happened. The first one that is broken stands: what follows from it is noise.
 * Nothing is thrown, for what watches runs inside of the daemon's own fibers, which would take it for a defect of theirs.
 */
export type Invariant =
  | "acknowledged is stored"
  | "refused is not stored"
  | "stored once"
  | "fifo order"
  | "fifo arrives"
  | "journal once, in order"
  | "readers see the log"
  | "followers miss nothing"
  | "audit is told"
  | "no permission is skipped"
  | "the password opens"
  | "files are whole"
  | "acknowledged file stays"
  | "commands run once"
  | "answers belong to their request"
  | "actions are told in order"
  | "bounds hold"
  | "nothing hangs"
  | "nothing unforeseen"
  | "stops in order"

export interface Broken {
  readonly invariant: Invariant
  readonly what: string
}

export class Judge {
  broken: Broken | undefined

  check(holds: boolean, invariant: Invariant, what: () => string): void {
    if (!holds && this.broken === undefined) this.broken = { invariant, what: what() }
  }

  fail(invariant: Invariant, what: string): void {
    this.check(false, invariant, () => what)
  }
}
