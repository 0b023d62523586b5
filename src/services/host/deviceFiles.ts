/** Reads the texts of `/proc` that tell of devices: block devices and network interfaces. As procFiles.ts, nothing fails. */
import type { BlockDevice, InterfaceCounts } from "./HostState.ts"
import { count, fieldsOf } from "./procFiles.ts"

/** What `/proc/diskstats` counts in, whatever the device's own sectors are. */
const sectorBytes = 512

/** A machine with more disks tells of the first of them. */
const devicesMax = 256

/** `/proc/diskstats`, of those devices that `shown` names: whole disks and not their partitions. */
export const parseDiskStats = (text: string, shown: ReadonlySet<string>): ReadonlyArray<BlockDevice> =>
  text
    .split("\n")
    .flatMap((line) => {
      const [, , name, ...rest] = fieldsOf(line)
      if (name === undefined || !shown.has(name)) return []
      const values = rest.slice(0, 10).map(count)
      if (values.length < 10 || values.includes(null)) return []
      const [reads = 0, , readSectors = 0, , writes = 0, , writtenSectors = 0, , inFlight = 0, busy = 0] = values.map(
        (value) => value ?? 0
      )
      return [
        {
          name,
          reads,
          read_bytes: readSectors * sectorBytes,
          writes,
          written_bytes: writtenSectors * sectorBytes,
          in_flight: inFlight,
          busy_ms: busy
        }
      ]
    })
    .slice(0, devicesMax)

/** What has no disk below it, or is another one's shape, and whose figures say nothing. */
const unreal = /^(?:loop|ram|zram|fd|sr)\d+$/u

export const isDisk = (name: string): boolean => !unreal.test(name)

/** A host of many containers has an interface for each of them. */
export const interfacesMax = 256

/** `/proc/net/dev`: a name, a colon, eight counts of what came and eight of what went. */
export const parseNetDev = (text: string): ReadonlyArray<InterfaceCounts> =>
  text
    .split("\n")
    .flatMap((line) => {
      const [, name, rest] = /^\s*([^\s:|]{1,15}):(.*)$/u.exec(line) ?? []
      if (name === undefined || rest === undefined) return []
      const values = fieldsOf(rest).map(count)
      if (values.length < 12 || values.slice(0, 12).includes(null)) return []
      const at = (index: number): number => values[index] ?? 0
      return [
        {
          name,
          rx_bytes: at(0),
          rx_packets: at(1),
          rx_errors: at(2),
          rx_dropped: at(3),
          tx_bytes: at(8),
          tx_packets: at(9),
          tx_errors: at(10),
          tx_dropped: at(11)
        }
      ]
    })
    .slice(0, interfacesMax)
