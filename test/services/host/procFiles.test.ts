/** Texts of several kernels, as they print them, and junk. */
import { assert, describe, it } from "@effect/vitest"
import { isDisk, parseDiskStats, parseNetDev } from "../../../src/services/host/deviceFiles.ts"
import { disksOf, parseMounts } from "../../../src/services/host/mounts.ts"
import {
  parseCpuInfo,
  parseLoad,
  parseMeminfo,
  parseOsRelease,
  parsePressure,
  parseStat,
  parseUptime,
  percent
} from "../../../src/services/host/procFiles.ts"
import { random } from "../../harness/random.ts"

describe("/proc/stat", () => {
  it("adds up what all processors did, and counts those that are online", () => {
    const text = [
      "cpu  100 20 30 1000 50 6 4 10 70 0",
      "cpu0 50 10 15 500 25 3 2 5 35 0",
      "cpu2 50 10 15 500 25 3 2 5 35 0",
      "intr 12345 0 0 9",
      "ctxt 999",
      "btime 1700000000",
      "procs_running 2"
    ].join("\n")
    assert.deepStrictEqual(parseStat(text), {
      // What guests took (70) is in user already.
      ticks: { user: 120, system: 40, idle: 1000, iowait: 50, steal: 10, total: 1220 },
      cpus: 2,
      bootTime: 1_700_000_000
    })
  })

  it("takes the four columns of Linux 2.4, where nobody waited or stole", () => {
    assert.deepStrictEqual(parseStat("cpu  1 2 3 4\n").ticks, {
      user: 3,
      system: 3,
      idle: 4,
      iowait: 0,
      steal: 0,
      total: 10
    })
  })

  it("is null where it is not there", () => {
    for (const text of ["", "cpu\n", "cpu  1 2 x 4\n", "cpufreq 1 2 3 4\n"]) {
      assert.isNull(parseStat(text).ticks, text)
    }
    assert.deepStrictEqual(parseStat(""), { ticks: null, cpus: null, bootTime: null })
  })
})

describe("/proc/meminfo", () => {
  const modern = [
    "MemTotal:       16000000 kB",
    "MemFree:         1000000 kB",
    "MemAvailable:   12000000 kB",
    "Buffers:          500000 kB",
    "Cached:          9000000 kB",
    "SwapTotal:       2000000 kB",
    "SwapFree:        1500000 kB",
    "HugePages_Total:       3",
    "Active(anon):     100000 kB"
  ].join("\n")

  it("says what is used and what could be had", () => {
    const { memory, swap } = parseMeminfo(modern)
    assert.deepStrictEqual(memory, {
      total_bytes: 16_384_000_000,
      available_bytes: 12_288_000_000,
      used_bytes: 4_096_000_000,
      used_percent: 25,
      free_bytes: 1_024_000_000,
      buffers_bytes: 512_000_000,
      cached_bytes: 9_216_000_000
    })
    assert.deepStrictEqual(swap, {
      total_bytes: 2_048_000_000,
      used_bytes: 512_000_000,
      free_bytes: 1_536_000_000
    })
  })

  it("estimates what is available where the kernel does not say (before 3.14)", () => {
    const old = modern.replace(/^MemAvailable.*\n/mu, "")
    assert.strictEqual(parseMeminfo(old).memory?.available_bytes, (1_000_000 + 500_000 + 9_000_000) * 1024)
  })

  it("is null without the members that it needs", () => {
    assert.deepStrictEqual(parseMeminfo("MemTotal: 1 kB\nSwapTotal: many kB\n"), { memory: null, swap: null })
  })
})

describe("the other texts", () => {
  it("has the load", () => {
    assert.deepStrictEqual(parseLoad("0.20 1.18 12.5 3/480 11206\n"), {
      one: 0.2,
      five: 1.18,
      fifteen: 12.5,
      running: 3,
      total: 480
    })
    assert.deepInclude(parseLoad("0.20 0.18 0.12"), { running: null, total: null })
    for (const text of ["", "0.20 0.18", "a b c 1/2 3", "-1 0 0 1/2 3"]) assert.isNull(parseLoad(text), text)
  })

  it("has the pressure, of a kernel before 5.13 without the line of the whole", () => {
    const some = { avg10: 1.5, avg60: 0.2, avg300: 0, total_us: 123 }
    const line = "some avg10=1.50 avg60=0.20 avg300=0.00 total=123\n"
    assert.deepStrictEqual(parsePressure(line), { some, full: null })
    assert.deepStrictEqual(parsePressure(`${line}${line.replace("some", "full")}`), { some, full: some })
    for (const text of ["", "some avg10=1", "some\n", "full avg10=x avg60=0 avg300=0 total=0"]) {
      assert.isNull(parsePressure(text), text)
    }
  })

  it("has the uptime", () => {
    assert.strictEqual(parseUptime("47491.17 1234.5\n"), 47_491.17)
    assert.isNull(parseUptime(""))
  })

  it("has the processor's model and flags, of x86 and of ARM", () => {
    const x86 =
      "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\nflags\t\t: fpu hypervisor tdx_guest\n\nprocessor\t: 1\n"
    assert.deepStrictEqual(parseCpuInfo(x86), {
      model: "Intel(R) Xeon(R)",
      flags: new Set(["fpu", "hypervisor", "tdx_guest"])
    })
    const arm = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n"
    assert.deepStrictEqual(parseCpuInfo(arm), { model: null, flags: new Set(["fp", "asimd"]) })
  })

  it("has the release, as a shell would read it", () => {
    assert.deepStrictEqual(
      parseOsRelease(`# comment\nID=debian\nNAME="Debian \\"GNU\\"/Linux"\nVERSION_ID='12'\nPRETTY_NAME=\n`),
      { id: "debian", name: 'Debian "GNU"/Linux', version: "12", pretty_name: "" }
    )
    assert.isNull(parseOsRelease("nothing of the kind"))
  })

  it("makes percents of one decimal, within 0 and 100", () => {
    assert.deepStrictEqual([percent(1, 3), percent(5, 4), percent(-1, 4), percent(1, 0)], [33.3, 100, 0, 0])
  })
})

