/**
 * Whether the machine is the inside of a confidential virtual machine, and of which kind. Known by what only a guest has:
 * `/sys` tells it in a sandbox too, where `/dev` is the daemon's own. The flags that a host's processor has for the guests
 * that it could run (`sev_snp`) say nothing.
 */
import type { TeeState } from "./HostState.ts"

type Kind = Exclude<TeeState["kind"], "none">

/** By kind, what to look for, the surest first. */
export const teePaths: ReadonlyArray<readonly [Kind, string]> = [
  ["tdx", "/sys/class/misc/tdx_guest"],
  ["tdx", "/dev/tdx_guest"],
  ["tdx", "/dev/tdx-guest"],
  ["sev-snp", "/sys/class/misc/sev-guest"],
  ["sev-snp", "/sys/devices/system/cpu/sev/vmpl"],
  ["sev-snp", "/dev/sev-guest"]
]

/** There where the kernel has configfs-tsm. */
export const reportsPath = "/sys/kernel/config/tsm/report"

/** `there`: those of the paths above that exist. */
export const teeOf = (flags: ReadonlySet<string>, there: ReadonlySet<string>): TeeState => {
  const reports = there.has(reportsPath)
  if (flags.has("tdx_guest")) return { kind: "tdx", evidence: "cpu flag tdx_guest", reports }
  const found = teePaths.find(([, path]) => there.has(path))
  return found === undefined
    ? { kind: "none", evidence: null, reports }
    : { kind: found[0], evidence: found[1], reports }
}
