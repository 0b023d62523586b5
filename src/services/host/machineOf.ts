/** What kind of machine it is, by what its firmware says of itself (DMI) and by the processor's flag of hypervisors. */
import type { MachineState } from "./HostState.ts"

export interface MachineFound {
  /** `/sys/class/dmi/id`; undefined where there is no such firmware. */
  readonly vendor: string | undefined
  readonly product: string | undefined
  /** `/run/systemd/container`. */
  readonly container: string | undefined
  /** Of the processor; undefined: they could not be read. */
  readonly flags: ReadonlySet<string> | undefined
}

const textMax = 128

const kinds: ReadonlyArray<readonly [kind: string, pattern: RegExp]> = [
  ["amazon", /^Amazon EC2/u],
  ["google", /^Google/u],
  ["vmware", /^VMware/u],
  ["hyperv", /^Microsoft Corporation Virtual/u],
  ["virtualbox", /^(?:innotek|Oracle Corporation VirtualBox)/u],
  ["xen", /^Xen/u],
  ["kvm", /QEMU|KVM|^Bochs|OpenStack|Standard PC/u]
]

export const machineOf = ({ container, flags, product, vendor }: MachineFound): MachineState => {
  const said = [vendor, product].flatMap(cleaned).join(" ")
  const known = kinds.find(([, pattern]) => pattern.test(said))?.[0]
  const hypervisor = flags?.has("hypervisor")
  return {
    vendor: cleaned(vendor)[0] ?? null,
    product: cleaned(product)[0] ?? null,
    // A cloud's bare machine has its vendor's name, and no hypervisor.
    virtualization: hypervisor === false ? "none" : (known ?? (hypervisor === true ? "other" : null)),
    container: cleaned(container)[0] ?? null
  }
}

const cleaned = (text: string | undefined): ReadonlyArray<string> => {
  const trimmed = text?.trim().slice(0, textMax) ?? ""
  return trimmed === "" ? [] : [trimmed]
}
