import { assert, describe, it } from "@effect/vitest"
import { certificateEntries, entryFault } from "../../../src/services/auth/certificates.ts"
import type { ClientCertificate } from "../../../src/services/auth/Peer.ts"
import type { CertificateConfig } from "../../../src/services/config/IdentityConfig.ts"
import { parseNameKey } from "../../../src/services/tls/DistinguishedName.ts"

const shown = (of: Partial<ClientCertificate> & { readonly subject?: string }): ClientCertificate => ({
  fingerprint: "ab".repeat(32),
  subject: "",
  subjectKey: parseNameKey(of.subject ?? "CN=nobody") ?? assert.fail("no name"),
  sans: [],
  serial: "01",
  notAfter: 0,
  ...of
})

const entry = (name: string, by: Partial<CertificateConfig>): CertificateConfig => ({
  name,
  fingerprint: undefined,
  san: undefined,
  subject: undefined,
  roles: ["viewer"],
  ...by
})

const finder = (...entries: ReadonlyArray<CertificateConfig>) => {
  const find = certificateEntries(() => entries)
  return (of: Parameters<typeof shown>[0]) => find(shown(of))?.name
}

describe("the entry of a certificate", () => {
  it("is that of the fingerprint before that of a name before that of the subject", () => {
    const find = finder(
      entry("subject", { subject: "CN=build,O=Example" }),
      entry("second name", { san: "DNS:two.example" }),
      entry("first name", { san: "DNS:one.example" }),
      entry("fingerprint", { fingerprint: "cd".repeat(32) })
    )
    const subject = "CN=build,O=Example"
    // The order is that of the configuration, not that of the certificate.
    const sans = ["DNS:other.example", "DNS:one.example", "DNS:two.example"]
    assert.strictEqual(find({ fingerprint: "cd".repeat(32), sans, subject }), "fingerprint")
    assert.strictEqual(find({ sans, subject }), "second name")
    assert.strictEqual(find({ sans: ["DNS:one.example"], subject }), "first name")
    assert.strictEqual(find({ sans: ["DNS:other.example"], subject }), "subject")
    assert.isUndefined(find({ sans: ["DNS:other.example"] }))
    assert.isUndefined(finder()({ sans, subject }))
  })

  it("takes names as a whole: hosts in any case, addresses by value, all else letter by letter", () => {
    const find = finder(
      entry("dns", { san: "DNS:Build.Example" }),
      entry("wild", { san: "DNS:*.wild.example" }),
      entry("uri", { san: "URI:spiffe://example/Build" }),
      entry("email", { san: "email:Build@example.org" }),
      entry("ip4", { san: "IP:192.0.2.1" }),
      entry("ip6", { san: "IP:2001:db8:0::1" })
    )
    const by = (san: string) => find({ sans: [san] })
    assert.strictEqual(by("DNS:bUILD.example"), "dns")
    assert.strictEqual(by("URI:spiffe://example/Build"), "uri")
    assert.strictEqual(by("email:Build@example.org"), "email")
    assert.strictEqual(by("IP:192.0.2.1"), "ip4")
    assert.strictEqual(by("IP:2001:db8::1"), "ip6")
    for (const other of [
      "URI:spiffe://example/build",
      "email:build@example.org",
      "DNS:build.example.",
      "DNS:x.build.example",
      "DNS:a.wild.example",
      "URI:DNS:build.example",
      "DNS:x, DNS:build.example",
      "IP:192.0.2.10",
      "IP:::ffff:192.0.2.1",
      "build.example",
      ""
    ]) {
      assert.isUndefined(by(other), other)
    }
  })

  it("takes a subject by its parts, in their order, however it is written", () => {
    const find = finder(
      entry("plain", { subject: "CN=build, O=Example" }),
      entry("comma", { subject: "CN=build\\,O=Example" }),
      entry("two", { subject: "CN=a+OU=b,O=Example" }),
      entry("umlaut", { subject: "CN=M\\C3\\BCller" })
    )
    const by = (subject: string) => find({ subject })
    assert.strictEqual(by("cn=build,o=Example"), "plain")
    assert.strictEqual(by("2.5.4.3=build,2.5.4.10=Example"), "plain")
    assert.strictEqual(by("CN=build\\2cO\\3dExample"), "comma")
    assert.strictEqual(by("OU=b+CN=a,O=Example"), "two")
    assert.strictEqual(by("CN=Müller"), "umlaut")
    for (const other of [
      "O=Example,CN=build",
      "CN=build",
      "CN=Build,O=Example",
      "CN=build,O=Example,C=DE",
      "CN=a,OU=b,O=Example",
      "CN=build+O=Example",
      "CN=build\\0AO=Example",
      "CN=build\\00,O=Example"
    ]) {
      assert.isUndefined(by(other), other)
    }
  })

  it("follows a reload", () => {
    let entries = [entry("before", { san: "DNS:a" })]
    const find = certificateEntries(() => entries)
    assert.strictEqual(find(shown({ sans: ["DNS:a"] }))?.name, "before")
    entries = [entry("after", { san: "DNS:a" })]
    assert.strictEqual(find(shown({ sans: ["DNS:a"] }))?.name, "after")
    entries = []
    assert.isUndefined(find(shown({ sans: ["DNS:a"] })))
  })

  it("says of an entry that it fits nothing", () => {
    const fault = (by: Partial<CertificateConfig>) => entryFault(entry("x", by))
    for (const good of [{ subject: "CN=a,O=b" }, { san: "IP:::1" }, { fingerprint: "00" }])
      assert.isUndefined(fault(good))
    for (const subject of ["build", "CN", "CN=a,", "XX=a", "CN=a,,O=b", "CN=#zz", 'CN="a"', "CN=a\\", ""]) {
      assert.strictEqual(fault({ subject })?.key, "subject", subject)
    }
    for (const san of ["a.example", "IP:1.2.3", "IP:fe80::1%eth0", "RID:1.2", "DNS:"]) {
      assert.strictEqual(fault({ san })?.key, "san", san)
    }
  })
})
