/**
 * Makes what the configuration says about identity of its sections: grants and roles that exist, certificates that each
 * name one, and a secret for tokens that is worth the name. The secret itself is in no message.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { join } from "node:path"
import { entryFault } from "../auth/certificates.ts"
import { grantFault } from "../identity/Permission.ts"
import { builtInRoles, type RoleConfig } from "../identity/Roles.ts"
import type { Environment, Flags } from "./environment.ts"
import { decode } from "./decode.ts"
import type { AuthConfig, CertificateConfig } from "./IdentityConfig.ts"
import { type Auth, type Certificate, plainNameAllowed, plainNamePattern, Role, rolesMax } from "./IdentitySections.ts"
import { nearestGrant } from "./nearestGrant.ts"
import { describe, inside, type KeyPath, type Problem, quote } from "./Problem.ts"
import { eachEntry, type Entries } from "./resolveEntries.ts"
import { isTable } from "./SchemaShape.ts"
import { secretFault } from "./signingSecret.ts"
import { nearest } from "./unknownKeys.ts"

const secondsPerHour = 3600

export interface ResolvedAuth {
  readonly auth: (storeDirectory: string) => AuthConfig
  readonly problems: ReadonlyArray<Problem>
  readonly warnings: ReadonlyArray<Problem>
}

export const resolveAuth = (auth: Auth, env: Environment, flags: Flags): ResolvedAuth => {
  const problems: Array<Problem> = []
  const warnings: Array<Problem> = []
  const secret =
    flags.jwt_secret === undefined
      ? signingSecret(auth, env, problems, warnings)
      : secretOfFlag(flags.jwt_secret, auth, problems, warnings)
  for (const name of ["justification_required", "approval_required"] as const) {
    problems.push(...inside(["auth", name], grantProblems(auth[name])))
  }
  if (auth.refresh_token_expiry_hours < auth.token_expiry_hours) {
    problems.push({
      path: ["auth", "refresh_token_expiry_hours"],
      text: `found ${auth.refresh_token_expiry_hours}, which is less than token_expiry_hours (${auth.token_expiry_hours})`
    })
  }
  if (auth.mtls_enabled && auth.mtls_ca_cert === "") {
    problems.push({ path: ["auth", "mtls_ca_cert"], text: "found nothing, but mtls_enabled is true: needs a path" })
  }
  if (!auth.mtls_enabled && auth.mtls_ca_cert !== "") {
    warnings.push({ path: ["auth", "mtls_ca_cert"], text: "not used, because mtls_enabled is false" })
  }
  const { identity_path, jwt_secret_path, refresh_token_expiry_hours, token_expiry_hours, ...rest } = auth
  return {
    auth: (storeDirectory) => ({
      ...rest,
      identity_path: identity_path ?? join(storeDirectory, "identity.sqlite"),
      jwt_secret: secret,
      jwt_secret_path: jwt_secret_path === "" || flags.jwt_secret !== undefined ? undefined : jwt_secret_path,
      token_expiry_s: Math.round(token_expiry_hours * secondsPerHour),
      refresh_token_expiry_s: Math.round(refresh_token_expiry_hours * secondsPerHour)
    }),
    problems,
    warnings
  }
}

/** The one of the file wins over the environment's; that of `jwt_secret_path` is read later. */
const signingSecret = (
  auth: Auth,
  env: Environment,
  problems: Array<Problem>,
  warnings: Array<Problem>
): Redacted.Redacted | undefined => {
  const given = (["jwt_secret", "jwt_secret_path"] as const).filter((name) => auth[name] !== "")
  if (auth.jwt_algorithm === "EdDSA") {
    for (const name of given) {
      problems.push({
        path: ["auth", name],
        text: 'given beside jwt_algorithm = "EdDSA", whose keys are made here, allowed: one of them'
      })
    }
  } else if (given.length > 1) {
    problems.push({ path: ["auth", "jwt_secret"], text: "given beside jwt_secret_path, allowed: one of them" })
  }
  const fromEnvironment = env["JWT_SECRET"] ?? ""
  if (fromEnvironment !== "" && auth.jwt_algorithm === "EdDSA") {
    warnings.push({ path: ["JWT_SECRET"], outside: true, text: 'not used, because auth.jwt_algorithm is "EdDSA"' })
    return undefined
  }
  const inFile = given.length > 0
  const secret = inFile ? auth.jwt_secret : fromEnvironment
  if (secret === "") return undefined
  const fault = secretFault(secret)
  if (fault !== undefined) {
    problems.push(
      inFile ? { path: ["auth", "jwt_secret"], text: fault } : { path: ["JWT_SECRET"], outside: true, text: fault }
    )
  }
  return Redacted.make(secret)
}

