/**
 * The identity file as this process has it open, for a process of several that may: what is asked of it, and with each
 * answer what has changed in it. Runs where IdentityTables does; no Effect here.
 */
import { KeptFile, type KeptFormat } from "../KeptFile.ts"
import type { IdentityAnswer, IdentityRequest } from "./commands.ts"
import { identitySchema } from "./IdentitySchema.ts"
import { IdentityTables } from "./IdentityTables.ts"
import { readIndex } from "./WalIndex.ts"

export const identityFormat: KeptFormat<IdentityTables> = {
  // "sysi"
  applicationId: 0x73797369,
  migrations: identitySchema,
  // 4 MiB of log file.
  checkpointPages: 1000,
  inspect: (db) => void new IdentityTables(db).since(undefined),
  tables: (db) => new IdentityTables(db),
  whenGone: "it was removed; put it back, or restart the daemon to begin without users"
}

export class IdentityFile {
  private readonly kept: KeptFile<IdentityTables>

  constructor(path: string) {
    this.kept = new KeptFile(path, identityFormat)
  }

  perform(request: IdentityRequest): IdentityAnswer {
    const { command, known } = request
    return this.kept.use(command.tag !== "refresh" && command.tag !== "notes", ({ alone, file, number, tables }) => {
      const value = tables.perform(request)
      // Read before the changes are: they are no older than it says.
      const header = known.index < 0 ? undefined : readIndex(known.index)
      const changes = tables.since(known.connection === number ? known.generation : undefined)
      return { value, update: { changes, connection: number, file: alone ? undefined : file, index: header } }
    })
  }

  close(): void {
    this.kept.close()
  }
}
