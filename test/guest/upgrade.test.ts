/**
 * The package over an earlier one whose service is running, and what the administrator has made of the service by then: a
 * socket that systemd opens, and credentials that it passes.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { temporaryFolder } from "../harness/temporaryFolder.ts"
import { eventually } from "../system/support.ts"
import { ask, dropIn, install, packaged, packagedAs, there } from "./harness/debianPackage.ts"
import { Guest, type GuestShape, inGuest } from "./harness/Guest.ts"

const later = "/mnt/later/systemapi.deb"

/** With the package, installed, and a later version of it. */
const withBoth = Layer.effect(
  Guest,
  Effect.tap(Guest, (guest) => guest.must(...install, there))
).pipe(
  Layer.provide(
    Layer.unwrap(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const [now, next] = yield* Effect.all([packaged, packagedAs("999.0-1", folder)])
        return Guest.layer({ binds: { [there]: now, [later]: next } })
      })
    )
  )
)

const unitOf = (guest: GuestShape) => guest.unit("systemapi.service")
const logs = (guest: GuestShape) => Effect.map(ask(guest, "/logs"), ({ body }) => body)

inGuest("an upgrade", withBoth, (it) => {
  it.effect("takes the place of what runs, which serves until then, and keeps what it had and what was set", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const { status } = yield* ask(guest, "/api/v1/new_event?message=before")
      assert.strictEqual(status, 200)
      yield* guest.sh('printf "[actions]\\nmine = \\"echo mine\\"\\n" >>/etc/systemapi/systemapi-config.toml')
      const before = yield* unitOf(guest)
      yield* guest.must(...install, later)
      const after = yield* unitOf(guest)
      assert.strictEqual(after["ActiveState"], "active")
      assert.notStrictEqual(after["MainPID"], before["MainPID"])
      assert.strictEqual(after["NRestarts"], "0", "replaced, and not started anew after a failure")
      assert.include(yield* logs(guest), "before")
      assert.include((yield* ask(guest, "/api/v1/actions")).body, "mine")
      assert.include(yield* guest.must("dpkg-query", "--show", "systemapi"), "999.0-1")
    })
  )

  it.effect("leaves a service alone that was disabled and stopped", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* guest.must("systemctl", "disable", "--now", "systemapi.service")
      yield* guest.must("apt-get", "install", "--yes", "--quiet", "--allow-downgrades", there)
      const unit = yield* unitOf(guest)
      assert.deepStrictEqual([unit["UnitFileState"], unit["ActiveState"]], ["disabled", "inactive"])
      yield* guest.must("systemctl", "enable", "--now", "systemapi.service")
      assert.include(yield* logs(guest), "before")
    })
  )

  it.effect("back to a version that cannot read the store does not touch it, and says so", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* guest.must("systemctl", "stop", "systemapi.service")
      const bump =
        "const {DatabaseSync}=require('node:sqlite');new DatabaseSync(process.argv[1]).exec('PRAGMA user_version=9999')"
      yield* guest.must("/usr/lib/systemapi/node", "--eval", bump, "/var/lib/systemapi/store.sqlite")
      const sum = yield* guest.sh("sha256sum </var/lib/systemapi/store.sqlite")
      assert.notStrictEqual((yield* guest.exec(["systemctl", "start", "systemapi.service"])).code, 0)
      const told = yield* guest.journal("--unit=systemapi.service", "--lines=20")
      assert.isDefined(
        told.find(({ MESSAGE }) => /its format is 9999/u.test(String(MESSAGE))),
        JSON.stringify(told.map((e) => e["MESSAGE"]))
      )
      yield* guest.must("systemctl", "stop", "systemapi.service")
      assert.strictEqual(yield* guest.sh("sha256sum </var/lib/systemapi/store.sqlite"), sum)
      yield* guest.sh("rm -rf /var/lib/systemapi/store.sqlite*")
      yield* guest.must("systemctl", "start", "systemapi.service")
    })
  )

  it.effect("finds the socket that systemd opens: who asks before it runs waits for it, and is answered", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* guest.must(
        "sed",
        "--in-place",
        's/^address = "127.0.0.1:3535"/address = "systemd:http"/',
        "/etc/systemapi/systemapi-config.toml"
      )
      yield* guest.must("systemctl", "stop", "systemapi.service")
      yield* guest.must("systemctl", "enable", "--now", "systemapi.socket")
      // Nothing listens but systemd: the first who asks starts the service.
      const { status } = yield* guest.curl("http://127.0.0.1:3535/livez")
      assert.strictEqual(status, 200)
      yield* eventually(
        "it has said that it is ready",
        Effect.map(unitOf(guest), ({ ActiveState }) => ActiveState === "active")
      )
    })
  )

  it.effect("has secrets that only systemd may read", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* guest.write("/root/token", "a token of the administrator\n", "0600")
      yield* guest.must(
        "sed",
        "--in-place",
        's|^basic_auth_bootstrap_token_path = .*|basic_auth_bootstrap_token_path = "credential:bootstrap"|',
        "/etc/systemapi/systemapi-config.toml"
      )
      yield* dropIn(guest, "[Service]", "LoadCredential=bootstrap:/root/token")
      const set = (token: string) =>
        Effect.map(
          guest.curl(
            "-H",
            `X-Bootstrap-Token: ${token}`,
            "-d",
            "secret",
            "http://127.0.0.1:3535/api/v1/set-basic-auth"
          ),
          ({ status }) => status
        )
      assert.strictEqual(yield* set("another token"), 401)
      assert.strictEqual(yield* set("a token of the administrator"), 200)
      const text = JSON.stringify(yield* guest.journal("--unit=systemapi.service"))
      assert.notInclude(text, "a token of the administrator")
    })
  )
})
