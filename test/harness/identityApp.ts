/**
 * The identity API without a socket: its real routes and edge over the real identity store, in memory. Who asks is whom the test
 * names; passwords and logins are as it tells.
 */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { makeEdge } from "../../src/http/edge/Edge.ts"
import { identityRoutes } from "../../src/http/identity/identityRoutes.ts"
import { Audit, type AuditEntry } from "../../src/services/audit/Audit.ts"
import type { Outcome } from "../../src/services/auth/Authenticator.ts"
import { load } from "../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../src/services/config/CurrentConfig.ts"
import { AccessTokens } from "../../src/services/identity/AccessTokens.ts"
import { CurrentRoles } from "../../src/services/identity/CurrentRoles.ts"
import { IdentityStore, type User } from "../../src/services/identity/IdentityStore.ts"
import { Passwords } from "../../src/services/identity/Passwords.ts"
import { PermissionSet } from "../../src/services/identity/Permission.ts"
import type { Principal } from "../../src/services/identity/Principal.ts"
import type { RoleConfig } from "../../src/services/identity/Roles.ts"
import { ServiceTokens } from "../../src/services/identity/ServiceTokens.ts"
import { PasswordRefused, Sessions } from "../../src/services/identity/Sessions.ts"
import { identitiesInMemory } from "./identities.ts"
import { incoming } from "./incoming.ts"
import { mockAudit, mockEventLog, mockProcessLog, noLiveAnswers } from "./mocks.ts"
import { temporaryFolder } from "./temporaryFolder.ts"

export interface IdentityAppOptions {
  readonly audit?: Partial<Audit["Service"]>
  readonly accessTokens?: Partial<AccessTokens["Service"]>
  readonly passwords?: Partial<Passwords["Service"]>
  readonly roles?: ReadonlyArray<RoleConfig>
  readonly sessions?: Partial<Sessions["Service"]>
  /** Default: the real one, in memory. */
  readonly store?: Layer.Layer<IdentityStore>
}

