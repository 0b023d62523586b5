/**
 * The servers the daemon is measured against: what Node can do at the very least for the same work. One process each,
 * started with the mode as its argument; HTTP modes print their address, as the daemon does.
 */
import { execFileSync, spawn } from "node:child_process"
import { createReadStream, readFileSync } from "node:fs"
import { createServer, type RequestListener, type ServerResponse } from "node:http"

const [mode, argument = ""] = process.argv.slice(2)

const serve = (listener: RequestListener) => {
  const server = createServer(listener)
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    if (typeof address === "object" && address !== null) console.log(`listening on http://127.0.0.1:${address.port}`)
  })
}

/** Reads the FIFO `pipe` of its folder, whoever writes. */
const readPipe = (onData: (chunk: Buffer) => void) => {
  execFileSync("mkfifo", ["pipe"])
  const open = () => {
    const stream = createReadStream("pipe")
    stream.on("data", (chunk) => typeof chunk === "string" || onData(chunk))
    stream.on("close", open)
  }
  open()
}

switch (mode) {
  // The least there is.
  case "ok":
    serve((_, response) => response.end("ok"))
    break
  // A file's content, from memory.
  case "file": {
    const bytes = readFileSync(argument)
    serve((_, response) => {
      response.setHeader("content-type", "text/plain")
      response.end(bytes)
    })
    break
  }
  // Parses each line of a body and answers a line for it.
  case "ndjson":
    serve((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const events: ReadonlyArray<unknown> = Buffer.concat(chunks)
          .toString()
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line))
        response.setHeader("content-type", "application/x-ndjson")
        response.end(events.map((_, n) => `{"seq":${n}}\n`).join(""))
      })
    })
    break
  // A shell for each request.
  case "spawn":
    serve((_, response) => {
      const child = spawn("/bin/sh", ["-c", "echo test"], { stdio: ["ignore", "pipe", "pipe"] })
      child.stdout.resume()
      child.stderr.resume()
      child.once("close", () => response.end('{"message":"Action executed successfully"}'))
    })
    break
  // Counts the lines of its FIFO, and tells each time another `lines` have come.
  case "fifo": {
    const lines = Number(argument)
    let seen = 0
    let told = 0
    readPipe((chunk) => {
      for (let at = chunk.indexOf("\n"); at >= 0; at = chunk.indexOf("\n", at + 1)) seen += 1
      while (seen - told >= lines) {
        told += lines
        console.log(`seen ${told}`)
      }
    })
    console.log("listening on a pipe")
    break
  }
  // Sends the lines of its FIFO on to all who have asked.
  case "sse": {
    const followers = new Set<ServerResponse>()
    let rest = ""
    let seq = 0
    readPipe((chunk) => {
      const lines = (rest + chunk.toString()).split("\n")
      rest = lines.pop() ?? ""
      const text = lines.map((message) => `id: ${++seq}\ndata: ${JSON.stringify({ seq, message })}\n\n`).join("")
      for (const follower of followers) follower.write(text)
    })
    serve((_, response) => {
      followers.add(response)
      response.once("close", () => followers.delete(response))
      response.setHeader("content-type", "text/event-stream")
      response.write(": hello\n\n")
    })
    break
  }
  default:
    throw new Error(`unknown mode ${mode}`)
}
