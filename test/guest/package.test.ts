/**
 * The package in a clean Debian: what an installation makes and starts, what the sandbox lets the daemon do and what not,
 * and what is left after it was removed, and purged. Each test goes on where the one before has ended.
 */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { stat } from "node:fs/promises"
import { eventually } from "../system/support.ts"
import { ask, configure, delivered, install, packaged, there } from "./harness/debianPackage.ts"
import { Guest, type GuestShape, inGuest } from "./harness/Guest.ts"

/** What the project promises. */
const sizeMax = 60 * 1024 * 1024
const firstAnswerMs = 10_000
const exposureMax = 1.5

const triesMax = 3

const rights = (guest: GuestShape, path: string) =>
  Effect.map(guest.must("stat", "--format=%U:%G %a", path), (line) => line.trim())

const Stream = Schema.Struct({ head: Schema.String })
const Outcome = Schema.fromJsonString(
  Schema.Struct({ exit_code: Schema.NullOr(Schema.Int), stdout: Stream, stderr: Stream })
)

/** Runs an action, which is in the sandbox, too. */
const act = (guest: GuestShape, name: string) =>
  Effect.map(ask(guest, `/api/v1/actions/${name}`, "-X", "POST"), ({ body }) => {
    const { exit_code, stderr, stdout } = Schema.decodeSync(Outcome)(body)
    return { exit_code, stderr: stderr.head, stdout: stdout.head }
  })

/** systemctl is done when the daemon has been told; it has done it a moment later. */
const reloaded = (guest: GuestShape, action: string) =>
  Effect.andThen(
    guest.must("systemctl", "reload", "systemapi.service"),
    eventually(
      `there is an action ${action}`,
      Effect.map(ask(guest, "/api/v1/actions"), ({ body }) => body.includes(`"${action}"`))
    )
  )

const logs = (guest: GuestShape) => Effect.map(ask(guest, "/logs"), ({ body }) => body)

