/**
 * The contract as one page of plain HTML: no script, no font, no request to anywhere. Made from the OpenAPI document, so
 * that it cannot say anything else.
 */
import { openApi } from "./openapi.ts"

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)
const object = (value: unknown): Json => (isObject(value) ? value : {})
const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
const text = (value: unknown): string => (typeof value === "string" ? value : "")

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}
const escape = (value: unknown): string => text(value).replace(/[&<>"']/gu, (c) => escapes[c] ?? c)

const style = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; background: #fff }
  code, pre { font: 14px/1.4 ui-monospace, monospace } pre { background: #f4f4f4; padding: .75rem; overflow: auto }
  h2 { border-bottom: 1px solid #ddd; margin-top: 2.5rem } h3 { margin-top: 2rem } h4 { margin-bottom: .25rem } p { margin: .25rem 0 }
  table { border-collapse: collapse; width: 100%; margin: .5rem 0 } td, th { text-align: left; padding: .2rem .6rem .2rem 0; vertical-align: top; border-bottom: 1px solid #eee }
  .method { display: inline-block; min-width: 3.5rem; font-weight: 700 }
  @media (prefers-color-scheme: dark) { body { color: #ddd; background: #16181c } pre { background: #22252b } h2, td, th { border-color: #333 } a { color: #8ab4f8 } }
`

export const docsPage = (): string => {
  const spec = openApi()
  const info = object(spec["info"])
  const operations = Object.entries(object(spec["paths"])).flatMap(([path, item]) =>
    Object.entries(object(item)).map(([method, operation]) => ({ path, method, operation: object(operation) }))
  )
  const about = new Map(list(spec["tags"]).map((tag) => [object(tag)["name"], object(tag)["description"]]))
  const section = (name: unknown): string => {
    const own = operations.filter(({ operation }) => list(operation["tags"]).includes(name))
    return `<h3 id="${escape(name)}">${escape(name)}</h3><p>${escape(about.get(name))}</p>${own.map(renderOperation).join("")}`
  }
  const apis = list(spec["x-tagGroups"]).map((group) => {
    const { description, name, tags } = object(group)
    return `<h2>${escape(name)}</h2><p>${escape(description)}</p>${list(tags).map(section).join("\n")}`
  })
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(info["title"])}</title><style>${style}</style></head><body>
<h1>${escape(info["title"])}</h1><p>${escape(info["description"])}</p>
<p>Errors have one shape in each API: <code>{"code":N,"message":"…"}</code> in the System API; elsewhere
<code>{"error":"WORD","message":"…","code":"N"}</code> and the members of RFC 9457.
The same as data: <a href="/openapi.json">openapi.json</a>.</p>
${apis.join("\n")}
<h2 id="shapes">Shapes</h2>${renderShapes(object(object(spec["components"])["schemas"]))}
</body></html>
`
}

const renderOperation = ({ method, operation, path }: { path: string; method: string; operation: Json }): string => {
  const rows = list(operation["parameters"]).map((parameter) => {
    const { description, in: place, name, required, schema } = object(parameter)
    const about = escape(description) || escape(object(schema)["description"])
    return `<tr><td><code>${escape(name)}</code></td><td>${escape(place)}${required === true ? ", required" : ""}</td><td>${about}</td></tr>`
  })
  const answers = Object.entries(object(operation["responses"])).map(([status, answer]) => {
    const content = Object.keys(object(object(answer)["content"])).join(", ")
    return `<tr><td><code>${escape(status)}</code></td><td>${escape(content)}</td><td>${escape(object(answer)["description"])}</td></tr>`
  })
  return `<h4><span class="method">${escape(method.toUpperCase())}</span> <code>${escape(path)}</code></h4>
<p><strong>${escape(operation["summary"])}.</strong> ${escape(operation["description"])}</p>
${rows.length > 0 ? `<table>${rows.join("")}</table>` : ""}<table>${answers.join("")}</table>`
}

const renderShapes = (schemas: Json): string =>
  Object.entries(schemas)
    .map(
      ([name, schema]) =>
        `<h3 id="shape-${escape(name)}">${escape(name)}</h3><pre>${escape(JSON.stringify(schema, null, 2))}</pre>`
    )
    .join("")
