/** What a machine is known by: confidential or not, virtual or not. */
import { assert, describe, it } from "@effect/vitest"
import { machineOf } from "../../../src/services/host/machineOf.ts"
import { reportsPath, teeOf } from "../../../src/services/host/tee.ts"

const none: ReadonlySet<string> = new Set()

describe("the TEE", () => {
  it("is told by what only a guest has", () => {
    assert.deepStrictEqual(teeOf(new Set(["fpu", "tdx_guest"]), none), {
      kind: "tdx",
      evidence: "cpu flag tdx_guest",
      reports: false
    })
    assert.deepStrictEqual(teeOf(none, new Set(["/sys/class/misc/tdx_guest", reportsPath])), {
      kind: "tdx",
      evidence: "/sys/class/misc/tdx_guest",
      reports: true
    })
    assert.deepStrictEqual(teeOf(none, new Set(["/dev/sev-guest", "/sys/class/misc/sev-guest"])), {
      kind: "sev-snp",
      evidence: "/sys/class/misc/sev-guest",
      reports: false
    })
  })

  it("is none on a host that could run such guests", () => {
    assert.deepStrictEqual(teeOf(new Set(["sev", "sev_es", "sev_snp"]), none), {
      kind: "none",
      evidence: null,
      reports: false
    })
  })
})

describe("the machine", () => {
  const flags = new Set(["hypervisor"])
  const kind = (
    vendor: string | undefined,
    product: string | undefined,
    seen: ReadonlySet<string> | undefined = flags
  ) => machineOf({ vendor, product, container: undefined, flags: seen }).virtualization

  it("is known by what its firmware says", () => {
    assert.deepStrictEqual(
      [
        kind("QEMU\n", "Standard PC (Q35 + ICH9, 2009)\n"),
        kind("VMware, Inc.", "VMware7,1"),
        kind("Microsoft Corporation", "Virtual Machine"),
        kind("Amazon EC2", "m7i.large"),
        kind("Google", "Google Compute Engine"),
        kind("innotek GmbH", "VirtualBox"),
        kind("Xen", "HVM domU"),
        kind(undefined, undefined),
        kind("Dell Inc.", "PowerEdge", none),
        kind("Amazon EC2", "m7i.metal", none),
        machineOf({ vendor: undefined, product: undefined, container: undefined, flags: undefined }).virtualization
      ],
      ["kvm", "vmware", "hyperv", "amazon", "google", "virtualbox", "xen", "other", "none", "none", null]
    )
  })

  it("says nothing that it does not know", () => {
    assert.deepStrictEqual(machineOf({ vendor: "", product: " \n", container: "docker\n", flags: undefined }), {
      vendor: null,
      product: null,
      virtualization: null,
      container: "docker"
    })
  })
})
