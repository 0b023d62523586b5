/**
 * What a stretch of seeds must have met, or it has proved nothing: every kind of fault, and each of them with work in
 * hand. A simulator that never finds anything is more often one that does nothing.
 */
import { behaviours } from "./SimSpawner.ts"

const actors = ["EventStore", "CommandExecutor", "Retention", "LifeRecorder", "ConfigReloader", "pipe:pipe.fifo"]
const disk = ["create", "write", "sync", "chmod", "rename", "remove", "syncFolder", "read"]

export const mustHappen: ReadonlyArray<string> = [
  ...["full", "failing", "lost-before", "lost-after"].map((fault) => `store ${fault} met work`),
  "fault store hanging",
  "fault slow store",
  "failing read met work",
  "fault reads fail",
  ...actors.flatMap((name) => ["fails", "dies", "is interrupted"].map((how) => `actor ${name} ${how}`)),
  "EventStore ended with a commit in hand",
  "actor ended again and again",
  "process crashed",
  "process crashed with requests in hand",
  "crash while a commit is in hand",
  "crash while names are not synced",
  "crash while bytes are not synced",
  "process stopped",
  "start failed",
  ...disk.map((operation) => `disk ${operation} failed`),
  "fault disk full",
  "fault disk slow",
  "fifo operation failed",
  "fifo reading failed",
  "fifo held back by its reader",
  "fifo flooded",
  "fault fifo removed",
  "fault fifo replaced",
  ...behaviours.map((program) => `command ${program} started`),
  "command met SIGTERM",
  "command met SIGKILL",
  "command not started",
  "spawner died with a command",
  "client left in the middle",
  "wrong password",
  "write refused",
  "write with unknown outcome",
  "event told to a follower",
  "gap told to a follower",
  "follower reads slowly",
  "follower stuck",
  "follower cut and back",
  "long poll with events",
  "long poll without events",
  "retention removed events",
  "upload answered 200",
  "upload answered 413",
  "upload answered 500",
  "upload answered 507",
  "password answered 200",
  "password answered 409",
  "password answered 500",
  "reload",
  "reload of a wrong file",
  "clock stepped back",
  "clock stepped forward",
  "run without faults"
]
