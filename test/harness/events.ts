/** Events and queries for tests: shorthands, and the schemas property tests draw from. */
import * as Schema from "effect/Schema"
import { type EventRun, Level } from "../../src/services/events/Event.ts"
import { type EventQuery, noFilters } from "../../src/services/events/EventQuery.ts"

export const runOf = (messages: ReadonlyArray<string>, shared: Partial<EventRun> = {}): EventRun => ({
  receivedAt: 0n,
  source: "test",
  who: undefined,
  level: "info",
  fields: undefined,
  ...shared,
  messages
})

export const queryOf = (query: Partial<EventQuery> = {}): EventQuery => ({
  after: 0,
  before: Number.MAX_SAFE_INTEGER,
  order: "oldest-first",
  limit: 1000,
  filters: noFilters,
  ...query
})

const small = (max: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: max }))

/** Few letters, so that terms do occur; wildcards of SQL, both cases, and what C strings and terminals trip over. */
export const MessageText = Schema.Array(
  Schema.Literals(["a", "A", "b", "%", "_", "\\", '"', "'", " ", "é", "É", "€", "𝄞", "\u0000", "\n", "\u001b"])
)
  .check(Schema.isMaxLength(8))
  .pipe(Schema.toType)

/** Times that go back and forth over a few seconds, as a clock that is set does. */
const Seconds = small(20)
const Source = Schema.Literals(["http", "daemon", "pipe:a"])

/** Plain values; `toRun` and `toQuery` make the log's shapes of them. */
export const DrawnRun = Schema.Struct({
  at: Seconds,
  source: Source,
  who: Schema.Literals(["", "admin"]),
  level: Level,
  fields: Schema.Literals(["", '{"a":1}']),
  /** Seconds from the first time to each message's; none where all came at once. */
  offsets: Schema.Union([Schema.Literal("none"), Schema.Array(Seconds).check(Schema.isMaxLength(6))]),
  messages: Schema.Array(MessageText).check(Schema.isMinLength(1), Schema.isMaxLength(6))
})
export const DrawnRuns = Schema.Array(DrawnRun).check(Schema.isMaxLength(12))

const optional = <A>(schema: Schema.Codec<A>) => Schema.Union([Schema.Literal("none"), schema])

export const DrawnQuery = Schema.Struct({
  after: small(40),
  before: small(60),
  newestFirst: Schema.Boolean,
  limit: small(9),
  filtered: Schema.Boolean,
  since: optional(Seconds),
  until: optional(Seconds),
  source: optional(Source),
  levels: optional(Schema.Array(Level).check(Schema.isMinLength(1), Schema.isMaxLength(3))),
  terms: Schema.Array(MessageText).check(Schema.isMaxLength(2))
})

const nanos = (seconds: number): bigint => BigInt(seconds) * 1_000_000_000n

export const toRun = ({ at, fields, level, messages, offsets, source, who }: typeof DrawnRun.Type): EventRun =>
  runOf(
    messages.map((letters) => letters.join("")),
    {
      receivedAt: nanos(at) + 7n,
      offsets: offsets === "none" ? undefined : messages.map((_, i) => (offsets[i] ?? 0) * 1e9 - 5e9),
      source,
      level,
      who: who === "" ? undefined : who,
      fields: fields === "" ? undefined : fields
    }
  )

export const toQuery = (drawn: typeof DrawnQuery.Type): EventQuery => {
  const { after, before, levels, limit, newestFirst, since, source, terms, until } = drawn
  return {
    after,
    before: before === 60 ? Number.MAX_SAFE_INTEGER : before,
    order: newestFirst ? "newest-first" : "oldest-first",
    limit: limit + 1,
    filters: drawn.filtered
      ? {
          ...(since === "none" ? {} : { since: nanos(since) }),
          ...(until === "none" ? {} : { until: nanos(until) }),
          ...(source === "none" ? {} : { source }),
          ...(levels === "none" ? {} : { levels }),
          ...(terms.length === 0 ? {} : { terms: terms.map((letters) => letters.join("")) })
        }
      : noFilters
  }
}
