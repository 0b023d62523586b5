/**
 * The storage worker: owns the SQLite connections, so that an fsync of milliseconds stops nobody. Serves requests one by
 * one, in order. The first message says where the stores are: opens the event store and says how that went; ends itself when
 * that connection can no longer be trusted. The identity file and that of operations are opened when they are asked for,
 * and what befalls them is their own (KeptFile).
 */
import { statSync } from "node:fs"
import type { DatabaseSync } from "node:sqlite"
import { parentPort } from "node:worker_threads"
import { EventTable } from "./EventTable.ts"
import { lockStore, makeStoreDirectory, openStore, storeFile, StoreRemoved } from "./openStore.ts"
import { IdentityFile } from "./identity/IdentityFile.ts"
import { OperationsFile } from "./operations/OperationsFile.ts"
import type { StorageAnswer, StoragePlaces, StorageRequest, StorageValue } from "./protocol.ts"
import { faultOf } from "./sqliteFault.ts"

const port = parentPort
if (port === null) throw new Error("storage.worker is started by the daemon, as a worker thread")

const answer = (message: StorageAnswer) => port.postMessage(message)

const open = ({ directory, identityPath, operationsPath }: StoragePlaces) => {
  makeStoreDirectory(directory)
  const lock = lockStore(directory)
  const db = openStore(directory)
  return {
    lock,
    db,
    table: new EventTable(db),
    file: watchFile(storeFile(directory)),
    settle: settleOnce(db),
    identities: identityPath === undefined ? undefined : new IdentityFile(identityPath),
    operations: operationsPath === undefined ? undefined : new OperationsFile(operationsPath)
  }
}

/**
 * What a failed fsync dropped of SQLite's log file is still shown by the kernel, until the power fails; whatever is
 * written behind it would be lost with it. So what an earlier connection left there goes into the store before the first
 * write of this one.
 */
const settleOnce = (db: DatabaseSync) => {
  let settled = false
  return () => {
    if (settled) return
    try {
      db.exec("PRAGMA wal_checkpoint(TRUNCATE)")
    } catch (error) {
      // Without room nothing can be written behind it either.
      if (faultOf(error).kind !== "full") throw error
    }
    settled = true
  }
}

/**
 * A store whose file was removed under it would go on taking events that are gone with the process: what is written now
 * must be found by whoever opens the path next.
 */
const watchFile = (path: string) => {
  const { dev, ino } = statSync(path)
  return () => {
    const now = statSync(path, { throwIfNoEntry: false })
    if (now?.ino !== ino || now.dev !== dev)
      throw new StoreRemoved("its file was removed or replaced; restart the daemon")
  }
}

const serve = ({ db, file, identities, lock, operations, settle, table }: ReturnType<typeof open>) => {
  const perform = (request: StorageRequest): StorageValue => {
    switch (request.tag) {
      case "append":
        file()
        settle()
        return table.append(request.appends, request.marks)
      case "marks":
        return { tag: "marks", marks: table.marks.list() }
      case "scan":
        return table.scan(request.range)
      case "seek":
        return table.seek(request.query)
      case "retain":
        settle()
        return table.retain(request.limits)
      case "state":
        return table.state()
      case "identity":
        if (identities === undefined) throw new Error("there is no identity file here")
        return { tag: "identity", answer: identities.perform(request.request) }
      case "operations":
        if (operations === undefined) throw new Error("there is no operations file here")
        return { tag: "operations", values: operations.perform(request.commands) }
      case "close":
        identities?.close()
        operations?.close()
        db.close()
        lock.close()
        return { tag: "closed" }
    }
  }
  port.on("message", (request: StorageRequest) => {
    try {
      answer({ tag: "ok", id: request.id, value: perform(request) })
      if (request.tag === "close") port.close()
    } catch (error) {
      const fault = faultOf(error)
      answer({ tag: "fault", id: request.id, ...fault })
      if (fault.kind === "lost" && request.tag !== "identity" && request.tag !== "operations") port.close()
    }
  })
  answer({ tag: "opened", state: table.state() })
}

port.once("message", (places: StoragePlaces) => {
  try {
    serve(open(places))
  } catch (error) {
    answer({ tag: "open-failed", ...faultOf(error) })
  }
})
