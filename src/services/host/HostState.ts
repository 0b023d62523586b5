/**
 * What is told of the host, in the words of `GET /api/v1/host`. What this machine does not tell, or not to this daemon, is
 * null: a kernel without pressure figures, a file that the sandbox hides.
 */

export interface CpuState {
  readonly model: string | null
  /** Those that are online. */
  readonly count: number | null
  /** Of all of them together, within the last `interval_ms`. */
  readonly usage_percent: number | null
  readonly user_percent: number | null
  readonly system_percent: number | null
  readonly iowait_percent: number | null
  /** Time that the hypervisor gave to others. */
  readonly steal_percent: number | null
  readonly interval_ms: number | null
}

export interface MemoryState {
  readonly total_bytes: number
  /** What could be had without swapping. */
  readonly available_bytes: number
  /** The rest of the total. */
  readonly used_bytes: number
  readonly used_percent: number
  readonly free_bytes: number
  readonly buffers_bytes: number | null
  readonly cached_bytes: number | null
}

export interface SwapState {
  readonly total_bytes: number
  readonly used_bytes: number
  readonly free_bytes: number
}

export interface LoadState {
  readonly one: number
  readonly five: number
  readonly fifteen: number
  readonly running: number | null
  /** Of processes and their threads. */
  readonly total: number | null
}

/** Shares of the time in percent, over the last seconds, in which some or all tasks waited for the resource. */
export interface PressureLine {
  readonly avg10: number
  readonly avg60: number
  readonly avg300: number
  readonly total_us: number
}

export interface Pressure {
  readonly some: PressureLine | null
  readonly full: PressureLine | null
}

export interface Filesystem {
  readonly source: string
  readonly target: string
  readonly type: string
  readonly read_only: boolean
  readonly total_bytes: number
  readonly used_bytes: number
  /** To those who are not root. */
  readonly available_bytes: number
  /** Of what may be used, as df counts it. */
  readonly used_percent: number
  readonly inodes_total: number
  readonly inodes_free: number
}

export interface BlockDevice {
  readonly name: string
  readonly reads: number
  readonly read_bytes: number
  readonly writes: number
  readonly written_bytes: number
  /** Requests that have been sent to it and are not answered. */
  readonly in_flight: number
  /** Time in which there was such a request. */
  readonly busy_ms: number
}

export interface InterfaceCounts {
  readonly name: string
  readonly rx_bytes: number
  readonly rx_packets: number
  readonly rx_errors: number
  readonly rx_dropped: number
  readonly tx_bytes: number
  readonly tx_packets: number
  readonly tx_errors: number
  readonly tx_dropped: number
}

export interface NetworkInterface extends InterfaceCounts {
  /** `up`, `down`, `unknown`: as the kernel calls it. */
  readonly state: string | null
  readonly mac: string | null
  /** With the length of the prefix: `10.0.0.2/24`. */
  readonly addresses: ReadonlyArray<string>
}

export interface OsRelease {
  readonly id: string | null
  readonly name: string | null
  readonly version: string | null
  readonly pretty_name: string | null
}

export interface MachineState {
  readonly vendor: string | null
  readonly product: string | null
  /** `kvm`, `vmware`, `xen`, `hyperv`, `amazon`, `google`, `virtualbox`, `other`; `none`: it is no virtual machine. */
  readonly virtualization: string | null
  /** `docker`, `lxc`, as the container's manager calls it; null: in none that says so. */
  readonly container: string | null
}

/** Whether this is the inside of a confidential virtual machine. */
export interface TeeState {
  readonly kind: "tdx" | "sev-snp" | "none"
  /** By what it is known: a file, or a flag of the processor. */
  readonly evidence: string | null
  /** Whether the kernel makes attestation reports (configfs-tsm). */
  readonly reports: boolean
}

export interface HostState {
  readonly hostname: string
  readonly kernel: {
    readonly name: string
    readonly release: string
    readonly version: string
    readonly architecture: string
  }
  readonly os: OsRelease | null
  readonly boot: {
    readonly id: string | null
    /** RFC 3339. */
    readonly time: string | null
    readonly uptime_seconds: number | null
  }
  readonly machine: MachineState
  readonly tee: TeeState
  readonly cpu: CpuState
  readonly memory: MemoryState | null
  readonly swap: SwapState | null
  readonly load: LoadState | null
  readonly pressure: {
    readonly cpu: Pressure | null
    readonly memory: Pressure | null
    readonly io: Pressure | null
  }
  readonly filesystems: ReadonlyArray<Filesystem>
  readonly block_devices: ReadonlyArray<BlockDevice>
  readonly interfaces: ReadonlyArray<NetworkInterface>
}
