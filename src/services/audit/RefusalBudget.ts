/**
 * Which refusals get an entry of their own, and what becomes of the rest: a flood of them must fill neither the log nor
 * the disk, and none may go uncounted.
 *
 * Two token buckets are charged for each, that of the client's network and that of all. What neither has a token for is
 * added to a sum of its network and reason, and the sums are taken every `sumEvery` for one entry each. Bounds:
 * `networksMax` buckets, of which the one longest unused goes first, and `sumsMax` sums; what would need another is
 * added to the sum of the same status from everywhere, and of those there are as many as statuses.
 */
import { networkOf } from "../auth/NetworkOf.ts"
import type { AuditEntry } from "./Audit.ts"
import type { Summed } from "./auditEvent.ts"

/** A person who mistypes, a script that is not let in: each of its tries can be read. */
const perNetwork = { burst: 20, perSecond: 0.2 }

/** Some forty megabytes of entries a day at the most, of which `audit.max_count` keeps the newest. */
const inAll = { burst: 200, perSecond: 1 }

/** About half a megabyte. */
const networksMax = 4096

/** As many entries every ten seconds are what a flood from everywhere may cost. */
const sumsMax = 256

/** Part of a reason; a caller may choose what is in it. */
const reasonMax = 160

interface Bucket {
  tokens: number
  /** Nanoseconds of the monotonic clock at which `tokens` was right. */
  at: bigint
}

interface Sum {
  readonly entry: AuditEntry
  count: number
  readonly firstAt: bigint
  lastAt: bigint
}

const charge = (bucket: Bucket, rate: typeof inAll, now: bigint): void => {
  const seconds = Math.max(0, Number(now - bucket.at) / 1e9)
  bucket.tokens = Math.min(rate.burst, bucket.tokens + seconds * rate.perSecond)
  bucket.at = now
}

export class RefusalBudget {
  /** In the order of their last use. */
  private readonly buckets = new Map<string, Bucket>()
  private readonly all: Bucket = { tokens: inAll.burst, at: 0n }
  private sums = new Map<string, Sum>()

  /** Whether it is within the budget; where it is not, or everything is to be summed, it has been added to a sum. */
  admits(entry: AuditEntry, wall: bigint, monotonic: bigint, sumAll: boolean): boolean {
    const network = networkOf(entry.address)
    const own = this.bucketOf(network, monotonic)
    charge(this.all, inAll, monotonic)
    if (!sumAll && own.tokens >= 1 && this.all.tokens >= 1) {
      own.tokens -= 1
      this.all.tokens -= 1
      return true
    }
    this.add(entry, network, wall)
    return false
  }

  private add(entry: AuditEntry, network: string, wall: bigint): void {
    const { action, detail, listener, status, who } = entry
    const reason = `${who} ${action} ${status} ${listener} ${(detail ?? "").slice(0, reasonMax)}`
    const key = `${network} ${reason}`
    const anywhere = this.sums.size >= sumsMax && !this.sums.has(key)
    const sumKey = anywhere ? `* ${action} ${status}` : key
    const found = this.sums.get(sumKey)
    if (found !== undefined) {
      found.count += 1
      found.lastAt = wall
      return
    }
    const sum: AuditEntry = {
      action,
      outcome: entry.outcome,
      who: anywhere ? undefined : who,
      kind: entry.kind,
      address: anywhere ? "*" : network,
      listener: anywhere ? "*" : listener,
      requestId: undefined,
      on: undefined,
      ...(status === undefined ? {} : { status }),
      detail: anywhere ? undefined : detail
    }
    this.sums.set(sumKey, { entry: sum, count: 1, firstAt: wall, lastAt: wall })
  }

  /** The sums so far; they begin anew. */
  take(): ReadonlyArray<{ readonly entry: AuditEntry; readonly summed: Summed }> {
    const taken = [...this.sums.values()]
    this.sums = new Map()
    return taken.map(({ count, entry, firstAt, lastAt }) => ({ entry, summed: { count, firstAt, lastAt } }))
  }

  private bucketOf(network: string, now: bigint): Bucket {
    const bucket = this.buckets.get(network) ?? { tokens: perNetwork.burst, at: now }
    this.buckets.delete(network)
    this.buckets.set(network, bucket)
    if (this.buckets.size > networksMax) {
      for (const longestUnused of this.buckets.keys()) {
        this.buckets.delete(longestUnused)
        break
      }
    }
    charge(bucket, perNetwork, now)
    return bucket
  }
}
