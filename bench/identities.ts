/** A daemon with stored users, and what it takes to become one of them. */
import { type Server, startDaemon } from "./servers.ts"

/** The three of the Provisioning API's document, whose passwords are argon2id in the store as anybody's. */
export const startWithUsers = (general = ""): Server =>
  startDaemon({ general, tables: "[auth]\ndevelopment_users = true\n" })

export const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`

export const post = async (url: string, body: unknown, headers: Readonly<Record<string, string>> = {}) => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body)
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${text}`)
  return text
}

/** The value of its Authorization. */
export const logIn = async (address: string, username: string, password: string): Promise<string> => {
  const answer: { readonly token: string } = JSON.parse(await post(`${address}/v1/auth/login`, { username, password }))
  return `Bearer ${answer.token}`
}
