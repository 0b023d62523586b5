/** Of the folders that du has counted those that are shown: the largest, as many as there is room for, at each depth. */
import type { Folder } from "./du.ts"

export interface CountedFolder extends Folder {
  /** 1: right below the path that was asked about. */
  readonly depth: number
}

/** What may be asked for (`top_n`). */
export const topMax = 100

/** Where nothing below is shown, all of them are, as far as anybody reads. */
export const childrenMax = 2000

export interface Counted {
  /** The largest first. */
  readonly folders: ReadonlyArray<CountedFolder>
  /** Of the path itself; undefined: it was not told. */
  readonly total: number | undefined
  readonly truncated: boolean
}

export const largest = (path: string, depth: number, folders: ReadonlyArray<Folder>): Counted => {
  const base = path === "/" ? "" : path
  const max = depth === 1 ? childrenMax : topMax
  const byDepth = new Map<number, Array<CountedFolder>>()
  let total: number | undefined
  for (const folder of folders) {
    if (folder.path === path) {
      total = folder.bytes
      continue
    }
    if (!folder.path.startsWith(`${base}/`)) continue
    const own = folder.path.slice(base.length).split("/").length - 1
    const known = byDepth.get(own)
    if (known === undefined) byDepth.set(own, [{ ...folder, depth: own }])
    else known.push({ ...folder, depth: own })
  }
  const kept = [...byDepth.values()].map((all) => all.sort(bySize).slice(0, max))
  return {
    folders: kept.flat().sort(bySize),
    total,
    truncated: depth === 1 && (byDepth.get(1)?.length ?? 0) > childrenMax
  }
}

export const bySize = (a: Folder, b: Folder): number => b.bytes - a.bytes || (a.path < b.path ? -1 : 1)
