/** What a start begins before its code is even loaded; the first import of main.ts, so that nothing comes before it. */
import { comingUp } from "../services/storage/storageThread.ts"
import { plainServe } from "./argv.ts"

if (plainServe(process.argv.slice(2)) !== undefined) comingUp()
