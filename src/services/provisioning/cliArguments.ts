/**
 * The argument vector of a call of the provisioning program. Each option is one element, `--name=value`, so that no value
 * can be taken for an option, lists are joined by commas, and no shell is asked: what a caller sends is text in one element.
 */
import type { Order } from "./Provisioner.ts"

export const cliArguments = (order: Order, checkMode: boolean): ReadonlyArray<string> => [
  ...wordsOf(order),
  // A dry run asks nothing back, and must not be told that all is agreed to.
  ...(checkMode ? ["--check"] : ["--yes"]),
  "--out=json"
]

const wordsOf = (order: Order): ReadonlyArray<string> => {
  switch (order._tag) {
    case "server.create": {
      const { hostname, plan, provider, tags, workspace, zone } = order.server
      return [
        "server",
        "create",
        `--workspace=${workspace}`,
        `--provider=${provider}`,
        `--plan=${plan}`,
        `--hostname=${hostname}`,
        ...(zone === null ? [] : [`--zone=${zone}`]),
        ...(tags.length === 0 ? [] : [`--tags=${tags.join(",")}`])
      ]
    }
    case "server.delete": {
      const { hostname, id, provider, workspace } = order.server
      return [
        "server",
        "delete",
        `--workspace=${workspace}`,
        `--provider=${provider}`,
        `--hostname=${hostname}`,
        `--id=${id}`
      ]
    }
    case "taskserv.create":
    case "taskserv.delete": {
      const { name, servers, workspace } = order.taskserv
      const verb = order._tag === "taskserv.create" ? "create" : "delete"
      return ["taskserv", verb, `--workspace=${workspace}`, `--name=${name}`, `--servers=${servers.join(",")}`]
    }
  }
}
