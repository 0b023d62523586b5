/** Which password opens the daemon, as far as its clients can know: a change that was not confirmed may have come about. */
export class SecretModel {
  current: string
  /** Changes in hand, and those of which nobody knows what became. */
  private open = new Set<string>()

  constructor(first: string) {
    this.current = first
  }

  get isSure(): boolean {
    return this.open.size === 0
  }
}
