/** Mounts as the kernel lists them: of a virtual machine, a container, and with names that are escaped. */
import { assert, describe, it } from "@effect/vitest"
import { disksOf, isRemote, isWithin, mountOf, parseMounts, virtualBelow } from "../../../src/services/host/mounts.ts"

const machine = parseMounts(
  [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "23 22 0:20 / /proc rw,nosuid - proc proc rw",
    "24 23 0:30 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw",
    "25 22 0:21 / /sys rw - sysfs sysfs rw",
    "26 25 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
    "27 22 0:23 / /run rw - tmpfs tmpfs rw,size=1k",
    "28 22 8:2 / /var rw master:1 propagate_from:2 - xfs /dev/sda2 rw",
    "29 28 8:2 /lib/data /srv/data rw - xfs /dev/sda2 rw",
    String.raw`30 22 0:50 / /mnt/a\040b\134c rw - nfs4 server:/the\040export rw`,
    "31 22 7:1 / /snap/x ro,nodev - squashfs /dev/loop1 ro",
    "32 28 0:60 / /var/lib/containers/1/merged rw - overlay overlay rw",
    "not a line",
    "33 22 0:61 / relative rw - ext4 /dev/x rw"
  ].join("\n")
)

describe("mounts", () => {
  it("are read with what the kernel escapes, and with any number of optional fields", () => {
    assert.strictEqual(machine.length, 11)
    assert.deepInclude(machine, {
      device: "0:50",
      target: "/mnt/a b\\c",
      type: "nfs4",
      source: "server:/the export",
      readOnly: false
    })
    assert.isTrue(machine.find(({ target }) => target === "/snap/x")?.readOnly)
  })

  it("of disks are told once each, where they are mounted nearest to the root", () => {
    assert.deepStrictEqual(
      disksOf(machine).map(({ target }) => target),
      ["/", "/var", "/mnt/a b\\c", "/snap/x"]
    )
  })

  it("have a container's root among them, whatever it is made of", () => {
    const container = parseMounts(
      "1 0 0:99 / / rw - overlay overlay rw,lowerdir=/x\n2 1 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n"
    )
    assert.deepStrictEqual(
      disksOf(container).map(({ target }) => target),
      ["/", "/etc/hosts"]
    )
  })

  it("find the one that a path is on", () => {
    const on = (path: string) => mountOf(machine, path)?.target
    assert.deepStrictEqual(["/", "/variable", "/var", "/var/log/x", "/srv/data/y", "/proc/1"].map(on), [
      "/",
      "/",
      "/var",
      "/var",
      "/srv/data",
      "/proc"
    ])
    // What is mounted over another is what is seen.
    const twice = [...machine, ...parseMounts("40 22 0:70 / /var rw - tmpfs over rw")]
    assert.strictEqual(mountOf(twice, "/var/log")?.source, "over")
    assert.strictEqual(mountOf([], "/"), undefined)
  })

  it("name what is never counted below a folder", () => {
    const below = (path: string) => virtualBelow(machine, path).map(({ target }) => target)
    assert.deepStrictEqual(below("/"), ["/proc", "/proc/sys/fs/binfmt_misc", "/sys", "/sys/fs/cgroup"])
    assert.deepStrictEqual(below("/var"), [])
    assert.deepStrictEqual(below("/sys"), ["/sys/fs/cgroup"])
  })

  it("know servers", () => {
    assert.deepStrictEqual(
      ["nfs", "nfs4", "cifs", "fuse", "fuse.sshfs", "ext4", "fuseblk", "xfs"].filter((type) => isRemote({ type })),
      ["nfs", "nfs4", "cifs", "fuse", "fuse.sshfs"]
    )
  })

  it("do not take the beginning of a name for a folder", () => {
    assert.deepStrictEqual(
      [isWithin("/srv", "/srv"), isWithin("/srv", "/srv/a"), isWithin("/srv", "/srvx"), isWithin("/", "/x")],
      [true, true, false, true]
    )
  })
})
