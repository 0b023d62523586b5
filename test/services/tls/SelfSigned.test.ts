import { execFile } from "node:child_process"
import { createPublicKey, X509Certificate } from "node:crypto"
import { connect, createServer } from "node:tls"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"
import { isSelfMade, makeSelfSigned, validityMs } from "../../../src/services/tls/SelfSigned.ts"
import { put, temporaryFolder } from "../files/support.ts"

const openssl = (...args: ReadonlyArray<string>) =>
  Effect.promise(() => promisify(execFile)("openssl", [...args]).then(({ stderr, stdout }) => stdout + stderr))

/** A TLS server on a free port that greets and hangs up. */
const server = (cert: string, key: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const listening = createServer({ cert, key }, (socket) => socket.on("error", () => {}).end("hello\n"))
      listening.listen(0, "127.0.0.1", () => {
        const address = listening.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, close: () => listening.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("makeSelfSigned", () => {
  const hosts = ["localhost", "", "db.example.org", "*.wild.example", "127.0.0.1", "2001:db8::1", "bücher.example"]

  it.live("makes what openssl reads, verifies and connects to", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const made = yield* makeSelfSigned(hosts)
      const path = `${folder}/cert.pem`
      yield* put(path, made.cert)

      const text = yield* openssl("x509", "-in", path, "-noout", "-text")
      for (const expected of [
        /Version: 3 \(0x2\)/u,
        /Signature Algorithm: ecdsa-with-SHA256/u,
        /Issuer: O = systemapi, CN = systemapi self-signed/u,
        /ASN1 OID: prime256v1/u,
        /Basic Constraints: critical\s+CA:TRUE/u,
        /Key Usage: critical\s+Digital Signature, Certificate Sign\n/u,
        /Extended Key Usage: \s+TLS Web Server Authentication/u,
        /Subject Key Identifier: \s+([0-9A-F]{2}:){19}[0-9A-F]{2}/u,
        /DNS:localhost, DNS:db.example.org, DNS:\*.wild.example, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1, DNS:xn--bcher-kva.example\n/u
      ]) {
        assert.match(text, expected)
      }
      assert.include(yield* openssl("verify", "-x509_strict", "-CAfile", path, path), ": OK")

      const { port } = yield* server(made.cert, Redacted.value(made.key))
      const options = "-verify_return_error -verify_hostname db.example.org -tls1_3 -ign_eof".split(" ")
      const connection = yield* openssl("s_client", "-connect", `127.0.0.1:${port}`, "-CAfile", path, ...options)
      assert.include(connection, "Verify return code: 0 (ok)")
      assert.include(connection, "Verified peername: db.example.org")
      assert.include(connection, "hello")

      const authorized = (servername: string) =>
        Effect.callback<boolean>((resume) => {
          const socket = connect(
            { port, host: "127.0.0.1", servername, ca: made.cert, rejectUnauthorized: false },
            () => {
              resume(Effect.succeed(socket.authorized))
              socket.destroy()
            }
          )
        })
      assert.isTrue(yield* authorized("localhost"))
      assert.isTrue(yield* authorized("any.wild.example"))
      assert.isFalse(yield* authorized("other.example"))
    })
  )

  it.live("covers its hosts and no others", () =>
    Effect.gen(function* () {
      const x509 = new X509Certificate((yield* makeSelfSigned(hosts)).cert)
      for (const host of ["localhost", "db.example.org", "a.wild.example", "xn--bcher-kva.example"]) {
        assert.isDefined(x509.checkHost(host), host)
      }
      for (const ip of ["127.0.0.1", "2001:db8::1"]) assert.isDefined(x509.checkIP(ip), ip)
      for (const host of ["example.org", "x.localhost", "a.b.wild.example"])
        assert.isUndefined(x509.checkHost(host), host)
      for (const ip of ["127.0.0.2", "2001:db8::2"]) assert.isUndefined(x509.checkIP(ip), ip)
      assert.isTrue(x509.ca)
      assert.isTrue(isSelfMade(x509))
    })
  )

  it.live("takes localhost when no host is named", () =>
    Effect.gen(function* () {
      const x509 = new X509Certificate((yield* makeSelfSigned(["", ""])).cert)
      assert.strictEqual(x509.subjectAltName, "DNS:localhost")
    })
  )

  it.live("makes another key and serial each time, but keeps a key it is given", () =>
    Effect.gen(function* () {
      const first = yield* makeSelfSigned([])
      const second = yield* makeSelfSigned([])
      const renewed = yield* makeSelfSigned([], first.key)
      const [one, two, again] = [first, second, renewed].map(({ cert }) => new X509Certificate(cert))
      const publicKeys = [first, second, renewed].map(({ key }) =>
        createPublicKey(Redacted.value(key)).export({ type: "spki", format: "pem" })
      )
      assert.strictEqual(new Set([one?.serialNumber, two?.serialNumber, again?.serialNumber]).size, 3)
      assert.notStrictEqual(publicKeys[0], publicKeys[1])
      assert.strictEqual(publicKeys[0], publicKeys[2])
      assert.strictEqual(Redacted.value(renewed.key), Redacted.value(first.key))
    })
  )

  it.effect("is valid from an hour ago, also across the change of date forms in 2050", () =>
    Effect.gen(function* () {
      for (const now of [Date.UTC(2026, 10, 22), Date.UTC(2048, 5, 1), Date.UTC(2050, 0, 1), Date.UTC(2060, 1, 29)]) {
        yield* TestClock.setTime(now)
        const x509 = new X509Certificate((yield* makeSelfSigned([])).cert)
        assert.strictEqual(x509.validFromDate.getTime(), now - 3_600_000)
        assert.strictEqual(x509.validToDate.getTime(), now - 3_600_000 + validityMs)
      }
    })
  )

  it.effect.each([
    "with space",
    "-leading.example",
    "trailing-.example",
    "a..b",
    ".example",
    "example.",
    "*",
    "a.*.example",
    "fe80::1%eth0",
    "x".repeat(64),
    `${"x.".repeat(130)}example`,
    "line\nbreak",
    "bü\ncher.example",
    "bücher example",
    "bücher..example",
    "http://example.org"
  ])("refuses the host %j", (host) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(makeSelfSigned(["localhost", host]))
      assert.strictEqual(
        error.message,
        `tls_cert_hosts: ${JSON.stringify(host)} is neither a DNS name nor an IP address`
      )
    })
  )
})
