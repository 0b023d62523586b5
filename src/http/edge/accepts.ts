/**
 * How much a client wants an answer of a media type, by its Accept field (RFC 9110, section 12.5.1). What is not
 * understood of the field counts for nothing: a preference is no reason to refuse anybody.
 */

interface Range {
  readonly type: string
  readonly quality: number
}

/** Longer fields are nobody's preference; the rest is not read. */
const lengthMax = 4096

const rangePattern = /^[ \t]*([^\s;,/]+\/[^\s;,/]+)[ \t]*((?:;[^;]*)*)$/u
const qualityPattern = /^[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)[ \t]*$/iu

const rangesOf = (field: string): ReadonlyArray<Range> =>
  field
    .slice(0, lengthMax)
    .split(",")
    .flatMap((part) => {
      const [, type, parameters = ""] = rangePattern.exec(part) ?? []
      if (type === undefined) return []
      const given = parameters.split(";").find((parameter) => /^[ \t]*q=/iu.test(parameter))
      const quality = given === undefined ? 1 : Number(qualityPattern.exec(given)?.[1] ?? 0)
      return [{ type: type.toLowerCase(), quality }]
    })

/** 0 to 1 for each of the types, in their order; the most exact range that matches decides. No field accepts all alike. */
export const qualities = (field: string | undefined, types: ReadonlyArray<string>): ReadonlyArray<number> => {
  if (field === undefined) return types.map(() => 1)
  const ranges = rangesOf(field)
  const best = (wanted: string): number | undefined => {
    const found = ranges.filter(({ type }) => type === wanted)
    return found.length === 0 ? undefined : Math.max(...found.map(({ quality }) => quality))
  }
  return types.map((type) => best(type) ?? best(`${type.slice(0, type.indexOf("/"))}/*`) ?? best("*/*") ?? 0)
}