export interface Asked {
  readonly method?: string
  /** A stored user by name, or somebody else as a whole; nobody if left out. */
  readonly as?: string | Principal
  /** Sent as JSON; text and bytes as they are. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A hash that a test can read, and no other code can take for one. */
const readable = (password: Uint8Array) => Redacted.make(`hash of ${Buffer.from(password).toString()}`)

export const somebody = (id: string, grants: ReadonlyArray<string>, rest: Partial<Principal> = {}): Principal => ({
  id,
  kind: "certificate",
  roles: [],
  permissions: new PermissionSet(grants),
  owner: id,
  provider: "certificate",
  authenticatedAt: 0,
  credential: undefined,
  session: undefined,
  expiresAt: undefined,
  ...rest
})

export const user = (name: string, roles: ReadonlyArray<string>, rest: Partial<User> = {}): User => ({
  name,
  roles,
  passwordHash: readable(Buffer.from(`${name}'s password`)),
  disabled: false,
  sessionsFrom: 0,
  createdAt: 0,
  updatedAt: 0,
  ...rest
})

export const makeIdentityApp = Effect.fnUntraced(function* (
  users: ReadonlyArray<User> = [],
  options: IdentityAppOptions = {}
) {
  const folder = yield* temporaryFolder
  const path = join(folder, "systemapi-config.toml")
  yield* Effect.promise(() => writeFile(path, ""))
  const { config } = yield* load(path, {})
  const entries: Array<AuditEntry> = []
  const base = CurrentConfig.layer({
    ...config,
    roles: new Map((options.roles ?? []).map((role) => [role.name, role]))
  })
  const passwords = Layer.effect(
    Passwords,
    Effect.map(IdentityStore, (store) =>
      Passwords.of({
        hash: (password) =>
          password.length < 8
            ? Effect.fail(new PasswordRefused({ reason: "shorter than 8 characters" }))
            : Effect.succeed(readable(password)),
        verify: (name, password) =>
          Effect.map(store.fresh, (all) => {
            const known = all.users.get(name)
            return known?.passwordHash !== undefined &&
              Redacted.value(known.passwordHash) === Redacted.value(readable(password))
              ? { _tag: "right", user: known }
              : { _tag: "wrong", reason: "the password is wrong" }
          }),
        ...options.passwords
      })
    )
  )
  const layer = Layer.mergeAll(
    passwords,
    ServiceTokens.layer,
    Layer.mock(AccessTokens, options.accessTokens ?? {}),
    Layer.mock(Sessions, options.sessions ?? {}),
    Layer.effect(
      Audit,
      Effect.map(Audit, (audit) => Audit.of({ ...audit, ...options.audit }))
    ).pipe(Layer.provide(mockAudit(entries))),
    mockEventLog({}),
    mockProcessLog({})
  ).pipe(
    Layer.provideMerge(
      CurrentRoles.layer.pipe(Layer.provideMerge(Layer.merge(options.store ?? identitiesInMemory, base)))
    )
  )
  const context = yield* Layer.build(Layer.fresh(layer))
  const use = <A, E>(effect: Effect.Effect<A, E, Layer.Success<typeof layer>>) => Effect.provideContext(effect, context)
  const store = yield* use(IdentityStore)
  const roles = yield* use(CurrentRoles)
  for (const each of users) yield* store.createUser(each)

  const principalOf = Effect.fnUntraced(function* (as: string | Principal) {
    if (typeof as !== "string") return as
    const known = (yield* store.fresh).users.get(as)
    if (known === undefined) return yield* Effect.die(new Error(`no user ${as}`))
    const principal: Principal = {
      ...somebody(as, roles.get().grants(known.roles).grants),
      kind: "user",
      roles: known.roles,
      provider: "bearer",
      credential: `jti of ${as}`,
      session: `login of ${as}`,
      expiresAt: 86_400_000
    }
    return principal
  })
  let asking: string | Principal | undefined
  const nobody: Outcome = {
    _tag: "refused",
    refusal: { scheme: "none", error: undefined, reason: "no credentials", claimed: undefined }
  }
  const edge = makeEdge({
    routes: yield* Effect.provideContext(identityRoutes, Context.add(context, Scope.Scope, yield* Effect.scope)),
    surface: { address: "127.0.0.1:3535", providers: ["basic", "bearer"], roles: [] },
    authenticator: {
      authenticate: () =>
        Effect.suspend(() =>
          asking === undefined
            ? Effect.succeed(nobody)
            : Effect.map(Effect.orDie(principalOf(asking)), (principal): Outcome => ({
                _tag: "admitted",
                principal,
                secretVersion: 0
              }))
        )
    },
    audit: yield* use(Audit),
    config: (yield* use(CurrentConfig)).get,
    live: noLiveAnswers,
    clock: yield* Clock.Clock,
    log: { request: () => {}, configure: () => Effect.void, dropped: () => 0 },
    observe: () => {}
  })

  const call = Effect.fnUntraced(function* (target: string, { as, body, headers = {}, method }: Asked = {}) {
    asking = as
    const asIs = body === undefined || typeof body === "string" || body instanceof Uint8Array
    const sent = asIs ? body : JSON.stringify(body)
    const response = yield* edge(
      incoming(target, {
        method: method ?? (body === undefined ? "GET" : "POST"),
        headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
        ...(sent === undefined ? {} : { body: sent })
      })
    )
    const text = response.body._tag === "Uint8Array" ? Buffer.from(response.body.body).toString() : ""
    const json: unknown = text === "" ? undefined : JSON.parse(text)
    return { status: response.status, headers: response.headers, text, json }
  })
  /** What the handlers told; of what the edge told, the refusals. */
  const audited = () => entries.filter(({ action }) => action !== "request")
  const refused = () => entries.filter(({ action, outcome }) => action === "request" && outcome === "refused")
  return { call, audited, refused, store, users: Effect.map(store.fresh, ({ users: all }) => all) }
})