/** As the original takes it. Whoever may list processes reads it there, for a moment at least (hideArguments.ts). */
const secretOfFlag = (
  secret: string,
  auth: Auth,
  problems: Array<Problem>,
  warnings: Array<Problem>
): Redacted.Redacted => {
  const told = { path: ["--jwt-secret"], outside: true } as const
  const fault =
    auth.jwt_algorithm === "EdDSA"
      ? 'given beside auth.jwt_algorithm = "EdDSA", whose keys are made here, allowed: one of them'
      : secretFault(secret)
  if (fault !== undefined) problems.push({ ...told, text: fault })
  warnings.push({
    ...told,
    text: "whoever may list the processes of this machine can read it; the environment's JWT_SECRET and auth.jwt_secret_path are for its owner alone"
  })
  for (const name of ["jwt_secret", "jwt_secret_path"] as const) {
    if (auth[name] !== "") warnings.push({ path: ["auth", name], text: "not used, because --jwt-secret is given" })
  }
  return Redacted.make(secret)
}

const grantProblems = (grants: ReadonlyArray<string>): ReadonlyArray<Problem> =>
  grants.flatMap((grant, index) => {
    const fault = grantFault(grant)
    if (fault === undefined) return []
    const near = nearestGrant(grant)
    return [
      {
        path: [index],
        text: `found ${quote(grant)}, which ${fault}${near === undefined ? "" : `, did you mean ${quote(near)}?`}`
      }
    ]
  })

export const resolveRoles = (section: unknown): Entries<RoleConfig> => {
  const names = isTable(section) ? Object.keys(section) : []
  const resolved = eachEntry("roles", section, plainNamePattern, plainNameAllowed, (name, value) => {
    if (Object.hasOwn(builtInRoles, name)) {
      return Result.fail([{ path: [], text: `found ${quote(name)}, which is built in and cannot be changed` }])
    }
    return Result.flatMap(decode(Role, value, []), ({ description, permissions }) => {
      const faults = inside(["permissions"], grantProblems(permissions))
      return faults.length > 0 ? Result.fail(faults) : Result.succeed({ name, permissions, description })
    })
  })
  if (names.length <= rolesMax) return resolved
  const tooMany = { path: ["roles"], text: `found ${names.length} roles, allowed: at most ${rolesMax}` }
  return { ...resolved, problems: [...resolved.problems, tooMany] }
}

/** The roles there are: those that are written down, right or not, lest one mistake be told at every use. */
export const knownRoles = (section: unknown): ReadonlySet<string> =>
  new Set([...Object.keys(builtInRoles), ...(isTable(section) ? Object.keys(section) : [])])

export const roleProblems = (
  path: KeyPath,
  roles: ReadonlyArray<string>,
  known: ReadonlySet<string>
): ReadonlyArray<Problem> =>
  roles.flatMap((role, index) => {
    if (known.has(role)) return []
    const near = nearest(role, [...known])
    const hint = near === undefined ? "" : `, did you mean ${quote(near)}?`
    return [{ path: [...path, index], text: `found ${describe(role, false)}, which is no role${hint}` }]
  })

const namings = ["fingerprint", "san", "subject"] as const

export const resolveCertificates = (
  certificates: ReadonlyArray<Certificate>,
  known: ReadonlySet<string>
): { readonly entries: ReadonlyArray<CertificateConfig>; readonly problems: ReadonlyArray<Problem> } => {
  const problems: Array<Problem> = []
  const taken = new Map<string, number>()
  const entries = certificates.map((certificate, index): CertificateConfig => {
    const path: KeyPath = ["certificates", index]
    const { fingerprint, name, roles, san, subject } = certificate
    const entry = { name, fingerprint: fingerprint?.replaceAll(":", "").toLowerCase(), san, subject, roles }
    const given = namings.filter((naming) => entry[naming] !== undefined)
    if (given.length !== 1) {
      const found = given.length === 0 ? "none" : given.join(" and ")
      problems.push({ path, text: `found ${found}, allowed: one of fingerprint, san and subject` })
    }
    for (const key of ["name", ...given] as const) {
      const thing = `${key}=${entry[key] ?? ""}`
      const before = taken.get(thing)
      if (before === undefined) taken.set(thing, index)
      else
        problems.push({
          path: [...path, key],
          text: `has the ${key} of certificates[${before}], allowed: one of its own`
        })
    }
    problems.push(...roleProblems([...path, "roles"], roles, known))
    const fault = entryFault(entry)
    if (fault !== undefined) {
      problems.push({
        path: [...path, fault.key],
        text: `found ${quote(entry[fault.key] ?? "")}, allowed: ${fault.allowed}`
      })
    }
    return entry
  })
  return { entries, problems }
}
