/**
 * The operations file as the one process that owns the store has it open. A daemon that was never asked for an operation
 * has none: what is asked of it then is answered without making one. Runs where OperationsTables does; no Effect here.
 */
import { KeptFile, type KeptFormat } from "../KeptFile.ts"
import { isChange, ofNothing, type OperationsCommand, type OperationsValue } from "./commands.ts"
import { operationsSchema } from "./OperationsSchema.ts"
import { OperationsTables } from "./OperationsTables.ts"

const format: KeptFormat<OperationsTables> = {
  // "syso"
  applicationId: 0x7379736f,
  migrations: operationsSchema,
  // 16 MiB of log: at 500 operations a second a checkpoint every few seconds.
  checkpointPages: 4000,
  inspect: (db) => void new OperationsTables(db).perform([{ tag: "counts" }]),
  tables: (db) => new OperationsTables(db),
  whenGone: "it was removed; put it back, or restart the daemon to begin without operations"
}

export class OperationsFile {
  private readonly kept: KeptFile<OperationsTables>

  constructor(path: string) {
    this.kept = new KeptFile(path, format)
  }

  /** One transaction. */
  perform(commands: ReadonlyArray<OperationsCommand>): ReadonlyArray<OperationsValue> {
    if (this.kept.isBlank()) {
      const answers = commands.map(ofNothing).filter((value) => value !== undefined)
      if (answers.length === commands.length) return answers
    }
    return this.kept.use(commands.some(isChange), ({ tables }) => tables.perform(commands))
  }

  close(): void {
    this.kept.close()
  }
}