describe("devices", () => {
  it("tells of whole disks, in bytes, of kernels with and without the later columns", () => {
    const old = "   8       0 sda 100 1 200 5 300 2 400 6 7 8 9"
    const text = [
      old,
      "   8       1 sda1 1 1 1 1 1 1 1 1 1 1 1",
      "  43 0 nbd0 1 2",
      ` 259 0 nvme0n1 1 0 2 0 3 0 4 0 0 9 9 0 0 0 0 0 0`
    ]
    assert.deepStrictEqual(parseDiskStats(text.join("\n"), new Set(["sda", "nvme0n1", "nbd0"])), [
      { name: "sda", reads: 100, read_bytes: 102_400, writes: 300, written_bytes: 204_800, in_flight: 7, busy_ms: 8 },
      { name: "nvme0n1", reads: 1, read_bytes: 1024, writes: 3, written_bytes: 2048, in_flight: 0, busy_ms: 9 }
    ])
    assert.deepStrictEqual(["sda", "loop0", "ram1", "zram0", "dm-0", "sr0", "md127"].filter(isDisk), [
      "sda",
      "dm-0",
      "md127"
    ])
  })

  it("tells of interfaces, also where the kernel leaves no blank behind the colon", () => {
    const text = [
      "Inter-|   Receive                                                |  Transmit",
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed",
      "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
      "eth0:11 12 13 14 0 0 0 0 15 16 17 18 0 0 0 0",
      "eth0.7: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0",
      "bad: 1 2 x"
    ].join("\n")
    const [lo, eth0, vlan, ...rest] = parseNetDev(text)
    assert.deepStrictEqual(lo, {
      name: "lo",
      rx_bytes: 1,
      rx_packets: 2,
      rx_errors: 3,
      rx_dropped: 4,
      tx_bytes: 9,
      tx_packets: 10,
      tx_errors: 11,
      tx_dropped: 12
    })
    assert.deepInclude(eth0, { name: "eth0", rx_bytes: 11, tx_bytes: 15, tx_dropped: 18 })
    assert.deepInclude(vlan, { name: "eth0.7", tx_bytes: 2 })
    assert.deepStrictEqual(rest, [])
  })
})

describe("junk", () => {
  it("makes no parser fail, nor gives figures that are none", () => {
    const next = random(20_261_122)
    const below = (limit: number) => Math.floor(next() * limit)
    const words = [
      "cpu",
      "cpu0",
      "some",
      "full",
      "avg10=",
      "MemTotal:",
      "kB",
      " - ",
      "/",
      "\\040",
      ":",
      "\n",
      "\t",
      " "
    ]
    const piece = () => {
      const pick = below(20)
      if (pick < 12) return words[below(words.length)] ?? ""
      if (pick < 16) return String(below(1_000_000))
      return String.fromCharCode(below(0x3000))
    }
    const finite = (value: unknown): void => {
      if (typeof value === "number") assert.isTrue(Number.isFinite(value))
      else if (typeof value === "object" && value !== null) for (const each of Object.values(value)) finite(each)
    }
    for (let n = 0; n < 3000; n++) {
      const text = Array.from({ length: below(60) }, piece).join("")
      for (const parse of [
        parseStat,
        parseMeminfo,
        parseLoad,
        parseUptime,
        parsePressure,
        parseCpuInfo,
        parseOsRelease,
        parseNetDev,
        parseMounts,
        (junk: string) => disksOf(parseMounts(junk)),
        (junk: string) => parseDiskStats(junk, new Set(["cpu", "some"]))
      ]) {
        finite(parse(text))
      }
    }
  })
})
