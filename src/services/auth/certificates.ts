/**
 * Which entry of the configuration a verified client certificate belongs to: that of its fingerprint, else of one of its
 * alternative names, else of its subject; of several that fit equally well, the first in the file.
 *
 * Everything is compared as a whole and by its parts: names of hosts without regard to case, addresses by their bytes,
 * subjects attribute by attribute, all else as it is written. There are no wildcards, and a text in which a certificate's
 * author has hidden a second name is one name, which nobody is called. Costs a look-up for each name of the certificate.
 */
import type { CertificateConfig } from "../config/IdentityConfig.ts"
import { parseNameKey } from "../tls/DistinguishedName.ts"
import { ipBytes } from "./IpAddress.ts"
import type { ClientCertificate } from "./Peer.ts"

type Named = Pick<CertificateConfig, "fingerprint" | "san" | "subject">

/** What of an entry can never fit, and what could; undefined where nothing is wrong. */
export const entryFault = ({
  san,
  subject
}: Named): { readonly key: "san" | "subject"; readonly allowed: string } | undefined => {
  if (san !== undefined && sanKey(san) === undefined) {
    return { key: "san", allowed: '"DNS:name", "URI:uri", "email:address" or "IP:address"' }
  }
  return subject !== undefined && parseNameKey(subject) === undefined
    ? { key: "subject", allowed: 'a name as `openssl x509 -nameopt RFC2253` prints it, "CN=build,O=Example"' }
    : undefined
}

/** Compiled once for each list of entries; a reload counts at the next request. */
export const certificateEntries = (
  entries: () => ReadonlyArray<CertificateConfig>
): ((certificate: ClientCertificate) => CertificateConfig | undefined) => {
  let compiledFrom = entries()
  let find = compile(compiledFrom)
  return (certificate) => {
    const now = entries()
    if (now !== compiledFrom) {
      find = compile(now)
      compiledFrom = now
    }
    return find(certificate)
  }
}

const compile = (entries: ReadonlyArray<CertificateConfig>) => {
  const byFingerprint = new Map<string, CertificateConfig>()
  const bySan = new Map<string, CertificateConfig>()
  const bySubject = new Map<string, CertificateConfig>()
  const order = new Map(entries.map((entry, index) => [entry, index] as const))
  const add = (map: Map<string, CertificateConfig>, key: string | undefined, entry: CertificateConfig) => {
    if (key !== undefined && !map.has(key)) map.set(key, entry)
  }
  for (const entry of entries) {
    const { fingerprint, san, subject } = entry
    // An entry with several of them is all of them, so only the strongest may bring somebody in.
    if (fingerprint !== undefined) add(byFingerprint, fingerprint, entry)
    else if (san !== undefined) add(bySan, sanKey(san), entry)
    else if (subject !== undefined) add(bySubject, parseNameKey(subject), entry)
  }
  return ({ fingerprint, sans, subjectKey }: ClientCertificate): CertificateConfig | undefined => {
    const exact = byFingerprint.get(fingerprint)
    if (exact !== undefined) return exact
    let first: CertificateConfig | undefined
    let firstIndex = Number.POSITIVE_INFINITY
    if (bySan.size > 0) {
      for (const san of sans) {
        const entry = bySan.get(sanKey(san) ?? "")
        const index = entry === undefined ? undefined : order.get(entry)
        if (index === undefined || index >= firstIndex) continue
        first = entry
        firstIndex = index
      }
    }
    return first ?? bySubject.get(subjectKey)
  }
}

/** Equal for two texts that mean the same name. */
const sanKey = (san: string): string | undefined => {
  const [, kind = "", name = ""] = /^(DNS|URI|email|IP):(.+)$/su.exec(san) ?? []
  switch (kind) {
    case "DNS":
      return `DNS:${name.toLowerCase()}`
    case "IP": {
      const bytes = name.includes("%") ? undefined : ipBytes(name)
      return bytes === undefined ? undefined : `IP:${Buffer.from(bytes).toString("hex")}`
    }
    default:
      return kind === "" ? undefined : `${kind}:${name}`
  }
}