inGuest("the package", delivered, (it) => {
  it.effect("is installed and answers within ten seconds", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const deb = yield* packaged
      assert.isBelow((yield* Effect.promise(() => stat(deb))).size, sizeMax)
      const once = Effect.gen(function* () {
        const before = yield* Clock.currentTimeMillis
        yield* guest.must(...install, there)
        assert.strictEqual((yield* ask(guest, "/livez")).status, 200)
        return (yield* Clock.currentTimeMillis) - before
      })
      const again = Effect.andThen(guest.must("apt-get", "purge", "--yes", "--quiet", "systemapi"), once)
      // A machine that is busy with something else in that moment may need another try.
      let least = yield* once
      for (let tries = 1; least > firstAnswerMs && tries < triesMax; tries++) least = Math.min(least, yield* again)
      assert.isAtMost(least, firstAnswerMs)
    })
  )

  it.effect("runs it at every boot, as a user of its own, to whom its folders belong", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const unit = yield* guest.unit("systemapi.service")
      assert.strictEqual(unit["ActiveState"], "active")
      assert.strictEqual(unit["UnitFileState"], "enabled")
      assert.strictEqual((yield* guest.unit("systemapi.socket"))["UnitFileState"], "disabled")
      const { out } = yield* guest.exec(["ps", "--version"])
      assert.strictEqual(out, "", "the guest is as bare as it can be")
      assert.match(yield* guest.must("cat", `/proc/${unit["MainPID"]}/status`), /^NoNewPrivs:\t1$/mu)
      assert.strictEqual(yield* rights(guest, `/proc/${unit["MainPID"]}`), "systemapi:systemapi 555")
      assert.match(yield* guest.must("id", "systemapi"), /groups=\d+\(systemapi\),\d+\(systemd-journal\)$/mu)
      for (const [path, whose] of [
        ["/var/lib/systemapi", "systemapi:systemapi 700"],
        ["/var/lib/systemapi/bootstrap-token", "systemapi:systemapi 600"],
        ["/run/systemapi", "systemapi:systemapi 755"],
        ["/run/systemapi/pipe.fifo", "systemapi:systemapi 666"],
        ["/run/systemapi/systemapi.sock", "systemapi:systemapi 660"],
        ["/etc/systemapi", "root:systemapi 750"],
        ["/etc/systemapi/systemapi-config.toml", "root:systemapi 640"],
        ["/usr/lib/systemapi/node", "root:root 755"]
      ] as const) {
        assert.strictEqual(yield* rights(guest, path), whose, path)
      }
    })
  )

  it.effect("brings a command line, and a configuration in which nothing is wrong", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      assert.match(yield* guest.must("systemapi", "--version"), /^systemapi v?\d+\.\d+\.\d+/u)
      const checked = yield* guest.exec(["systemapi", "config", "check", "/etc/systemapi/systemapi-config.toml"])
      assert.deepStrictEqual([checked.code, checked.err], [0, ""])
      yield* guest.must("systemapi", "config", "check", "/usr/share/doc/systemapi/examples/systemapi-config.toml")
      const units = ["systemapi.service", "systemapi.socket"].map((name) => `/usr/lib/systemd/system/${name}`)
      assert.deepStrictEqual(yield* guest.exec(["systemd-analyze", "verify", "--man=no", ...units]), {
        code: 0,
        signal: null,
        out: "",
        err: ""
      })
      // What dpkg has unpacked is what the package says that it is.
      assert.strictEqual(yield* guest.must("dpkg", "--verify", "systemapi"), "")
    })
  )

  it.effect("does not take more of the machine than it needs, by systemd's own judgement", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const told = yield* guest.must("systemd-analyze", "security", "--no-pager", "systemapi.service")
      const exposure = Number(/Overall exposure level for systemapi\.service: ([\d.]+)/u.exec(told)?.[1])
      assert.isAtMost(exposure, exposureMax, told)
    })
  )

  it.effect("says in the status how it is, and writes its journal field by field", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const { StatusText } = yield* guest.unit("systemapi.service")
      assert.include(StatusText, "listening on http://127.0.0.1:3535")
      yield* ask(guest, "/livez")
      const entries = yield* guest.journal("--unit=systemapi.service", "--identifier=systemapi")
      const ready = entries.find(({ MESSAGE }) => String(MESSAGE).endsWith(" is ready"))
      assert.strictEqual(ready?.["PRIORITY"], "6")
      assert.strictEqual(ready?.["_TRANSPORT"], "journal", "not a line of text that journald has caught")
    })
  )

  it.effect("lets nobody set the first password but with the token, and afterwards nobody in without it", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const url = "http://127.0.0.1:3535"
      const set = (...args: ReadonlyArray<string>) =>
        Effect.map(guest.curl(...args, "-d", "a password", `${url}/api/v1/set-basic-auth`), ({ status }) => status)
      assert.strictEqual(yield* set(), 401)
      assert.notStrictEqual((yield* guest.as("nobody", "cat", "/var/lib/systemapi/bootstrap-token")).code, 0)
      const token = (yield* guest.must("cat", "/var/lib/systemapi/bootstrap-token")).trim()
      assert.strictEqual(yield* set("-H", `X-Bootstrap-Token: ${token}`), 200)
      assert.strictEqual((yield* guest.curl(`${url}/logs`)).status, 401)
      assert.strictEqual((yield* guest.curl("-u", "admin:a password", `${url}/logs`)).status, 200)
    })
  )

  it.effect("takes in what any user writes to the FIFO", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const wrote = yield* guest.as("nobody", "sh", "-c", "echo from nobody >/run/systemapi/pipe.fifo")
      assert.strictEqual(wrote.code, 0, wrote.err)
      yield* eventually(
        "the line is in the log",
        Effect.map(logs(guest), (text) => text.includes("from nobody"))
      )
    })
  )

  it.effect("takes up a changed configuration with systemctl reload, and refuses a wrong one with the reason", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const { MainPID } = yield* guest.unit("systemapi.service")
      yield* configure(guest, '[actions]\nhello = "echo hello"')
      yield* reloaded(guest, "hello")
      assert.strictEqual((yield* act(guest, "hello")).stdout, "hello\n")
      yield* configure(guest, "hello = 7")
      const refused = yield* guest.exec(["systemctl", "reload", "systemapi.service"])
      assert.notStrictEqual(refused.code, 0)
      const told = yield* guest.journal("--unit=systemapi.service", "--lines=20")
      assert.isDefined(
        told.find(({ MESSAGE }) => /systemapi-config\.toml:\d+: .*hello/u.test(String(MESSAGE))),
        JSON.stringify(told.map(({ MESSAGE }) => MESSAGE))
      )
      assert.strictEqual((yield* act(guest, "hello")).stdout, "hello\n", "as before")
      yield* guest.must("sed", "--in-place", "/hello = 7/d", "/etc/systemapi/systemapi-config.toml")
      yield* reloaded(guest, "hello")
      const unit = yield* guest.unit("systemapi.service")
      assert.deepStrictEqual([unit["ActiveState"], unit["MainPID"]], ["active", MainPID])
    })
  )

  it.effect("has a sandbox in which its work can be done, and nothing else", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* guest.sh("mkdir /home/somebody && echo private >/home/somebody/file && chmod -R a+rX /home/somebody")
      const may: Readonly<Record<string, string>> = {
        state: "systemctl show --property=ActiveState --value dbus.service",
        journal: "journalctl --quiet --lines=1 --unit=dbus.service --output=cat",
        memory: "grep MemTotal /proc/meminfo && head -n 1 /proc/stat && cat /proc/loadavg",
        keep: "echo kept >/var/lib/systemapi/kept && cat /var/lib/systemapi/kept",
        temporary: "echo x >/tmp/x && cat /tmp/x",
        devices: "head -c 4 /dev/urandom | wc -c && echo >/dev/null"
      }
      const mayNot: Readonly<Record<string, string>> = {
        etc: "touch /etc/systemapi/changed",
        usr: "touch /usr/lib/systemapi/changed",
        home: "cat /home/somebody/file",
        tmp: "cat /tmp/of-the-machine",
        others: "cat /proc/1/status",
        mount: "mount -t tmpfs none /var/lib/systemapi",
        namespace: "unshare --user true",
        suid: "cp /bin/true /var/lib/systemapi/true && chmod u+s /var/lib/systemapi/true",
        kernel: "echo 1 >/proc/sys/kernel/printk",
        device: "mknod /var/lib/systemapi/null c 1 3",
        units: "systemctl --no-ask-password restart dbus.service",
        machine: "systemctl --no-ask-password poweroff"
      }
      yield* guest.must("touch", "/tmp/of-the-machine")
      const lines = Object.entries({ ...may, ...mayNot }).map(([name, command]) => `${name} = '${command}'`)
      yield* configure(guest, lines.join("\n"))
      yield* reloaded(guest, "machine")
      for (const name of Object.keys(may)) {
        const outcome = yield* act(guest, name)
        assert.strictEqual(outcome.exit_code, 0, `${name}: ${outcome.stderr}`)
        assert.notStrictEqual(outcome.stdout, "", name)
      }
      for (const name of Object.keys(mayNot)) assert.notStrictEqual((yield* act(guest, name)).exit_code, 0, name)
    })
  )

  it.effect("shows units, their journals and the machine from within the sandbox", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* configure(guest, 'dbus = "true"\n[units.dbus]\nunit = "dbus.service"')
      yield* reloaded(guest, "dbus")
      const status = yield* ask(guest, "/services/dbus/status")
      assert.include(status.body, '"healthy":true')
      const journal = yield* ask(guest, "/services/dbus/logs?lines=5")
      assert.strictEqual(journal.status, 200, journal.body)
      assert.match(journal.body, /"returned_lines":[1-5]\b/u)
      assert.include((yield* ask(guest, "/api/v1/host")).body, '"kernel"')
    })
  )

  it.effect("controls the units that a polkit rule names, and no others", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      for (const name of ["nginx", "other"]) {
        yield* guest.write(`/etc/systemd/system/${name}.service`, "[Service]\nExecStart=/bin/sleep infinity\n")
      }
      yield* guest.must("systemctl", "daemon-reload")
      yield* guest.must("cp", "/usr/share/doc/systemapi/examples/50-systemapi.rules", "/etc/polkit-1/rules.d/")
      yield* guest.must("systemctl", "restart", "polkit.service")
      yield* configure(guest, '[actions.named]\ncommand = "systemctl --no-ask-password restart nginx.service"')
      yield* configure(guest, '[actions.other]\ncommand = "systemctl --no-ask-password restart other.service"')
      yield* reloaded(guest, "other")
      const named = yield* act(guest, "named")
      assert.strictEqual(named.exit_code, 0, named.stderr)
      assert.strictEqual((yield* guest.unit("nginx.service"))["ActiveState"], "active")
      assert.notStrictEqual((yield* act(guest, "other")).exit_code, 0)
      assert.strictEqual((yield* guest.unit("other.service"))["ActiveState"], "inactive")
    })
  )

  it.effect("is back after the machine has booted anew, with its log", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* guest.reboot
      assert.include(yield* logs(guest), "from nobody")
    })
  )

  it.effect("when it is removed stops, and keeps configuration and state for the next installation", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* guest.must("apt-get", "remove", "--yes", "--quiet", "systemapi")
      assert.notStrictEqual((yield* guest.unit("systemapi.service"))["ActiveState"], "active")
      yield* guest.must("test", "!", "-e", "/usr/lib/systemapi", "-a", "!", "-e", "/run/systemapi")
      yield* guest.must(...install, there)
      assert.include(yield* logs(guest), "from nobody")
      assert.strictEqual((yield* act(guest, "hello")).stdout, "hello\n")
    })
  )

  it.effect("when it is purged leaves nothing but what others have put beside its files", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* guest.write("/etc/systemapi/certificate.pem", "the administrator's")
      yield* guest.must("apt-get", "purge", "--yes", "--quiet", "systemapi")
      const left = yield* guest.sh(
        'find /etc /usr /var/lib /run -xdev -name "*systemapi*" -not -path "/etc/polkit-1/*" | sort'
      )
      assert.strictEqual(left, "/etc/systemapi\n")
      assert.strictEqual(yield* guest.must("ls", "/etc/systemapi"), "certificate.pem\n")
      assert.strictEqual((yield* guest.exec(["systemctl", "is-system-running"])).out, "running\n")
    })
  )
})
