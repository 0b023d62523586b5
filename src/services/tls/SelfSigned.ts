/**
 * Makes a self-signed ECDSA P-256 certificate (RFC 5280) for the hosts of the config: its own authority, so that a
 * client can pin it with `curl --cacert`. A renewed certificate keeps its key, so that what pins the key goes on
 * working.
 *
 * Fails on a host that is neither a DNS name nor an IP address. Key and signature are made off the event loop.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  sign,
  type X509Certificate
} from "node:crypto"
import { domainToASCII } from "node:url"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { ipBytes } from "../auth/IpAddress.ts"
import * as Der from "./Der.ts"

export class CertificateHostInvalid extends Schema.TaggedError<CertificateHostInvalid>()("CertificateHostInvalid", {
  host: Schema.String
}) {
  override get message() {
    return `tls_cert_hosts: ${JSON.stringify(this.host)} is neither a DNS name nor an IP address`
  }
}

export interface PemPair {
  readonly cert: string
  readonly key: Redacted.Redacted<string>
}

const dayMs = 86_400_000

/** The longest that Apple's clients accept, even from an authority the user trusts; renewed before it ends. */
export const validityMs = 825 * dayMs

/** A client whose clock is behind must not take a fresh certificate for one of the future. */
const backdatedMs = 3_600_000

/** Where the config names no host. */
const fallbackHost = "localhost"

const organization = "systemapi"
const commonName = "systemapi self-signed"

/** How node:crypto writes our subject. */
const subjectText = `O=${organization}\nCN=${commonName}`

/** Made by us, and so ours to renew. */
export const isSelfMade = (certificate: X509Certificate): boolean =>
  certificate.subject === subjectText && certificate.issuer === subjectText && certificate.verify(certificate.publicKey)

export const makeSelfSigned = Effect.fn("makeSelfSigned")(function* (
  hosts: ReadonlyArray<string>,
  existingKey?: Redacted.Redacted<string>
): Effect.fn.Return<PemPair, CertificateHostInvalid> {
  const named = [...new Set(hosts.filter((host) => host !== ""))]
  const names = yield* Effect.forEach(named.length === 0 ? [fallbackHost] : named, generalName)
  const privateKey = usableKey(existingKey) ?? (yield* generateKey)
  const notBefore = (yield* Clock.currentTimeMillis) - backdatedMs

  const toBeSigned = certificateBody(createPublicKey(privateKey), names, notBefore)
  const signature = yield* signWith(privateKey, toBeSigned)
  const certificate = Der.sequence(toBeSigned, ecdsaWithSha256, Der.bitString(signature))
  return {
    cert: pem("CERTIFICATE", certificate),
    key: Redacted.make(pem("PRIVATE KEY", privateKey.export({ type: "pkcs8", format: "der" })))
  }
})

const usableKey = (key: Redacted.Redacted<string> | undefined): KeyObject | undefined => {
  if (key === undefined) return undefined
  const existing = createPrivateKey(Redacted.value(key))
  return existing.asymmetricKeyDetails?.namedCurve === "prime256v1" ? existing : undefined
}

const generateKey = Effect.callback<KeyObject>((resume) => {
  generateKeyPair("ec", { namedCurve: "P-256" }, (cause, _publicKey, privateKey) =>
    resume(cause === null ? Effect.succeed(privateKey) : Effect.die(cause))
  )
})

const signWith = (key: KeyObject, bytes: Uint8Array) =>
  Effect.callback<Uint8Array>((resume) => {
    sign("sha256", bytes, key, (cause, signature) =>
      resume(cause === null ? Effect.succeed(signature) : Effect.die(cause))
    )
  })

/** RFC 1034 labels, with the underscore that some internal names have, and a wildcard for the first. */
const dnsName = /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/iu
const dnsNameMax = 253

/** Nothing but letters and what joins them: URL rules, by which these are translated, would drop other characters. */
const otherScript = /^(?=.*[^\x20-\x7e])[\p{L}\p{M}\p{N}.*-]+$/u

/** Tags of GeneralName. */
const tag = { dnsName: 2, ipAddress: 7 } as const

const generalName = (host: string): Effect.Effect<Der.Der, CertificateHostInvalid> => {
  const address = host.includes("%") ? undefined : ipBytes(host)
  if (address !== undefined) return Effect.succeed(Der.implicit(tag.ipAddress, address))
  // Names in other scripts are written in Punycode.
  const name = otherScript.test(host) ? domainToASCII(host) : host
  return dnsName.test(name) && name.length <= dnsNameMax
    ? Effect.succeed(Der.implicit(tag.dnsName, Buffer.from(name)))
    : Effect.fail(new CertificateHostInvalid({ host }))
}

const ecdsaWithSha256 = Der.sequence(Der.oid("1.2.840.10045.4.3.2"))

const attribute = (type: string, value: string) => Der.set(Der.sequence(Der.oid(type), Der.utf8String(value)))
const distinguishedName = Der.sequence(attribute("2.5.4.10", organization), attribute("2.5.4.3", commonName))

const extension = (type: string, isCritical: boolean, value: Der.Der) =>
  Der.sequence(Der.oid(type), ...(isCritical ? [Der.boolean(true)] : []), Der.octetString(value))

const certificateBody = (publicKey: KeyObject, names: ReadonlyArray<Der.Der>, notBefore: number): Der.Der => {
  const publicKeyInfo = publicKey.export({ type: "spki", format: "der" })
  return Der.sequence(
    Der.explicit(0, Der.integer(Uint8Array.of(2))), // X.509 version 3
    Der.integer(serialNumber()),
    ecdsaWithSha256,
    distinguishedName,
    Der.sequence(Der.time(notBefore), Der.time(notBefore + validityMs)),
    distinguishedName,
    publicKeyInfo,
    Der.explicit(
      3,
      Der.sequence(
        extension("2.5.29.19", true, Der.sequence(Der.boolean(true))), // basicConstraints: an authority
        extension("2.5.29.15", true, Der.bitString(Uint8Array.of(0b1000_0100), 2)), // keyUsage: sign data and certificates
        extension("2.5.29.37", false, Der.sequence(Der.oid("1.3.6.1.5.5.7.3.1"))), // extKeyUsage: serverAuth
        extension(
          "2.5.29.14",
          false,
          Der.octetString(createHash("sha256").update(publicKeyInfo).digest().subarray(0, 20))
        ),
        extension("2.5.29.17", false, Der.sequence(...names)) // subjectAltName
      )
    )
  )
}

/** Random, positive, never zero, and within the 20 bytes allowed: the first byte is between 0x40 and 0x7f. */
const serialNumber = (): Uint8Array => {
  const [first = 0, ...rest] = randomBytes(16)
  return Uint8Array.of((first & 0x3f) | 0x40, ...rest)
}

const pem = (label: string, der: Uint8Array): string => {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/gu) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n")
}
