/** What needs what: cycles, and what is done before what. Names that nothing has are passed over: they are told elsewhere. */

export interface Node {
  readonly name: string
  readonly needs: ReadonlyArray<string>
}

/** The names along one cycle, the first again at its end; undefined: there is none. */
export const findCycle = (nodes: ReadonlyArray<Node>): ReadonlyArray<string> | undefined => {
  const needs = new Map(nodes.map((node) => [node.name, node.needs]))
  const done = new Set<string>()
  // By hand and not by recursion: the way to where we are is what is told of a cycle.
  const way: Array<{ readonly name: string; readonly rest: Array<string> }> = []
  const enter = (name: string) => way.push({ name, rest: (needs.get(name) ?? []).toReversed() })
  for (const { name } of nodes) {
    if (done.has(name)) continue
    enter(name)
    for (let here = way.at(-1); here !== undefined; here = way.at(-1)) {
      const next = here.rest.pop()
      if (next === undefined) {
        done.add(here.name)
        way.pop()
      } else if (!done.has(next) && needs.has(next)) {
        const start = way.findIndex((entered) => entered.name === next)
        if (start !== -1) return [...way.slice(start).map((entered) => entered.name), next]
        enter(next)
      }
    }
  }
  return undefined
}

/** Of each, everything that is done before it. There must be no cycle. */
export const ancestors = (nodes: ReadonlyArray<Node>): ReadonlyMap<string, ReadonlySet<string>> => {
  const all = new Map<string, ReadonlySet<string>>()
  for (const { name, needs } of inOrder(nodes)) {
    const before = new Set<string>()
    for (const need of needs) {
      before.add(need)
      for (const earlier of all.get(need) ?? []) before.add(earlier)
    }
    all.set(name, before)
  }
  return all
}

/** Each behind what it needs, otherwise as they were. There must be no cycle. */
export const inOrder = <N extends Node>(nodes: ReadonlyArray<N>): ReadonlyArray<N> => {
  const waiting = new Map(nodes.map((node) => [node.name, node]))
  const order: Array<N> = []
  for (let left = waiting.size; left > 0; left = waiting.size) {
    for (const node of waiting.values()) {
      if (node.needs.some((need) => waiting.has(need))) continue
      waiting.delete(node.name)
      order.push(node)
    }
    // Nothing could be placed: the rest is a cycle.
    if (waiting.size === left) return order
  }
  return order
}
