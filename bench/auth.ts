/**
 * What it costs to know who asks: the same request with credentials against one without, which the System API takes
 * until it has a password. The token and the password are verified at each request. The one password of the System API,
 * stored as argon2id, closes it: that daemon is compared with the open one.
 */
import { alternate, type Line, load, throughputLine, type Wanted } from "./harness.ts"
import { basic, logIn, startWithUsers } from "./identities.ts"
import { type Server, temporaryFolder, withServers } from "./servers.ts"

const connections = 32
const secret = "a password of some length"

interface Compared {
  readonly path: string
  readonly server: Server
  readonly address: string
  readonly authorization: string
  readonly wanted: Wanted
}

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const open = startWithUsers()
  const closed = startWithUsers(
    `basic_auth_secret_path = "${temporaryFolder()}/secret"\nbasic_auth_secret_format = "argon2id"`
  )
  return withServers([open, closed], async (openAddress = "", closedAddress = "") => {
    const token = await logIn(openAddress, "operator", "operator123")
    await setSecret(closedAddress)
    const own = { server: open, address: openAddress }
    const all: ReadonlyArray<Compared> = [
      { path: "auth: JWT", ...own, authorization: token, wanted: { of: "ratio", least: 0.7 } },
      {
        path: "auth: Basic, stored user",
        ...own,
        authorization: basic("operator", "operator123"),
        wanted: { of: "ratio", least: 0.6 }
      },
      {
        path: "auth: Basic, System API",
        server: closed,
        address: closedAddress,
        authorization: basic("admin", secret),
        wanted: { of: "ratio", least: 0.6 }
      }
    ]
    const lines: Array<Line> = []
    for (const { address, authorization, path, server, wanted } of all) {
      lines.push(
        throughputLine(
          { path, unit: "requests/s", wanted },
          await alternate(
            () => load(server, { url: `${address}/livez`, connections, authorization }),
            () => load(open, { url: `${openAddress}/livez`, connections })
          )
        )
      )
    }
    return lines
  })
}

const setSecret = async (address: string): Promise<void> => {
  const response = await fetch(`${address}/api/v1/set-basic-auth`, { method: "POST", body: secret })
  if (!response.ok) throw new Error(`the password was not taken: ${response.status} ${await response.text()}`)
}
